"""Plots of fits and sweeps (needs matplotlib: ``pip install streamkm[plot]``).

Every function draws on the given Axes, or on new ones, and returns them. Legends are placed to the
right of the axes; a figure with ``layout="constrained"`` makes room for them.
"""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("matplotlib") is None:
    raise ModuleNotFoundError("streamkm.plot needs matplotlib: pip install 'streamkm[plot]'.")

from streamkm.plot.agreement import coassignment, stability
from streamkm.plot.centroid_pictures import centroids
from streamkm.plot.cluster_scatter import clusters
from streamkm.plot.drift_lines import drift
from streamkm.plot.elbow_curve import elbow
from streamkm.plot.image_quality import before_after, rate_distortion
from streamkm.plot.label_map import labels
from streamkm.plot.lloyd_step import step
from streamkm.plot.loss_curve import loss
from streamkm.plot.nearest_rows import representatives
from streamkm.plot.restart_curves import restarts
from streamkm.plot.silhouette_bars import silhouette
from streamkm.plot.size_bars import sizes

__all__ = [
    "before_after",
    "centroids",
    "clusters",
    "coassignment",
    "drift",
    "elbow",
    "labels",
    "loss",
    "rate_distortion",
    "representatives",
    "restarts",
    "silhouette",
    "sizes",
    "stability",
    "step",
]


def __dir__() -> list[str]:
    return __all__
