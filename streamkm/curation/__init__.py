"""Rows by cluster: `streamkm.partition` and `streamkm.dedup`."""
