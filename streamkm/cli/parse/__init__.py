"""Options of the commands. No heavy imports, so that help is fast."""
