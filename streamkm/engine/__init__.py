"""The two verbs on Dask's public API: fold a pass over rows, or map one to per-row results."""

from streamkm.engine.budget import work_budget
from streamkm.engine.cached import caching, can_cache
from streamkm.engine.fold import WAVE, folding, last, map_reduce
from streamkm.engine.folded import Folded
from streamkm.engine.listed import Listed
from streamkm.engine.per_row import map_rows, write_rows, writing
from streamkm.engine.schedule import (
    in_threads,
    memory_without_limit,
    same_processes,
    threads,
    wave_size,
)

__all__ = [
    "WAVE",
    "Folded",
    "Listed",
    "caching",
    "can_cache",
    "folding",
    "in_threads",
    "last",
    "map_reduce",
    "map_rows",
    "memory_without_limit",
    "same_processes",
    "threads",
    "wave_size",
    "work_budget",
    "write_rows",
    "writing",
]
