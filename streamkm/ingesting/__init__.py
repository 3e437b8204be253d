"""Conversion of files to Zarr stores: one reader for each kind of file, and one writer.

Every module of this package is imported here, so that each kind registers its reader.
"""

from importlib import import_module
from pkgutil import iter_modules

from streamkm.ingesting.ingest import ingest
from streamkm.progress import Progress

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["Progress", "ingest"]


def __dir__() -> list[str]:
    return __all__
