"""Conversion of files to Zarr stores: one reader for each kind of file, and one writer."""

from streamkm.ingesting.ingest import ingest
from streamkm.progress import Progress

__all__ = ["Progress", "ingest"]


def __dir__() -> list[str]:
    return __all__
