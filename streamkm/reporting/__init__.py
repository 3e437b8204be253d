"""Reports of results: one HTML page each, which loads nothing from elsewhere."""
