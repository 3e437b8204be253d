"""Files of labels: npy, netCDF, Parquet and GeoTIFF."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.outputs import label_geotiff, label_netcdf, label_parquet
from streamkm.outputs.whole_labels import LabelOutline, Region, WholeLabels, pieces
from streamkm.rows.formats.placeless import placeless


@dataclass(frozen=True)
class LabelFormat:
    """A format of label files.

    Parameters
    ----------
    suffixes : suffixes of the files, the usual one first
    modules : modules that it needs, beside NumPy
    extra : extra of streamkm that installs them
    write : writes the labels to a new file
    open : opens a complete file
    refuse : raises an error for labels that the format cannot hold, before they are computed
    """

    suffixes: tuple[str, ...]
    modules: tuple[str, ...]
    extra: str
    write: Callable[[WholeLabels, Path], None]
    open: Callable[[Path], Any]
    refuse: Callable[[LabelOutline], None]

    @property
    def suffix(self) -> str:
        """The usual suffix."""
        return self.suffixes[0]

    def check(self) -> None:
        """Raise an error if a module is missing.

        Raises
        ------
        DataError
            The message names the extra.
        """
        for name in self.modules:
            try:
                import_module(name)
            except ModuleNotFoundError as error:
                raise DataError(
                    f"{self.suffix} files of labels need {name.partition('.')[0]}: "
                    f"pip install 'streamkm[{self.extra}]'."
                ) from error


def _refuse_nothing(labels: LabelOutline) -> None:
    """An npy file holds all labels."""


def _write_npy(labels: WholeLabels, path: Path) -> None:
    """Write by seeking: a full disk is an error here, and a signal in a memory map."""
    shape, dtype = labels.array.shape, labels.array.dtype
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        for region, values in pieces(labels.array):
            for first, run in _runs(shape, region, values):
                file.seek(start + first * dtype.itemsize)
                file.write(run.tobytes())


def _runs(
    shape: tuple[int, ...], region: Region, values: AnyArray
) -> Iterator[tuple[int, AnyArray]]:
    """Yield the parts of a region that are contiguous in the array, with their first position."""
    lead = len(shape) - 1
    while lead > 0 and values.shape[lead] == shape[lead]:
        lead -= 1
    for index in np.ndindex(values.shape[:lead]):
        corner = [s.start for s in region]
        corner[:lead] = [a + b for a, b in zip(corner, index, strict=False)]
        yield int(np.ravel_multi_index(corner, shape)), values[index]


def _open_npy(path: Path) -> Any:
    return np.load(path, mmap_mode="r")


def _open_netcdf(path: Path) -> Any:
    import xarray as xr

    return xr.open_dataset(path, engine="h5netcdf", chunks={}, mask_and_scale=False)["labels"]


def _open_parquet(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path)


def _open_geotiff(path: Path) -> Any:
    import rasterio

    with placeless():
        return rasterio.open(path)


FORMATS = (
    LabelFormat((".npy",), (), "", _write_npy, _open_npy, _refuse_nothing),
    LabelFormat(
        (".nc", ".nc4"),
        ("h5netcdf", "h5py"),
        "netcdf",
        label_netcdf.write,
        _open_netcdf,
        label_netcdf.refuse,
    ),
    LabelFormat(
        (".parquet", ".pq"),
        ("pyarrow.parquet",),
        "ingest",
        label_parquet.write,
        _open_parquet,
        label_parquet.refuse,
    ),
    LabelFormat(
        (".tif", ".tiff"),
        ("rasterio",),
        "ingest",
        label_geotiff.write,
        _open_geotiff,
        label_geotiff.refuse,
    ),
)


def label_format(path: str | os.PathLike[str]) -> LabelFormat | None:
    """Return the format of the file of labels that a path names, or None for a Zarr store.

    Examples
    --------
    >>> label_format("labels.Parquet").suffix, label_format("labels.zarr")
    ('.parquet', None)
    """
    suffix = Path(os.fspath(path)).suffix.lower()
    return next((each for each in FORMATS if suffix in each.suffixes), None)
