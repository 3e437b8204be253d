"""Where the states of a fit outlive its process: a Zarr group, local or in an object store."""

from streamkm.checkpoint.generations import Generations, is_local
from streamkm.checkpoint.lock import FileLock, LeaseLock
from streamkm.checkpoint.tree import flatten, restore

__all__ = ["FileLock", "Generations", "LeaseLock", "flatten", "is_local", "restore"]
