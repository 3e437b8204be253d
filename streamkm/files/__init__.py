"""Which files are meant, where their bytes lie, and which names are refused."""
