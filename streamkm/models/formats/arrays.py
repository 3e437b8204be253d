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
    `scaled_centroids` (k, d) and the arrays (d,) of the scaling, and for a tree `tree_pairs` and
    `tree_children`.
    """
    from safetensors.numpy import save_file

    tensors: dict[str, AnyArray] = {"centroids": model.centroids, **scaling_arrays(model.scaling)}
    if model.counts is not None:
        tensors["counts"] = model.counts
    if model.scaled is not None:
        tensors["scaled_centroids"] = model.scaled
    if model.tree is not None:
        tensors["tree_pairs"], tensors["tree_children"] = model.tree
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
    save_file(ready, path, {"kind": "streamkm model", "format": _FORMAT, **facts})
