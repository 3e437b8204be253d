"""Files of models for other programs."""
