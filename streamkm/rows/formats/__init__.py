"""Arrays in files of other formats than Zarr, read in place: one file for each format."""
