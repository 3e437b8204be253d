"""A product quantizer as it is stored: codebooks, and the centroids that rows are relative to."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.errors import DataError, NotAModelError
from streamkm.files.near import unless_there
from streamkm.outputs import QUANTIZER, number, plain, whole
from streamkm.outputs.reading import absent, attribute, read
from streamkm.passes import Residuals, label_dtype

_FORMAT = 1


@dataclass(frozen=True)
class Codebooks:
    """The codewords of every part of a row.

    Parameters
    ----------
    codewords : ndarray of shape (m, k, d / m), float32
    coarse : ndarray of shape (k', d), float64, or None
        Centroids; codes are those of the differences from the nearest centroid.
    cosine : bool
        Whether rows are divided by their length first, as `coarse` is.
    inertia : float
        Squared error of the decoded rows of the fit.
    parameters : dict of str to object
        Parameters of the fit.
    features : list of str
        Names of the features; empty if they have none.
    """

    codewords: AnyArray
    coarse: Float64Array | None = None
    cosine: bool = False
    inertia: float = np.nan
    parameters: dict[str, Any] = field(default_factory=dict)
    features: list[str] = field(default_factory=list)

    @property
    def code_dtype(self) -> np.dtype[Any]:
        """Smallest unsigned dtype of the codes."""
        return label_dtype(self.codewords.shape[1])

    @cached_property
    def residuals(self) -> Residuals | None:
        """The block map that subtracts the coarse centroids, or None."""
        return None if self.coarse is None else Residuals(self.coarse)

    def decode(self, codes: AnyArray, labels: AnyArray | None = None) -> AnyArray:
        """Return the rows (n, d), float32, of codes (n, m) and of coarse labels (n,).

        Raises
        ------
        DataError
            If a number is not that of a codeword or a coarse centroid, or there are not n labels.
        """
        m, k, size = self.codewords.shape
        _check_numbers("codes", codes, k)
        if self.coarse is not None and labels is not None:
            if len(labels) != len(codes) or labels.dtype.kind not in "iu":
                raise DataError(f"labels must be {len(codes)} integers, one for each row of codes.")
            _check_numbers("labels", labels, len(self.coarse))
        out = np.empty((len(codes), m, size), np.float32)
        for part in range(m):
            out[:, part] = self.codewords[part].take(codes[:, part], axis=0)
        rows = out.reshape(len(codes), m * size)
        if self.coarse is not None and labels is not None:
            rows += self.coarse.astype(np.float32).take(labels, axis=0)
        return rows


def _check_numbers(name: str, numbers: AnyArray, end: int) -> None:
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < end:
        raise DataError(f"{name} must be 0 to {end - 1}.")


def save_codebooks(target: Path, found: Codebooks, overwrite: bool) -> None:
    """Write a product quantizer as a Zarr group: `codebooks` and `coarse_centroids`."""
    import zarr  # takes a quarter of a second

    facts = {
        "kind": QUANTIZER,
        "format": _FORMAT,
        "cosine": found.cosine,
        "inertia": found.inertia,
        "parameters": found.parameters,
        "features": found.features,
    }
    arrays: dict[str, tuple[AnyArray, tuple[str, ...]]] = {
        "codebooks": (found.codewords, ("part", "codeword", "feature"))
    }
    if found.coarse is not None:
        arrays["coarse_centroids"] = (found.coarse, ("cluster", "feature"))
    with whole(target, QUANTIZER, overwrite) as partial:
        group = zarr.create_group(partial, overwrite=True, attributes=plain(facts))
        for name, (values, dimensions) in arrays.items():
            array = group.create_array(
                name,
                shape=values.shape,
                chunks=values.shape,
                dtype=values.dtype,
                fill_value=absent(values.dtype),
                dimension_names=dimensions,
            )
            array[...] = values


def load_codebooks(path: str | os.PathLike[str]) -> Codebooks:
    """Read a product quantizer.

    Raises
    ------
    NotAModelError
        If there is none at the path.
    DataError
        If a part of it is missing.
    """
    import zarr

    try:
        group = zarr.open_group(os.fspath(path), mode="r")
    except (FileNotFoundError, ValueError, zarr.errors.NodeNotFoundError) as error:
        raise NotAModelError(
            f"{path} is not a product quantizer (a Zarr group){unless_there(path)}"
        ) from error
    if group.attrs.get("kind") != QUANTIZER:
        raise NotAModelError(f"{path} is a Zarr group, but not a product quantizer.")
    coarse = read(group, "coarse_centroids", 2) if "coarse_centroids" in group else None
    facts: dict[str, Any] = {n: attribute(group, n) for n in ("cosine", "parameters", "features")}
    inertia = number(attribute(group, "inertia"))
    return Codebooks(read(group, "codebooks", 3), coarse, inertia=inertia, **facts)
