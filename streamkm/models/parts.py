"""Parts of stored models: the history, the tree, and the summary and the drift of a stream."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.models.checks import finite, impossible, not_negative, refuse_empty
from streamkm.outputs import plain
from streamkm.outputs.reading import StoredGroup
from streamkm.outputs.sealing import write_array

# Arrays of a summary; those of their dimensions that are not the rows have any extent.
_SUMMARY = ("draws", "bounds", "weights", "numbers", "values")
_SUMMARY_NUMBERS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("most", "n_clusters", "length", "rows"), int),
    **dict.fromkeys(("total", "weighted"), (int, float)),
    "seed": str,
}
_DRIFT = {
    "match": "cluster",
    "moved": "cluster",
    "share_before": "earlier_cluster",
    "share_after": "cluster",
}
_HISTORY = ("inertia", "shift", "empty", "relocated", "read")
Tree = tuple[Float64Array, npt.NDArray[np.int64]]


def write_history(group: Any, history: AnyArray) -> None:
    """Write the fields of a history (n,) to the group `history`."""
    own = group.create_group("history")
    for name in history.dtype.names or ():
        write_array(own, name, np.ascontiguousarray(history[name]), ("iteration",))


def read_history(group: StoredGroup) -> AnyArray:
    """Return what `write_history` wrote."""
    own = group.group_in("history")
    columns: dict[str, AnyArray] = {}
    for name in _HISTORY if own else ():
        if own and name in own:
            length = len(next(iter(columns.values()))) if columns else None
            columns[name] = own.read(name, 1, "biuf", (length,))
    history = np.empty(
        len(next(iter(columns.values()), ())), [(n, c.dtype) for n, c in columns.items()]
    )
    for name, column in columns.items():
        history[name] = column
    return history


def read_tree(group: StoredGroup, n_clusters: int, n_features: int) -> Tree | None:
    """Return the pairs (k - 1, 2, d) and children (k - 1, 2) of a tree, or None."""
    if "tree_pairs" not in group:
        return None
    n_splits = n_clusters - 1
    pairs = finite(group, "tree_pairs", 3, (n_splits, 2, n_features))
    children = group.read("tree_children", 2, "i", (n_splits, 2))
    reached, waiting = list[int](), [0] if n_splits else []
    while waiting and len(reached) <= 2 * n_splits:
        below = children[waiting.pop()].tolist()
        if not all(-n_clusters <= child < n_splits for child in below):
            break
        reached += below
        waiting += [child for child in below if child >= 0]
    if sorted(reached) != [*range(-n_clusters, 0), *range(1, n_splits)] and n_splits:
        impossible(group, "the children of its tree do not form a tree of its clusters")
    return pairs, children


def write_summary(group: Any, summary: dict[str, Any]) -> None:
    """Write the summary of a stream to the group `summary`, if there is one."""
    if not summary:
        return
    own = group.create_group("summary")
    numbers = {n: value for n, value in summary.items() if n not in (*_SUMMARY, "frozen")}
    own.attrs.put(plain(numbers))
    for name in _SUMMARY:
        write_array(own, name, summary[name], ("row", "feature")[: summary[name].ndim])
    if frozen := summary.get("frozen"):
        apart = own.create_group("frozen")
        apart.attrs.put(plain({n: frozen[n] for n in ("radius", "inertia")}))
        write_array(apart, "centroids", frozen["centroids"], ("cluster", "feature"))
        write_array(apart, "counts", frozen["counts"], ("cluster",))


def read_summary(group: StoredGroup, n_features: int) -> dict[str, Any]:
    """Return what `write_summary` wrote; empty if there is none."""
    own = group.group_in("summary")
    if own is None:
        return {}
    found: dict[str, Any] = {n: own.attribute(n, kind) for n, kind in _SUMMARY_NUMBERS.items()}
    for name in ("half_life", "window"):
        found[name] = own.attributes.get(name)
        if found[name] is not None and not own.attribute(name, (int, float)) > 0:
            impossible(own, f"its attribute {name!r} is not above zero")
    if not found["seed"].isdecimal() or min(found["most"], found["n_clusters"]) < 1:
        impossible(own, "its attribute 'seed', 'most' or 'n_clusters' is no such number")
    draws = not_negative(own, "draws", None)
    bounds = own.read("bounds", 1, "f", draws.shape)
    if not (bounds > 0).all():
        impossible(own, "'bounds' has values that are not above zero")
    return found | {
        "frozen": _read_frozen(own, found["n_clusters"], n_features),
        "draws": draws,
        "bounds": bounds,
        "weights": not_negative(own, "weights", len(draws)),
        "numbers": own.read("numbers", 1, "i", draws.shape),
        "values": finite(own, "values", 2, (len(draws), n_features)),
    }


def _read_frozen(summary: StoredGroup, n_clusters: int, n_features: int) -> dict[str, Any]:
    own = summary.group_in("frozen")
    if own is None:
        return {}
    centroids = finite(own, "centroids", 2, (None, n_features))
    refuse_empty(own, "centroids", centroids)
    radius, inertia = (float(own.attribute(name, (int, float))) for name in ("radius", "inertia"))
    if not (0 < radius < math.inf and 0 <= inertia < math.inf):
        impossible(own, "its attribute 'radius' or 'inertia' is no such number")
    if len(centroids) >= n_clusters:
        impossible(own, f"'centroids' has no place for others among {n_clusters} clusters")
    counts = not_negative(own, "counts", len(centroids))
    return {"centroids": centroids, "radius": radius, "counts": counts, "inertia": inertia}


def write_drift(group: Any, drift: dict[str, AnyArray]) -> None:
    """Write the drift of a stream to the group `drift`, if there is one."""
    if drift:
        own = group.create_group("drift")
        # NaN, the distance of a cluster that appeared, would be read as a missing chunk.
        stored = drift | {"moved": np.where(drift["match"] < 0, -1.0, drift["moved"])}
        for name, dimension in _DRIFT.items():
            write_array(own, name, stored[name], (dimension,))


def read_drift(group: StoredGroup, n_clusters: int) -> dict[str, AnyArray]:
    """Return what `write_drift` wrote; empty if there is none."""
    own = group.group_in("drift")
    if own is None:
        return {}
    before = not_negative(own, "share_before", None)
    match = own.read("match", 1, "i", (n_clusters,))
    if not ((match >= -1) & (match < len(before))).all():
        impossible(own, "'match' has numbers of no earlier cluster")
    return {
        "match": match,
        "moved": np.where(match < 0, np.nan, own.read("moved", 1, "f", (n_clusters,))),
        "share_before": before,
        "share_after": not_negative(own, "share_after", n_clusters),
    }
