"""Centroids as plain arrays: npy and safetensors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.models.model import Model
from streamkm.models.scalings import scaling_arrays, scaling_attributes

_FORMAT = "1"


def write_npy(model: Model, path: Path) -> None:
    """Write the centroids (k, d), float64, in units of the data."""
    with path.open("wb") as file:
        np.save(file, model.centroids)


def write_safetensors(model: Model, path: Path) -> None:
    """Write all arrays that label rows, with what is text as metadata.

    Tensors are `centroids` (k, d) in units of the data, `counts` (k,) if known, for scaled rows
    `scaled_centroids` (k, d) and the arrays (d,) of the scaling, for a tree `tree_pairs` and
    `tree_children`, and for a hierarchy those of its Zarr group, such as `levels/1/centroids`.
    """
    from safetensors.numpy import save

    tensors: dict[str, AnyArray] = {"centroids": model.centroids, **scaling_arrays(model.scaling)}
    if model.counts is not None:
        tensors["counts"] = model.counts
    if model.scaled is not None:
        tensors["scaled_centroids"] = model.scaled
    if model.tree is not None:
        tensors["tree_pairs"], tensors["tree_children"] = model.tree
    tensors |= _levels(model)
    known = {
        "features": model.features,
        "units": model.units,
        "names": model.names,
        "inertia": model.inertia if np.isfinite(model.inertia) else None,
        **scaling_attributes(model.scaling),
    }
    facts = {name: json.dumps(value) for name, value in known.items()}
    # The library writes the bytes of an array whatever its strides.
    ready = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    # Written here, so that a full disk is an OSError.
    path.write_bytes(save(ready, {"kind": "streamkm model", "format": _FORMAT, **facts}))


def _levels(model: Model) -> dict[str, AnyArray]:
    """Return the arrays of the levels above the clusters, by their names in a Zarr group."""
    found: dict[str, AnyArray] = {}
    if model.hierarchy is None:
        return found
    below, scaling = "", model.scaling
    pairs = zip(model.hierarchy.parents, model.hierarchy.centroids, strict=True)
    for level, (parents, centroids) in enumerate(pairs, 1):
        found[f"{below}parents"] = parents
        below = f"levels/{level}/"
        shown = centroids if scaling is None else scaling.back(centroids)
        found[f"{below}centroids"] = shown
    return found
