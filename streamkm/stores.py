"""What streamkm writes: a model or labels, whole under their name or not there at all."""

from __future__ import annotations

import math
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from streamkm.errors import DataError, NotAModelError, OutputExistsError
from streamkm.rows import BlockPlan, Scaling, Standardised, UnitLength

FORMAT = 1
_KIND = "streamkm model"
_FEW_CHUNKS, _CHUNKS_A_BLOCK = 1000, 64


def check_output(
    path: str | os.PathLike[str], overwrite: bool, apart_from: Sequence[str | None] = ()
) -> Path:
    """Refuse an output that cannot be written, before any work.

    Parameters
    ----------
    path : where the output goes
    overwrite : whether something that streamkm wrote there may be replaced
    apart_from : inputs and other outputs, which must not lie in each other

    Raises
    ------
    OutputExistsError
        When something is there and `overwrite` is not set, or it may never be replaced.
    DataError
        For URLs and folders that do not exist.
    """
    if "://" in os.fspath(path):
        raise DataError(f"{path}: outputs go to a local folder; copy the store up when whole.")
    target = Path(path).resolve()
    for other in apart_from:
        if other is None or "://" in other:
            continue
        place = Path(other).resolve()
        if target == place or target in place.parents or place in target.parents:
            raise OutputExistsError(f"{path} and {other} lie in each other; name another output.")
    _check_free(target, overwrite)
    if not target.parent.is_dir():
        raise DataError(f"{target.parent} is not a folder; make it first.")
    return target


def _check_free(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise OutputExistsError(
            f"{target} exists; name another output, or overwrite it (--overwrite, overwrite=True)."
        )
    if target.exists() and not _is_ours(target):
        raise OutputExistsError(
            f"{target} was not written by streamkm, so it is never overwritten."
        )


def _is_ours(target: Path) -> bool:
    """Whether streamkm wrote what is there, by the mark it leaves."""
    return str(marks_of(target).get("kind", "")).startswith("streamkm ")


def fit_of(target: Path) -> str:
    """The fit with a checkpoint that wrote what is there, or an empty text."""
    return str(marks_of(target).get("fit", ""))


def marks_of(target: str | os.PathLike[str]) -> dict[str, Any]:
    """The attributes of a Zarr array or group; none where there is none that can be read."""
    try:
        return dict(zarr.open(os.fspath(target), mode="r").attrs)
    except Exception:  # whatever a file system may say of what is not there
        return {}


@contextmanager
def whole(target: Path, overwrite: bool, mark: str = "") -> Iterator[Path]:
    """A sibling to write to, which takes the target's name only when the block succeeds.

    What is written under a mark is left where it is when the block fails, and found there by the
    next who writes under it: a fit that goes on.

    Raises
    ------
    OutputExistsError
        When something has taken the name meanwhile and `overwrite` is not set.
    """
    tag = mark[:8] or uuid.uuid4().hex[:8]
    partial = target.with_name(f".{target.name}.partial-{tag}")
    replaced = target.with_name(f".{target.name}.replaced-{tag}")
    try:
        yield partial
        _check_free(target, overwrite)
        if target.exists():
            _remove(replaced)  # of a run that was killed while it did so
            target.rename(replaced)
        try:
            partial.rename(target)
        except BaseException:
            if replaced.exists():
                replaced.rename(target)
            raise
    finally:
        if not mark:
            _remove(partial)
        if target.exists():
            _remove(replaced)


def _remove(folder: Path, patience: float = 5.0) -> None:
    """Remove a folder that tasks of a failed read may still be writing to."""
    end = time.monotonic() + patience
    while folder.exists() and time.monotonic() < end:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)


def create_labels(
    path: Path,
    plan: BlockPlan,
    dtype: np.dtype[Any],
    dimensions: tuple[str | None, ...] | None,
    attributes: dict[str, Any],
) -> Any:
    """An empty Zarr array of the row shape, chunked so that every chunk lies within one block.

    Raises
    ------
    DataError
        When uneven blocks would make very many chunks of them.
    """
    chunks = plan.common_chunks
    count = math.prod(-(-n // c) for n, c in zip(plan.row_shape, chunks, strict=True))
    if count > max(_FEW_CHUNKS, _CHUNKS_A_BLOCK * plan.n_blocks):
        raise DataError(
            f"blocks of uneven sizes have chunks of {chunks} in common, which makes {count:,} "
            "files of labels; rechunk the rows evenly (in Dask, x.rechunk({0: 100_000})) first."
        )
    return zarr.create_array(
        path,
        shape=plan.row_shape,
        chunks=chunks,
        dtype=dtype,
        dimension_names=dimensions,
        attributes=attributes,
    )


@dataclass(frozen=True)
class Model:
    """A fitted model as it is stored.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64, in the units of the data
    inertia : float, of these centroids
    history : structured array with a field for each column of `Step`
    stop_reason : str
    n_passes, bytes_read : int, reads of the data and their decoded bytes
    parameters : what the fit was asked for
    versions : of streamkm and what the bits depend on
    fit : identity of a fit with a checkpoint
    scaling : Scaling that rows are seen through, or None
    scaled : the centroids among scaled rows, (k, d), where there is a scale
    features, names : of the features and of the clusters, where they have any
    tree : pairs and children of the `Tree` that leads to the clusters, or None where a row goes to
        the nearest
    """

    centroids: npt.NDArray[np.float64]
    inertia: float = np.nan
    history: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0))
    stop_reason: str = ""
    n_passes: int = 0
    bytes_read: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    fit: str = ""
    scaling: Scaling | None = None
    scaled: npt.NDArray[np.float64] | None = None
    features: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    tree: tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]] | None = None

    @property
    def seen(self) -> npt.NDArray[np.float64]:
        """The centroids as passes see them."""
        return self.centroids if self.scaled is None else self.scaled


