"""Fuzzing of what users and others can pass to streamkm; `scripts/fuzz` runs it for long."""
