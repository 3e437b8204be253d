"""Labels as the variable of a netCDF-4 file, with their coordinates."""

from __future__ import annotations

import base64
import io
import json
import struct
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.outputs.whole_labels import LabelOutline, WholeLabels, pieces
from streamkm.rows.dimensions import dimension_names

_CHUNK = 2**18  # values of a chunk of HDF5
_EPOCH = "since 1970-01-01"
_UNITS = {"ns": "nanoseconds", "us": "microseconds"}
_OF_ZARR = ("_ARRAY_DIMENSIONS", "_FillValue")


def refuse(labels: LabelOutline) -> None:
    """Raise an error if a name occurs twice."""
    if len(set(labels.dimensions)) < len(labels.dimensions) or "labels" in labels.dimensions:
        raise DataError(
            f"netCDF cannot store labels with the dimensions {list(labels.dimensions)}; write them "
            "to a Zarr store or a .npy file."
        )


def write(whole: WholeLabels, path: Path) -> None:
    """Write the labels and the arrays beside them, in pieces."""
    import h5netcdf

    labels, array = whole.outline, whole.array
    with Sink(path) as sink, h5netcdf.File(sink, "w") as file:
        file.attrs["Conventions"] = "CF-1.11"
        file.attrs["source"] = f"streamkm {version('streamkm')}"
        file.dimensions = dict(zip(labels.dimensions, labels.shape, strict=True))
        for name, other in labels.beside.items():
            _add(file, sink, name, other, dimension_names(other) or (), dict(other.attrs))
        attributes = dict(labels.attributes)
        if "flag_values" in attributes:  # CF wants the dtype of the variable
            flags = attributes["flag_values"]
            attributes["flag_values"] = np.array(flags, labels.dtype)
        _add(file, sink, "labels", array, labels.dimensions, attributes)


class Sink(io.RawIOBase):
    """A new file that reports a failed write when it is asked, or closed.

    The HDF5 library may crash the process after a failed write, so failed writes are hidden from
    it.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("w+b", buffering=0)
        self._failed: OSError | None = None

    def check(self) -> None:
        """Raise the error of the first write that failed."""
        if self._failed is not None:
            raise self._failed

    def write(self, content: Any) -> int:
        rest = memoryview(content).cast("B")
        size = len(rest)
        try:
            while rest and self._failed is None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._failed = error
        return size

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._failed = self._failed or error
            return size or 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self.close()
        if error[0] is None:
            self.check()


def _add(
    file: Any,
    sink: Sink,
    name: str,
    array: Any,
    dims: tuple[str | None, ...],
    attributes: dict[str, Any],
) -> None:
    """Copy a Zarr array, whose attributes are encoded as by xarray, to a variable."""
    dtype, encoding = _stored_as(array.dtype)
    options: dict[str, Any] = {}
    if array.ndim and array.size:
        options["chunks"] = _chunks(array.shape, array.chunks or array.shape)
        options |= {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        options["fletcher32"] = np.dtype(dtype).kind != "O"  # texts have no place for checksums
    if isinstance(dtype, np.dtype):
        fill = _fill(attributes.get("_FillValue"))
        options["fillvalue"] = None if fill is None else dtype.type(fill)
    variable = file.create_variable(name, dims, dtype, **options)
    for key, value in {**attributes, **encoding}.items():
        if key not in _OF_ZARR and value is not None:
            variable.attrs[key] = _attribute(value)
    for region, values in pieces(array):
        variable[region or ...] = _values(values, dtype)
        sink.check()


def _chunks(shape: tuple[int, ...], chunks: tuple[int, ...]) -> tuple[int, ...]:
    """Return the chunks of the Zarr array, halved until they are small."""
    sizes = [min(n, c) for n, c in zip(shape, chunks, strict=True)]
    while np.prod(sizes) > _CHUNK:
        axis = int(np.argmax(sizes))
        sizes[axis] = -(-sizes[axis] // 2)
    return tuple(sizes)


def _stored_as(dtype: np.dtype[Any]) -> tuple[Any, dict[str, Any]]:
    """Return the dtype of a variable in netCDF, and attributes from which xarray decodes it."""
    import h5py

    if dtype.kind in "OSTU":
        return h5py.string_dtype(), {}
    if dtype.kind == "b":
        return np.dtype("i1"), {"dtype": "bool"}
    if dtype.kind == "M":
        unit = "ns" if np.datetime_data(dtype)[0] == "ns" else "us"
        return np.dtype("i8"), {"units": f"{_UNITS[unit]} {_EPOCH}"}
    if dtype == np.float16:
        return np.dtype("f4"), {}
    return dtype, {}


def _values(values: AnyArray, dtype: Any) -> AnyArray:
    if values.dtype.kind in "STU":
        texts = [
            v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values.flat
        ]
        return np.array(texts, object).reshape(values.shape)
    if values.dtype.kind == "M":
        unit = "ns" if np.datetime_data(values.dtype)[0] == "ns" else "us"
        return values.astype(f"M8[{unit}]").astype("i8")
    return values if values.dtype.kind == "O" else values.astype(dtype)


def _fill(value: Any) -> Any:
    """Return a `_FillValue`, which xarray encodes for floats in Zarr as base64 of 8 bytes."""
    if isinstance(value, str):
        return struct.unpack("<d", base64.standard_b64decode(value))[0]
    return value


def _attribute(value: Any) -> Any:
    """Return an attribute as numbers or text; what netCDF cannot hold becomes JSON."""
    if isinstance(value, bool):
        return np.int8(value)
    if isinstance(value, (str, int, float, np.ndarray, np.generic)):
        return value
    if isinstance(value, list) and value:
        kinds = {type(item) for item in value}
        if kinds <= {int, float} or kinds == {str}:
            return value
    return json.dumps(value)
