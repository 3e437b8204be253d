"""Images of an archive as files."""
