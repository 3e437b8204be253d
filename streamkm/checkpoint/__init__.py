"""Checkpoints: the states of a run in a Zarr group, local or in an object store."""

from streamkm.checkpoint.generations import Generations, is_local
from streamkm.checkpoint.lock import FileLock, LeaseLock
from streamkm.checkpoint.locked import locked
from streamkm.checkpoint.periodic import Periodic, load_progress
from streamkm.checkpoint.record import (
    Difference,
    Record,
    Saved,
    difference,
    load_saved,
    may_resume,
    warn_of_versions,
)
from streamkm.checkpoint.tree import flatten, restore

__all__ = [
    "Difference",
    "FileLock",
    "Generations",
    "LeaseLock",
    "Periodic",
    "Record",
    "Saved",
    "difference",
    "flatten",
    "is_local",
    "load_progress",
    "load_saved",
    "locked",
    "may_resume",
    "restore",
    "warn_of_versions",
]
