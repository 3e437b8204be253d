"""Codebooks of image patches, and their training."""
