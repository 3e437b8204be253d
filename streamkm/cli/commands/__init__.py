"""One file for each command: call the library and print the result."""
