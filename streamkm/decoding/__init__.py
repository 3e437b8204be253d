"""From the bytes of an image to its header and its pixels, for every command that reads images."""
