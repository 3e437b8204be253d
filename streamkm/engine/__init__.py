"""The two verbs on Dask's public API: fold a pass over rows, or map one to per-row results."""

from streamkm.engine.fold import WAVE, map_reduce
from streamkm.engine.keep import keeping, stays
from streamkm.engine.per_row import map_rows, write_rows
from streamkm.engine.schedule import threads

__all__ = ["WAVE", "keeping", "map_reduce", "map_rows", "stays", "threads", "write_rows"]
