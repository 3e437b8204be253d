"""Label images in OME-Zarr files (version 0.5, Zarr v3), which microscopy viewers show."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamkm.errors import DataError
from streamkm.outputs.destinations import Store
from streamkm.outputs.label_store import Dimensions, LabelGrid, label_array
from streamkm.outputs.marks import LABELS
from streamkm.outputs.writable import local

_CHANNEL = "channel"


@dataclass(frozen=True)
class OmeImage:
    """The largest resolution of an image in an OME-Zarr file.

    Parameters
    ----------
    root : folder of the file
    array : zarr.Array of the pixels
    axes : metadata of each axis
    dataset : entry of the multiscales metadata, with its coordinate transformations
    """

    root: Path
    array: Any
    axes: list[dict[str, Any]]
    dataset: dict[str, Any]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> OmeImage:
        """Open the image of a file.

        Raises
        ------
        DataError
            If the path is not an OME-Zarr image of version 0.5.
        """
        import zarr  # takes a quarter of a second; only label images need it

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
        """Names of the axes."""
        return [axis["name"] for axis in self.axes]

    @property
    def channel(self) -> int:
        """Number of the axis of the features.

        Raises
        ------
        DataError
            If the image has no axis of channels, or several.
        """
        found = [at for at, axis in enumerate(self.axes) if axis.get("type") == _CHANNEL]
        if len(found) != 1:
            raise DataError(
                f"{self.root} has the axes {self.names}, of which {len(found)} have the type "
                f"'{_CHANNEL}'; a label image needs exactly one."
            )
        return found[0]


@dataclass(frozen=True)
class OmeLabels:
    """A label image beside an image, whose channel axis it lacks.

    The list of label images is written last, so every listed label image is complete.

    Parameters
    ----------
    image : OmeImage
    name : name of the label image, `labels/NAME` in the file
    clusters : names of the clusters; their labels are 1 to k
    """

    image: OmeImage
    name: str
    clusters: Sequence[str]

    @property
    def dimensions(self) -> Dimensions:
        return tuple(self.image.names[axis] for axis in self._row_axes)

    def output(self, overwrite: bool) -> Store:
        """Create the folder of label images, and return the output of this one.

        Raises
        ------
        DataError
            If the name is not a valid folder name, or the folder cannot be created.
        """
        if self.name in ("", ".", "..") or "/" in self.name:
            raise DataError(f"the name of a label image must not contain slashes: {self.name!r}.")
        labels = self.image.root / "labels"
        try:
            labels.mkdir(exist_ok=True)
        except OSError as error:
            raise DataError(f"{labels} cannot be created: {error.strerror or error}.") from error
        return Store(labels / self.name, LABELS, overwrite, part_of=self.image.root)

    def create(self, folder: Path, grid: LabelGrid, marks: Mapping[str, Any]) -> Any:
        import zarr

        group = zarr.open_group(folder, mode="a")
        group.attrs.put({**marks, "ome": self._metadata()})
        return label_array(folder / "0", grid, self.dimensions, {})

    def beside(self, folder: Path) -> Mapping[str, Any]:
        return {}

    def finish(self, target: Path) -> Any:
        import zarr

        group = zarr.open_group(target.parent, mode="a")
        listing: Any = group.attrs.get("ome", {})
        others = [name for name in listing.get("labels", []) if name != self.name]
        group.attrs["ome"] = {"version": "0.5", "labels": [*others, self.name]}
        return zarr.open_array(target / "0", mode="r")

    @property
    def _row_axes(self) -> list[int]:
        return [axis for axis in range(len(self.image.axes)) if axis != self.image.channel]

    def _metadata(self) -> dict[str, Any]:
        axes = self._row_axes
        steps = [
            {**step, step["type"]: [step[step["type"]][axis] for axis in axes]}
            for step in self.image.dataset["coordinateTransformations"]
        ]
        dataset = {"path": "0", "coordinateTransformations": steps}
        multiscales = [{"axes": [self.image.axes[a] for a in axes], "datasets": [dataset]}]
        properties = [{"label-value": i, "name": name} for i, name in enumerate(self.clusters, 1)]
        label = {"properties": properties, "source": {"image": "../../"}}
        return {"version": "0.5", "multiscales": multiscales, "image-label": label}