def save_model(target: Path, model: Model, overwrite: bool = False) -> None:
    """Write a model as a Zarr group: arrays `centroids` and `history/*`, the rest as attributes."""
    with whole(target, overwrite, model.fit) as partial:
        group = zarr.create_group(
            partial,
            overwrite=True,
            attributes={
                "kind": _KIND,
                "format": FORMAT,
                "inertia": model.inertia,
                "stop_reason": model.stop_reason,
                "n_passes": model.n_passes,
                "bytes_read": model.bytes_read,
                "parameters": model.parameters,
                "versions": model.versions,
                "fit": model.fit,
                "scaling": type(model.scaling).__name__ if model.scaling else None,
                "features": model.features,
                "names": model.names,
            },
        )
        _write(group, "centroids", model.centroids, ("cluster", "feature"))
        if model.scaled is not None:
            _write(group, "scaled_centroids", model.scaled, ("cluster", "feature"))
        if model.tree is not None:
            _write(group, "tree_pairs", model.tree[0], ("fork", "side", "feature"))
            _write(group, "tree_children", model.tree[1], ("fork", "side"))
        if isinstance(model.scaling, Standardised):
            for name in ("center", "factor"):
                values = np.array(getattr(model.scaling, name))
                _write(group, f"scaling_{name}", values, ("feature",))
        history = group.create_group("history")
        for name in model.history.dtype.names or ():
            _write(history, name, np.ascontiguousarray(model.history[name]), ("iteration",))


def _write(group: Any, name: str, values: npt.NDArray[Any], dimensions: tuple[str, ...]) -> None:
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=tuple(max(1, n) for n in values.shape),
        dtype=values.dtype,
        dimension_names=dimensions,
    )
    array[...] = values


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model back.

    Raises
    ------
    DataError
        When there is no model at the path, or one of a newer format.
    """
    try:
        group = zarr.open_group(os.fspath(path), mode="r")
    except (FileNotFoundError, ValueError, zarr.errors.NodeNotFoundError) as error:
        raise NotAModelError(f"{path} is not a streamkm model (a Zarr group).") from error
    attributes: Any = dict(group.attrs)
    if attributes.get("kind") != _KIND:
        hint = "; for a sweep, say which k" if attributes.get("kind") == "streamkm sweep" else ""
        raise NotAModelError(f"{path} is a Zarr group, but not a streamkm model{hint}.")
    if attributes["format"] > FORMAT:
        raise DataError(f"{path} has format {attributes['format']}; this streamkm reads {FORMAT}.")
    stored = sorted(group["history"].arrays())  # type: ignore[union-attr]
    columns = {name: np.asarray(array[...]) for name, array in stored}
    length = len(next(iter(columns.values()), ()))
    history = np.empty(length, [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        history[name] = column
    known = ("inertia", "stop_reason", "n_passes", "bytes_read", "parameters", "versions")
    facts = {name: attributes[name] for name in known} | {"fit": attributes.get("fit", "")}
    facts |= {name: attributes.get(name, []) for name in ("features", "names")}
    arrays = {name: np.asarray(array[...]) for name, array in group.arrays()}
    scaling: Scaling | None = UnitLength() if attributes.get("scaling") == "UnitLength" else None
    if attributes.get("scaling") == "Standardised":
        center, factor = (arrays[f"scaling_{name}"].tolist() for name in ("center", "factor"))
        scaling = Standardised(tuple(center), tuple(factor))
    tree = (arrays["tree_pairs"], arrays["tree_children"]) if "tree_pairs" in arrays else None
    return Model(
        tree=tree,
        centroids=arrays["centroids"],
        history=history,
        scaling=scaling,
        scaled=arrays.get("scaled_centroids"),
        **facts,
    )
