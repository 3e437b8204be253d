"""Progress bars and tables on a terminal, and safe text."""
