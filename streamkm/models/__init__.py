"""Models and sweeps as they are stored, and opened again."""
