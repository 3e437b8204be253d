"""What ``streamkm info`` shows of outputs that are not models: texts for a table, values for JSON.

A value may be missing in the texts, and the texts join several values.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from streamkm.decoding.notices import attribute_lines
from streamkm.outputs import plain
from streamkm.outputs.marks import MARKS, marks_of
from streamkm.outputs.partitions import open_partition
from streamkm.rows.dimensions import dimension_names
from streamkm.rows.formats.decoded import Decoded
from streamkm.rows.sources import open_source
from streamkm.sizes import show_bytes


class Shown(NamedTuple):
    """Texts of a table, and the same as values."""

    texts: dict[str, str]
    values: dict[str, Any]


def of_quantizer(path: str) -> Shown:
    """The codebooks of a product quantizer."""
    # The module imports the passes, and with them Numba.
    found = import_module("streamkm.models.quantizer").load_codebooks(path)
    m, k, size = found.codewords.shape
    n_coarse = None if found.coarse is None else len(found.coarse)
    parameters = {name: value for name, value in found.parameters.items() if value is not None}
    texts = {
        "codebooks": f"{m} parts x {k} codewords x {size} features",
        "residuals of": "rows" if n_coarse is None else f"{n_coarse:,} centroids",
        "inertia": f"{found.inertia:.6g}",
        "parameters": ", ".join(f"{name}={value}" for name, value in parameters.items()),
    }
    values = {
        "n_parts": m,
        "n_codewords": k,
        "n_features": m * size,
        "n_coarse_centroids": n_coarse,
        "inertia": found.inertia,
        "parameters": plain(parameters),
    }
    return Shown(texts, values)


def of_partition(path: str) -> Shown:
    """The rows of a partition; of one in Parquet files, what its marks say."""
    if (Path(path) / MARKS).is_file():
        marks = marks_of(path)
        values = {"format": "parquet", "n_clusters": marks["n_clusters"]}
        values["row_shape"] = marks["row_shape"]
        texts = {
            "partition": "Parquet files",
            "clusters": f"{marks['n_clusters']:,}",
            "data": _rows(marks["row_shape"]),
        }
        return Shown(texts, values)
    parts = open_partition(path)
    (n, d), sizes = parts.rows.shape, parts.sizes
    texts = {
        "partition": f"{n:,} rows of {d:,} features ({parts.rows.dtype})",
        "clusters": f"{len(sizes):,} of {sizes.min():,} to {sizes.max():,} rows",
        "data": _rows(parts.row_shape),
        "weights": "no" if parts.weights is None else "yes",
    }
    values = {
        "format": "zarr",
        "n_rows": n,
        "n_features": d,
        "dtype": str(parts.rows.dtype),
        "n_clusters": len(sizes),
        "sizes": sizes.tolist(),
        "row_shape": list(parts.row_shape),
        "weights": parts.weights is not None,
    }
    return Shown(texts, values)


def of_nearest(path: str) -> Shown:
    """The rows nearest to each centroid."""
    n_clusters, n_rows = open_source(path, "numbers").shape
    texts = {"nearest rows": f"{n_rows:,} of each of {n_clusters:,} clusters"}
    return Shown(texts, {"n_clusters": n_clusters, "n_rows": n_rows})


def of_array(array: Any) -> Shown:
    """Any array, such as row numbers, labels, or a mask of kept rows."""
    names = dimension_names(array)
    texts = {
        "shape": str(array.shape),
        "dimensions": str(names or "unnamed"),
        "dtype": str(array.dtype),
        "chunks": str(array.chunks),
        "bytes": show_bytes(array.nbytes),
    }
    values: dict[str, Any] = {
        "shape": list(array.shape),
        "dimensions": list(names) if names else None,
        "dtype": str(array.dtype),
        "chunks": None if array.chunks is None else list(array.chunks),
        "nbytes": array.nbytes,
    }
    if isinstance(array, Decoded):
        values["stored"] = {"dtype": str(array.stored.dtype), **array.meaning.summary}
        texts["stored"] = "; ".join(f"{n} {v}" for n, v in values["stored"].items())
    if array.shards:
        texts["shards"], values["shards"] = str(array.shards), list(array.shards)
    for name in sorted({"threshold", "keep"} & set(array.attrs)):  # of a mask of kept rows
        values[name] = array.attrs[name]
        texts[name] = str(values[name])
    notices = attribute_lines(array.attrs)
    if notices:
        texts["not taken"], values["notices"] = "\n".join(notices), notices
    return Shown(texts, values)


def _rows(row_shape: Any) -> str:
    return f"{' x '.join(f'{extent:,}' for extent in row_shape)} rows"
