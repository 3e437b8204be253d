"""Images of an archive that look alike."""
