"""Output of the commands: messages and tables."""
