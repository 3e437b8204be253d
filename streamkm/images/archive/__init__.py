"""Archives as Zarr groups: their layout, their codec, and reading them."""
