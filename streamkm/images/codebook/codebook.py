"""Codebooks: patches as indices of codewords, in stages that each encode a residual."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray, Float64Array, FloatArray, Int32Array
from streamkm.errors import DataError
from streamkm.images.colour.quality import psnr
from streamkm.kernels import Centroids
from streamkm.passes import label_dtype
from streamkm.rows import Block, read_only

_KINDS = (np.dtype(np.uint8), np.dtype(np.uint16))
_DECODED = 2**18  # values summed together, so that they stay in the cache


@dataclass(frozen=True)
class Codebook:
    """Codewords of one or more stages; a patch is the sum of one codeword of each stage.

    Codewords are integers, so decoded patches, residuals and codes are the same on every machine.

    Parameters
    ----------
    codewords : ndarray of shape (stages, k, d), int16 for uint8 pixels and int32 for uint16
        Pixel values in the first stage, differences in the others.
    dtype : dtype
        Dtype of the pixels, uint8 or uint16.
    distortions : tuple of float
        Mean squared error of the values of the training data after each stage.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm.images import Codebook
    >>> book = Codebook.empty(np.dtype("u1"), 4).with_stage(np.array([[0.0] * 4, [200.0] * 4]))
    >>> codes = book.codes(np.array([[9, 9, 9, 9], [180, 190, 200, 210]], dtype="u1"))
    >>> codes.tolist(), book.decode(codes).tolist()
    ([[0], [1]], [[0, 0, 0, 0], [200, 200, 200, 200]])
    >>> book.residuals(np.array([[9, 8, 7, 6]], dtype="u1")).tolist()
    [[9, 8, 7, 6]]
    >>> book.n_stages, book.n_features, book.code_dtype, book.bits
    (1, 4, dtype('uint8'), 1.0)
    >>> round(book.with_distortion(100.0).psnr, 2)
    28.13
    """

    codewords: AnyArray
    dtype: np.dtype[Any]
    distortions: tuple[float, ...] = ()

    @classmethod
    def empty(cls, dtype: np.dtype[Any], n_features: int) -> Codebook:
        """Return a codebook without stages, whose residual is the whole patch.

        Parameters
        ----------
        dtype : dtype
            Dtype of the pixels, uint8 or uint16.
        n_features : int
            Values of a patch, d.

        Returns
        -------
        Codebook
            With no codewords.

        Raises
        ------
        DataError
            For pixels that are not integers of one or two bytes.
        """
        if dtype not in _KINDS:
            raise DataError(f"patches have dtype {dtype}; a codebook needs uint8 or uint16 pixels.")
        signed = np.dtype(np.int16 if dtype.itemsize == 1 else np.int32)
        return cls(np.empty((0, 0, n_features), signed), dtype)

    def with_stage(self, centroids: Float64Array) -> Codebook:
        """Return the codebook with one more stage.

        A last stage without residual may have fewer codewords than the stages before. Its first
        codeword is then repeated; ties go to the lowest index, so the copies are never used.

        Parameters
        ----------
        centroids : ndarray of shape (k, d), float64
            Centroids of the residuals; they are rounded to integers.

        Returns
        -------
        Codebook
            A new codebook.
        """
        words = np.rint(centroids).astype(self.codewords.dtype)[None]
        if self.n_stages:
            lacking = self.codewords.shape[1] - words.shape[1]
            words = np.concatenate([words, words[:, :1].repeat(lacking, axis=1)], axis=1)
            words = np.concatenate([self.codewords, words])
        return replace(self, codewords=words)

    def with_distortion(self, distortion: float) -> Codebook:
        """Return the codebook with the distortion after its last stage.

        Parameters
        ----------
        distortion : float
            Mean squared error of the values of the training data.

        Returns
        -------
        Codebook
            A new codebook.
        """
        return replace(self, distortions=(*self.distortions, distortion))

    @property
    def n_stages(self) -> int:
        """Number of stages."""
        return len(self.codewords)

    @property
    def n_features(self) -> int:
        """Number of values of a patch, d."""
        return int(self.codewords.shape[2])

    @property
    def code_dtype(self) -> np.dtype[Any]:
        """Smallest unsigned dtype of the codes."""
        return label_dtype(self.codewords.shape[1])

    @property
    def bits(self) -> float:
        """Bits of the codes of a patch, stages * log2(k), before compression."""
        return self.n_stages * math.log2(self.codewords.shape[1])

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio of the training data in decibels; infinite if lossless."""
        return psnr(self.distortions[-1], self.dtype)

    def codes(self, patches: AnyArray) -> AnyArray:
        """Return the nearest codeword of each stage to the residual of the stages before.

        The nearest codeword is exact; ties go to the lowest index. The method uses one thread and
        is thread-safe.

        Parameters
        ----------
        patches : ndarray of shape (n, d)
            Pixel values, of the dtype of the codebook.

        Returns
        -------
        ndarray of shape (n, stages)
            Indices of codewords, of the smallest unsigned dtype.

        Raises
        ------
        DataError
            If the shape or the dtype is not that of the codebook.
        """
        if patches.ndim != 2 or patches.shape[1] != self.n_features or patches.dtype != self.dtype:
            raise DataError(
                f"patches have shape {patches.shape} and dtype {patches.dtype}; this codebook "
                f"needs (n, {self.n_features}) and {self.dtype}."
            )
        codes = np.empty((len(patches), self.n_stages), self.code_dtype)
        for tile in Block.from_values(patches).tiles():
            own = codes[tile.start : tile.start + len(tile.x)]
            for stage, (labels, _) in enumerate(self._stages(tile.x)):
                own[:, stage] = labels
        return codes

    def decode(self, codes: AnyArray) -> AnyArray:
        """Return the patches of codes.

        Parameters
        ----------
        codes : ndarray of shape (..., stages)
            Indices of codewords.

        Returns
        -------
        ndarray of shape (..., d)
            Pixel values, clipped to the range of the dtype.
        """
        flat = codes.reshape(-1, self.n_stages)
        out = np.empty((len(flat), self.n_features), self.dtype)
        limits = np.iinfo(self.dtype)
        step = max(1, _DECODED // self.n_features)
        for at in range(0, len(flat), step):
            part = flat[at : at + step]
            total = self.codewords[0].take(part[:, 0], axis=0)
            for stage in range(1, self.n_stages):
                total += self.codewords[stage].take(part[:, stage], axis=0)
            out[at : at + step] = total.clip(limits.min, limits.max, out=total)
        return out.reshape(*codes.shape[:-1], self.n_features)

    def residuals(self, patches: AnyArray) -> AnyArray:
        """Return the differences of patches from their decoded codes.

        Parameters
        ----------
        patches : ndarray of shape (n, d)
            Pixel values, of the dtype of the codebook.

        Returns
        -------
        ndarray of shape (n, d)
            Residuals after the last stage, in the dtype of the codewords.
        """
        left = np.empty(patches.shape, self.codewords.dtype)
        for tile in Block.from_values(patches).tiles():
            *_, (_, x) = self._stages(tile.x)
            left[tile.start : tile.start + len(x)] = x
        return left

    def _stages(self, x: FloatArray) -> Iterator[tuple[Int32Array, FloatArray]]:
        """Yield each stage's labels (n,) of a tile (n, d), and the residual."""
        for ready, words in zip(self._ready, self.codewords, strict=True):
            labels, _ = ready.nearest(x)
            x = read_only(np.subtract(x, words.take(labels, axis=0), dtype=x.dtype))
            yield labels, x

    @cached_property
    def _ready(self) -> tuple[Centroids, ...]:
        """Return the codewords in the form of the kernels; computed once, not for every image."""
        return tuple(Centroids(words, np.float32) for words in self.codewords.astype(np.float64))

    def __reduce__(self) -> tuple[Any, ...]:
        return Codebook, (self.codewords, self.dtype, self.distortions)
