"""A product quantizer as it is stored: codebooks, and the centroids that rows are relative to."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.errors import DataError
from streamkm.models.checks import finite, impossible, real, refuse_empty, texts
from streamkm.outputs import QUANTIZER, plain, whole
from streamkm.outputs.reading import StoredGroup, open_stored
from streamkm.outputs.sealing import seal, write_array
from streamkm.passes import Residuals, label_dtype
from streamkm.rows import Scaling, UnitLength, damage

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

    @classmethod
    def of_coarse(cls, centroids: Float64Array, scaling: Scaling | None) -> Self:
        """Return the scaled centroids (k', d) of a coarse model, without codewords.

        Raises
        ------
        DataError
            If the model scales or shifts its rows.
        """
        if scaling is not None and not isinstance(scaling, UnitLength):
            raise DataError("the coarse model scales or shifts its rows; give one without a scale.")
        return cls(np.empty((0, 0, 0), np.float32), np.array(centroids), scaling is not None)

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
            write_array(group, name, values, dimensions)
        seal(partial, values=True)


def load_codebooks(path: str | os.PathLike[str]) -> Codebooks:
    """Read a product quantizer.

    Raises
    ------
    NotAModelError
        If there is none at the path.
    DataError
        If a part of it is missing, damaged, or does not belong to the others.
    """
    group = open_stored(path, QUANTIZER, "a product quantizer", _FORMAT)
    with damage(str(path)):
        return _codebooks_in(group)


def _codebooks_in(group: StoredGroup) -> Codebooks:
    codewords = finite(group, "codebooks", 3)
    refuse_empty(group, "codebooks", codewords)
    if codewords.dtype != np.float32:
        impossible(group, f"its codebooks have dtype {codewords.dtype}, not float32")
    d = codewords.shape[0] * codewords.shape[2]
    coarse = None
    if "coarse_centroids" in group:
        coarse = finite(group, "coarse_centroids", 2, (None, d))
    return Codebooks(
        codewords,
        coarse,
        cosine=group.attribute("cosine", bool),
        inertia=real(group, "inertia"),
        parameters=group.attribute("parameters", dict),
        features=texts(group, "features", d),
    )
