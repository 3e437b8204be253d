"""Labels as a label image of an OME-Zarr file, as viewers of microscopy show them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from streamkm.arrays import AnyArray
from streamkm.engine import write_rows
from streamkm.errors import DataError
from streamkm.outputs import LABELS, Store, alone, check_outputs, create_labels, local, whole
from streamkm.passes import PerRow, Statistic, label_dtype
from streamkm.rows import Block, Rows

_CHANNEL = "channel"


@dataclass(frozen=True)
class _FromOne(PerRow[Any]):
    """Labels 1 .. k; 0 is what OME-Zarr keeps for no label."""

    question: PerRow[Any]

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.question.dtype

    @property
    def fill(self) -> Any:
        return 0

    def identity(self) -> Statistic:
        found: Statistic = self.question.identity()
        return found

    def __call__(self, block: Block) -> tuple[AnyArray, Statistic]:
        labels, statistic = self.question(block)
        return labels + labels.dtype.type(1), statistic


@dataclass(frozen=True)
class OmeImage:
    """The largest resolution of an image in an OME-Zarr file (version 0.5, Zarr v3).

    Parameters
    ----------
    root : the file, a folder
    array : zarr.Array of its pixels
    axes : dict of each axis, as in the metadata
    dataset : of the multiscales metadata, with its coordinate transformations
    """

    root: Path
    array: Any
    axes: list[dict[str, Any]]
    dataset: dict[str, Any]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> OmeImage:
        """The image of a file.

        Raises
        ------
        DataError
            When it is no OME-Zarr image of version 0.5.
        """
        root = local(path)
        try:
            group = zarr.open_group(root, mode="r")
            multiscales: Any = group.attrs["ome"]["multiscales"][0]  # type: ignore[index,call-overload]
        except (KeyError, IndexError, TypeError, ValueError, FileNotFoundError) as error:
            raise DataError(f"{root} is not an OME-Zarr image of version 0.5.") from error
        dataset = multiscales["datasets"][0]
        return cls(root, group[dataset["path"]], multiscales["axes"], dataset)

    @property
    def names(self) -> list[str]:
        return [axis["name"] for axis in self.axes]

    @property
    def channel(self) -> str:
        """The name of the axis whose values are features."""
        found = [axis["name"] for axis in self.axes if axis.get("type") == _CHANNEL]
        if len(found) != 1:
            raise DataError(f"{self.root} has the axes {self.names}, of which none is of channels.")
        return str(found[0])

    def write(
        self,
        name: str,
        question: PerRow[Any],
        rows: Rows,
        names: Sequence[str],
        overwrite: bool,
        mask: Any = None,
    ) -> Any:
        """Label the rows of the image, as `labels/NAME` in the file; its channel axis is gone.

        The list of label images is written last, so that one which is listed is whole.
        """
        labels = self.root / "labels"
        if name in ("", ".", "..") or "/" in name:
            raise DataError(f"a label image cannot be called {name!r}; leave out the slashes.")
        target = labels / name
        try:
            labels.mkdir(exist_ok=True)
        except OSError as error:
            raise DataError(f"{labels} cannot be made: {error.strerror or error}.") from error
        store = Store(target, LABELS, overwrite, part_of=self.root)
        check_outputs([store], [self.array, rows.mask, mask])
        kept = [at for at, axis in enumerate(self.axes) if axis.get("type") != _CHANNEL]
        with alone(target), whole(target, LABELS, overwrite) as partial:
            zarr.create_group(partial, attributes=self._about(kept, names))
            out = create_labels(
                partial / "0", rows.plan, question.dtype, tuple(self.names[a] for a in kept), {}, 0
            )
            write_rows(_FromOne(question), rows, out)
        listed = zarr.open_group(labels, mode="a")
        known: Any = listed.attrs.get("ome", {})
        rest = [each for each in known.get("labels", []) if each != name]
        listed.attrs["ome"] = {"version": "0.5", "labels": [*rest, name]}
        return zarr.open_array(target / "0", mode="r")

    def _about(self, kept: list[int], names: Sequence[str]) -> dict[str, Any]:
        steps = [
            {**step, step["type"]: [step[step["type"]][a] for a in kept]}
            for step in self.dataset["coordinateTransformations"]
        ]
        dataset = {"path": "0", "coordinateTransformations": steps}
        multiscales = [{"axes": [self.axes[a] for a in kept], "datasets": [dataset]}]
        properties = [{"label-value": i, "name": name} for i, name in enumerate(names, 1)]
        label = {"properties": properties, "source": {"image": "../../"}}
        ome = {"version": "0.5", "multiscales": multiscales, "image-label": label}
        return {"kind": LABELS, "ome": ome}


def ome_dtype(n_clusters: int) -> np.dtype[Any]:
    """The smallest that holds 0 for none, and a number for each cluster."""
    return label_dtype(n_clusters, spare=True)
