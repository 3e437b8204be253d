"""Functions that compose whole runs from the rooms below."""
