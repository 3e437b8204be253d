"""Storage of models as Zarr groups."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, NotAModelError
from streamkm.files.near import unless_there
from streamkm.models.hierarchy import read_hierarchy, write_hierarchy
from streamkm.models.model import Model
from streamkm.models.scalings import scaling_arrays, scaling_attributes, scaling_from
from streamkm.models.seen import read_seen, write_seen
from streamkm.outputs import MODEL, SWEEP, number, plain, whole
from streamkm.outputs.reading import absent, attribute, group_in, read

FORMAT = 1
# Parameters whose strings, such as 'nan', are numbers that JSON cannot represent.
_NUMBERS = ("nodata", "tol", "loss_tol", "distortion_tol", "time_limit")
_SUMMARY = {"draws": 1, "bounds": 1, "weights": 1, "numbers": 1, "values": 2}  # dimensions
_SUMMARY_NUMBERS = ("most", "n_clusters", "seed", "total", "length", "rows", "weighted")
_DRIFT = {
    "match": "cluster",
    "moved": "cluster",
    "share_before": "earlier_cluster",
    "share_after": "cluster",
}
_HISTORY = ("inertia", "shift", "empty", "relocated", "read")


def save_model(target: Path, model: Model, overwrite: bool = False) -> None:
    """Write a model as a Zarr group: arrays `centroids` and `history/*`, and attributes."""
    import zarr  # takes a quarter of a second; not needed for a fit in memory

    with whole(target, MODEL, overwrite, model.fit) as partial:
        group = zarr.create_group(
            partial,
            overwrite=True,
            attributes=plain(
                {
                    "kind": MODEL,
                    "format": FORMAT,
                    "inertia": model.inertia,
                    "stop_reason": model.stop_reason,
                    "n_passes": model.n_passes,
                    "bytes_read": model.bytes_read,
                    "reads": model.reads,
                    "parameters": model.parameters,
                    "versions": model.versions,
                    "fit": model.fit,
                    **scaling_attributes(model.scaling),
                    "features": model.features,
                    "feature_units": model.units,
                    "names": model.names,
                    "batches": model.batches,
                    "counted": model.counts is not None,
                }
            ),
        )
        _write(group, "centroids", model.centroids, ("cluster", "feature"))
        if model.scaled is not None:
            _write(group, "scaled_centroids", model.scaled, ("cluster", "feature"))
        if model.init is not None:
            _write(group, "init", model.init, ("cluster", "feature"))
        if model.counts is not None:
            _write(group, "counts", model.counts, ("cluster",))
        if model.tree is not None:
            _write(group, "tree_pairs", model.tree[0], ("fork", "side", "feature"))
            _write(group, "tree_children", model.tree[1], ("fork", "side"))
        if model.hierarchy is not None:
            write_hierarchy(group, model.hierarchy, model.counts, model.scaling, _write)
        for name, values in scaling_arrays(model.scaling).items():
            _write(group, name, values, ("feature",))
        if model.summary:
            _write_summary(group.create_group("summary"), model.summary)
        if model.seen:
            write_seen(group.create_group("seen"), model.seen, _write)
        _write_drift(group, model.drift)
        history = group.create_group("history")
        for name in model.history.dtype.names or ():
            _write(history, name, np.ascontiguousarray(model.history[name]), ("iteration",))


def _write_summary(group: Any, summary: dict[str, Any]) -> None:
    arrays = {name: summary[name] for name in _SUMMARY}
    group.attrs.put(plain({n: value for n, value in summary.items() if n not in arrays}))
    for name, values in arrays.items():
        _write(group, name, values, ("row", "feature")[: values.ndim])


def _read_summary(group: Any) -> dict[str, Any]:
    arrays = {name: read(group, name, ndim) for name, ndim in _SUMMARY.items()}
    if len({len(values) for values in arrays.values()}) > 1:
        raise DataError(f"the arrays of {group.store_path} have different lengths.")
    forgetting = {name: group.attrs.get(name) for name in ("half_life", "window")}
    return {name: attribute(group, name) for name in _SUMMARY_NUMBERS} | forgetting | arrays


def _write_drift(group: Any, drift: dict[str, AnyArray]) -> None:
    if drift:
        own = group.create_group("drift")
        # NaN, the distance of a cluster that appeared, would be read as a missing chunk.
        stored = drift | {"moved": np.where(drift["match"] < 0, -1.0, drift["moved"])}
        for name, dimension in _DRIFT.items():
            _write(own, name, stored[name], (dimension,))


def _read_drift(group: Any) -> dict[str, AnyArray]:
    own = group_in(group, "drift")
    if own is None:
        return {}
    found = {name: read(own, name, 1) for name in _DRIFT}
    return found | {"moved": np.where(found["match"] < 0, np.nan, found["moved"])}


def _write(group: Any, name: str, values: AnyArray, dimensions: tuple[str, ...]) -> None:
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=tuple(max(1, n) for n in values.shape),
        dtype=values.dtype,
        fill_value=absent(values.dtype),
        dimension_names=dimensions,
    )
    array[...] = values


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model from a Zarr group.

    Parameters
    ----------
    path : str or path-like
        Path or URL of the model.

    Returns
    -------
    Model
        The stored model.

    Raises
    ------
    NotAModelError
        If there is no model at the path.
    DataError
        If its format is newer, or a part of it is missing.

    Examples
    --------
    >>> import tempfile, numpy as np, streamkm
    >>> path = tempfile.mkdtemp() + "/model.zarr"
    >>> x = np.repeat([[0.0, 0.0], [9.0, 9.0]], 5, axis=0)
    >>> streamkm.KMeans(2, random_state=0).fit(x).save(path)
    >>> streamkm.load_model(path).inertia
    0.0
    """
    import zarr

    try:
        group = zarr.open_group(os.fspath(path), mode="r")
    except (FileNotFoundError, ValueError, zarr.errors.NodeNotFoundError) as error:
        raise NotAModelError(
            f"{path} is not a streamkm model (a Zarr group){unless_there(path)}"
        ) from error
    attributes: Any = dict(group.attrs)
    if attributes.get("kind") != MODEL:
        if attributes.get("kind") == SWEEP:
            raise NotAModelError(
                f"{path} is a sweep, not a model.",
                python="Load one of its models by streamkm.load(path, n_clusters).",
                command="Give its number of clusters by -k.",
            )
        raise NotAModelError(f"{path} is a Zarr group, but not a streamkm model.")
    if attribute(group, "format") > FORMAT:
        raise DataError(
            f"{path} has format {attributes['format']}; this version of streamkm reads {FORMAT}."
        )
    there = group_in(group, "history")
    columns = {name: read(there, name, 1) for name in _HISTORY if there and name in there}
    length = len(next(iter(columns.values()), ()))
    history = np.empty(length, [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        history[name] = column
    known = ("inertia", "stop_reason", "n_passes", "bytes_read", "parameters", "versions")
    facts = {name: attribute(group, name) for name in known}
    facts |= {"inertia": number(facts["inertia"]), "fit": attributes.get("fit", "")}
    facts |= {name: attributes.get(name, {}) for name in ("reads", "batches")}
    given = facts["parameters"].items()
    facts["parameters"] = {n: number(value) if n in _NUMBERS else value for n, value in given}
    facts |= {name: attributes.get(name, []) for name in ("features", "names")}
    shifted = "scaling_origin" in group
    if shifted:
        attribute(group, "spread")
    facts["units"] = attributes.get("feature_units", [])
    scaling = scaling_from(attributes, shifted, lambda name: read(group, name, 1))
    tree = None
    if "tree_pairs" in group:
        tree = (read(group, "tree_pairs", 3), read(group, "tree_children", 2))
    summary, seen = group_in(group, "summary"), group_in(group, "seen")
    return Model(
        tree=tree,
        summary={} if summary is None else _read_summary(summary),
        seen=() if seen is None else read_seen(seen),
        drift=_read_drift(group),
        hierarchy=read_hierarchy(group, scaling is not None, read),
        centroids=read(group, "centroids", 2),
        history=history,
        scaling=scaling,
        init=read(group, "init", 2) if "init" in group else None,
        counts=read(group, "counts", 1) if attributes.get("counted", "counts" in group) else None,
        scaled=None if scaling is None else read(group, "scaled_centroids", 2),
        **facts,
    )
