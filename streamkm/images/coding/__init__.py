"""Stacks of images of one size, and the conversion between pixels and codes."""
