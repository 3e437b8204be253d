"""Exact k-means for data larger than memory, on Dask, Zarr and Xarray.

Public names load on first use, so ``import streamkm`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamkm import plot as plot
    from streamkm.curation.deduplicate import dedup as dedup
    from streamkm.curation.group import partition as partition
    from streamkm.estimators import BisectingKMeans as BisectingKMeans
    from streamkm.estimators import HierarchicalKMeans as HierarchicalKMeans
    from streamkm.estimators import KMeans as KMeans
    from streamkm.estimators import MiniBatchKMeans as MiniBatchKMeans
    from streamkm.estimators import ProductQuantizer as ProductQuantizer
    from streamkm.estimators import SphericalKMeans as SphericalKMeans
    from streamkm.estimators import StreamingKMeans as StreamingKMeans
    from streamkm.estimators.drift import drift as drift
    from streamkm.estimators.forecast import forecast as forecast
    from streamkm.estimators.loading import load as load
    from streamkm.estimators.nearest import nearest as nearest
    from streamkm.estimators.steps import LloydStep as LloydStep
    from streamkm.estimators.steps import iterate as iterate
    from streamkm.ingesting import ingest as ingest
    from streamkm.models.model import Model as Model
    from streamkm.models.storage import load_model as load_model
    from streamkm.models.sweep import open_sweep as open_sweep
    from streamkm.models.sweep_model import centroids_of as centroids_of
    from streamkm.outputs.partitions import Partition as Partition
    from streamkm.outputs.partitions import open_partition as open_partition
    from streamkm.passes import Nearest as Nearest
    from streamkm.reporting.report import report as report
    from streamkm.rows.array import open_array as open_array
    from streamkm.selection import stability as stability
    from streamkm.selection import sweep as sweep

__version__ = "0.1.0"

_PUBLIC = {
    "BisectingKMeans": "streamkm.estimators",
    "HierarchicalKMeans": "streamkm.estimators",
    "KMeans": "streamkm.estimators",
    "LloydStep": "streamkm.estimators.steps",
    "MiniBatchKMeans": "streamkm.estimators",
    "Model": "streamkm.models.model",
    "Nearest": "streamkm.passes",
    "Partition": "streamkm.outputs.partitions",
    "ProductQuantizer": "streamkm.estimators",
    "SphericalKMeans": "streamkm.estimators",
    "StreamingKMeans": "streamkm.estimators",
    "centroids_of": "streamkm.models.sweep_model",
    "dedup": "streamkm.curation.deduplicate",
    "drift": "streamkm.estimators.drift",
    "forecast": "streamkm.estimators.forecast",
    "ingest": "streamkm.ingesting",
    "iterate": "streamkm.estimators.steps",
    "load": "streamkm.estimators.loading",
    "load_model": "streamkm.models.storage",
    "nearest": "streamkm.estimators.nearest",
    "open_array": "streamkm.rows.array",
    "open_partition": "streamkm.outputs.partitions",
    "open_sweep": "streamkm.models.sweep",
    "partition": "streamkm.curation.group",
    "report": "streamkm.reporting.report",
    "stability": "streamkm.selection",
    "sweep": "streamkm.selection",
}

__all__ = [
    "BisectingKMeans",
    "HierarchicalKMeans",
    "KMeans",
    "LloydStep",
    "MiniBatchKMeans",
    "Model",
    "Nearest",
    "Partition",
    "ProductQuantizer",
    "SphericalKMeans",
    "StreamingKMeans",
    "__version__",
    "centroids_of",
    "dedup",
    "drift",
    "forecast",
    "ingest",
    "iterate",
    "load",
    "load_model",
    "nearest",
    "open_array",
    "open_partition",
    "open_sweep",
    "partition",
    "plot",
    "report",
    "stability",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name == "plot":
        return import_module("streamkm.plot")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'streamkm' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
