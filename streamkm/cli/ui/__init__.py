"""Output of the commands: messages, tables and progress bars."""
