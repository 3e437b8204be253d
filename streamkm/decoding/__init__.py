"""Decoding of image files to headers and pixels, for all commands that read images."""
