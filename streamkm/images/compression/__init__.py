"""A run of `compress`: options, reads, and resuming after a kill."""
