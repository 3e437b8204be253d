"""Files of other kinds become a Zarr store: one reader a kind, one writer."""

from streamkm.ingesting.ingest import ingest
from streamkm.ingesting.write import Progress

__all__ = ["Progress", "ingest"]


def __dir__() -> list[str]:
    return __all__
