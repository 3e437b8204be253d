"""Storage of models as Zarr groups."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from streamkm.errors import NotAModelError
from streamkm.models.checks import (
    finite,
    impossible,
    names_of_clusters,
    not_negative,
    numbers_by_name,
    real,
    refuse_empty,
    texts,
)
from streamkm.models.hierarchy import read_hierarchy, write_hierarchy
from streamkm.models.model import Model
from streamkm.models.parts import (
    read_drift,
    read_history,
    read_summary,
    read_tree,
    write_drift,
    write_history,
    write_summary,
)
from streamkm.models.scalings import read_scaling, scaling_arrays, scaling_attributes
from streamkm.models.seen import read_seen, write_seen
from streamkm.outputs import MODEL, SWEEP, kind_of, number, plain, whole
from streamkm.outputs.reading import StoredGroup, open_stored
from streamkm.outputs.sealing import seal, write_array
from streamkm.rows import damage

FORMAT = 1
# Parameters whose strings, such as 'nan', are numbers that JSON cannot represent.
_NUMBERS = ("nodata", "tol", "loss_tol", "distortion_tol", "time_limit")


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
                    "cost": model.cost,
                }
            ),
        )
        write_array(group, "centroids", model.centroids, ("cluster", "feature"))
        if model.scaled is not None:
            write_array(group, "scaled_centroids", model.scaled, ("cluster", "feature"))
        if model.init is not None:
            write_array(group, "init", model.init, ("cluster", "feature"))
        if model.counts is not None:
            write_array(group, "counts", model.counts, ("cluster",))
        if model.tree is not None:
            write_array(group, "tree_pairs", model.tree[0], ("fork", "side", "feature"))
            write_array(group, "tree_children", model.tree[1], ("fork", "side"))
        if model.hierarchy is not None:
            write_hierarchy(group, model.hierarchy, model.counts, model.scaling)
        for name, values in scaling_arrays(model.scaling).items():
            write_array(group, name, values, ("feature",))
        write_summary(group, model.summary)
        write_seen(group, model.seen, model.unrecorded)
        write_drift(group, model.drift)
        write_history(group, model.history)
        seal(partial, values=True)


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
        If its format is unknown, or a part of it is missing, damaged, or does not belong to the
        others.

    Examples
    --------
    >>> import tempfile, numpy as np, streamkm
    >>> path = tempfile.mkdtemp() + "/model.zarr"
    >>> x = np.repeat([[0.0, 0.0], [9.0, 9.0]], 5, axis=0)
    >>> streamkm.KMeans(2, random_state=0).fit(x).save(path)
    >>> streamkm.load_model(path).inertia
    0.0
    """
    try:
        group = open_stored(path, MODEL, "a streamkm model", FORMAT)
    except NotAModelError:
        if kind_of(path) != SWEEP:
            raise
        raise NotAModelError(
            f"{path} is a sweep, not a model.",
            python="Load one of its models by streamkm.load(path, n_clusters).",
            command="Give its number of clusters by -k.",
        ) from None
    with damage(str(path)):
        return _model_in(group)


def _model_in(group: StoredGroup) -> Model:
    centroids = finite(group, "centroids", 2)
    refuse_empty(group, "centroids", centroids)
    k, d = centroids.shape
    scaling = read_scaling(group, d)
    scaled = None if scaling is None else finite(group, "scaled_centroids", 2, (k, d))
    given = group.attribute("parameters", dict)
    axes = given.get("feature_dim")
    for axis in axes if isinstance(axes, list) else [axes]:
        if axis is not None and not isinstance(axis, (str, int)):
            impossible(group, f"its parameter feature_dim={axes!r} names no dimension")
    attributes, summary = group.attributes, read_summary(group, d)
    has_counts = attributes.get("counted", "counts" in group)
    seen, unrecorded = read_seen(group, given.get("data") or [])
    return Model(
        centroids=centroids,
        inertia=real(group, "inertia"),
        history=read_history(group),
        stop_reason=group.attribute("stop_reason", str),
        n_passes=real(group, "n_passes"),
        bytes_read=group.attribute("bytes_read", int),
        parameters={n: number(value) if n in _NUMBERS else value for n, value in given.items()},
        versions=group.attribute("versions", dict),
        fit=group.attribute("fit", str) if "fit" in attributes else "",
        scaling=scaling,
        scaled=scaled,
        features=texts(group, "features", d),
        names=names_of_clusters(group, k),
        tree=read_tree(group, k, d),
        reads=group.attribute("reads", dict) if "reads" in attributes else {},
        init=finite(group, "init", 2, (None, d)) if "init" in group else None,
        counts=not_negative(group, "counts", k) if has_counts or summary else None,
        batches=_batches(group),
        units=texts(group, "feature_units", d),
        summary=summary,
        seen=seen,
        unrecorded=unrecorded,
        hierarchy=read_hierarchy(group, centroids, scaling is not None),
        drift=read_drift(group, k),
        cost=numbers_by_name(group, "cost"),
    )


def _batches(group: StoredGroup) -> dict[str, Any]:
    found = numbers_by_name(group, "batches")
    lacking = {"n_steps", "rows_since", "seed"} - set(found)
    if found and (lacking or not group.attributes.get("counted", "counts" in group)):
        impossible(group, "the state of its mini-batches is incomplete")
    return found
