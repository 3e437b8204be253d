"""Layouts of Zarr stores of labels: a plain array, and an array with coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from streamkm.errors import DataError
from streamkm.outputs.coordinates import storable
from streamkm.outputs.sealing import checked
from streamkm.rows import BlockPlan

if TYPE_CHECKING:
    import xarray as xr

Dimensions = tuple[str | None, ...] | None


@dataclass(frozen=True)
class LabelGrid:
    """Shape, chunks and values of a label array.

    Parameters
    ----------
    plan : BlockPlan
        Blocks of the rows; every chunk of the labels lies within one of them.
    dtype : dtype of the labels
    fill : int
        Label of rows without a cluster. Missing chunks read as this value.
    width : int or None
        Number of values for each row, along a last axis; None for a single one.
    """

    plan: BlockPlan
    dtype: np.dtype[Any]
    fill: int
    width: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the label array."""
        return (*self.plan.row_shape, *self._last)

    @property
    def _last(self) -> tuple[int, ...]:
        return () if self.width is None else (self.width,)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Chunk shape of the label array.

        Raises
        ------
        DataError
            If blocks of uneven sizes would need very many chunks.
        """
        chunks = self.plan.common_chunks
        if not self.plan.suits_labels:
            count = self.plan.n_common_chunks
            raise DataError(
                f"blocks of uneven sizes have the common chunk size {chunks}, which gives "
                f"{count:,} files of labels; rechunk the rows evenly first (in Dask, "
                f"x.rechunk({{0: 100_000}}))."
            )
        return (*chunks, *self._last)


class LabelStore(Protocol):
    """The layout of a store of labels."""

    @property
    def dimensions(self) -> Dimensions:
        """Names of the dimensions of the label array, or None."""
        ...

    def create(self, folder: Path, grid: LabelGrid, marks: Mapping[str, Any]) -> Any:
        """Write all metadata; labels that a stopped run wrote into the folder stay.

        Parameters
        ----------
        folder : Path
            Folder of the store; it need not exist.
        grid : LabelGrid
        marks : attributes that mark the store as labels written by streamkm

        Returns
        -------
        zarr.Array
            The label array, open for writing.
        """
        ...

    def beside(self, folder: Path) -> Mapping[str, Any]:
        """Return the coordinates and the grid mapping for a file of labels, as Zarr arrays."""
        ...

    def finish(self, target: Path) -> Any:
        """Open the labels of a published store, and list them if the format has a list."""
        ...


def label_array(
    folder: Path, grid: LabelGrid, dimensions: Dimensions, attributes: Mapping[str, Any]
) -> Any:
    """Create a label array, or open that of a stopped run, with these attributes."""
    import zarr  # takes a quarter of a second; not needed for a fit in memory
    from zarr.codecs import BytesCodec

    array = zarr.open_array(
        folder,
        mode="a",
        shape=grid.shape,
        chunks=grid.chunks,
        dtype=grid.dtype,
        fill_value=grid.fill,
        codecs=[BytesCodec(), checked()],
        dimension_names=dimensions,
    )
    array.attrs.put(dict(attributes))
    return array


@dataclass(frozen=True)
class PlainLabels:
    """A single Zarr array.

    Parameters
    ----------
    dimensions : names of the row dimensions, or None
    attributes : attributes of the array, beside the marks
    coordinates : zarr.Array by name; for files, because the store does not contain them
    """

    dimensions: Dimensions = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    coordinates: Mapping[str, Any] = field(default_factory=dict)

    def create(self, folder: Path, grid: LabelGrid, marks: Mapping[str, Any]) -> Any:
        return label_array(folder, grid, self.dimensions, {**marks, **self.attributes})

    def beside(self, folder: Path) -> Mapping[str, Any]:
        return self.coordinates

    def finish(self, target: Path) -> Any:
        import zarr

        return zarr.open_array(target, mode="r")


@dataclass(frozen=True)
class DataArrayLabels:
    """An xarray Dataset with the variable `labels` and its coordinates.

    Parameters
    ----------
    like : xarray.DataArray
        Dimensions, coordinates and attributes of the labels, as `storable` returns them; its values
        are not used.
    """

    like: xr.DataArray

    @classmethod
    def from_labels(cls, labels: xr.DataArray) -> DataArrayLabels:
        """Return the layout of labels, without what Zarr cannot store.

        Raises
        ------
        DataError
            If a dimension has no name.

        Warns
        -----
        OutputWarning
            If coordinates or attributes are left out; the message names them.
        """
        grid = labels.encoding.get("grid_mapping")
        like = storable(labels)
        others = [str(n) for n, c in like.coords.items() if n not in like.dims and n != grid]
        like.attrs |= {"grid_mapping": grid} if grid else {}
        like.attrs |= {"coordinates": " ".join(others)} if others else {}
        return cls(like)

    @property
    def dimensions(self) -> Dimensions:
        return tuple(str(name) for name in self.like.dims)

    def create(self, folder: Path, grid: LabelGrid, marks: Mapping[str, Any]) -> Any:
        # A Dataset without the labels, which the tasks write.
        coordinates = self.like.coords.to_dataset().drop_encoding().assign_attrs(marks)
        new = [name for name in coordinates.variables if not (folder / str(name)).exists()]
        encoding = {name: {"compressors": (checked(),)} for name in new}
        coordinates.to_zarr(folder, mode="a", zarr_format=3, consolidated=False, encoding=encoding)
        return label_array(folder / "labels", grid, self.dimensions, self.like.attrs)

    def beside(self, folder: Path) -> Mapping[str, Any]:
        import zarr

        group = zarr.open_group(folder, mode="r")
        return {str(name): group[str(name)] for name in self.like.coords}

    def finish(self, target: Path) -> Any:
        import xarray as xr  # already imported by the caller

        return xr.open_zarr(target, consolidated=False, mask_and_scale=False)["labels"]
