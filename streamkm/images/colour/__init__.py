"""Colours: colour spaces, palettes, and the search for a palette."""
