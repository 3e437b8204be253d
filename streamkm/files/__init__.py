"""Files that are given as sources: finding them, opening them, and checking their names."""
