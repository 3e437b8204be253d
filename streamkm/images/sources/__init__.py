"""Find the images that paths, patterns, tars, zips and Zarr stores name."""
