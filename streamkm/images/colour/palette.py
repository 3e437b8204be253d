"""Palettes: a few colours that represent many, and the nearest colour of every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Int32Array
from streamkm.errors import DataError
from streamkm.images.colour import palette_files
from streamkm.images.colour.html import palette_html
from streamkm.images.colour.spaces import check_space, lightness, to_space
from streamkm.kernels import Centroids, interleave, look_up, runs, separate

Codes = npt.NDArray[np.unsignedinteger]
_TABLE_BITS = 24  # bits of a pixel up to which codes are looked up by key
_TILE = 2**16  # colours that are compared together


@dataclass(frozen=True, eq=False)
class Palette:
    """Colours in the order of their codes.

    Parameters
    ----------
    colours : ndarray of shape (k, c), uint8 or uint16
        Values of the channels.
    space : {'srgb', 'oklab'}
        Colour space of distances: the stored values, for any channels, or Oklab, for RGB.

    Raises
    ------
    DataError
        If `colours` has another shape or dtype, or the space does not apply to the channels.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm.images import Palette
    >>> palette = Palette(np.array([[0, 0, 0], [255, 255, 255]], dtype="u1"))
    >>> palette.codes(np.array([[[9, 9, 9], [200, 220, 240]]], dtype="u1")).tolist()
    [[0, 1]]
    >>> palette.decode([1, 0]).tolist(), palette.dtype, palette.code_dtype
    ([[255, 255, 255], [0, 0, 0]], dtype('uint8'), dtype('uint8'))
    >>> np.array_equal(palette.sorted.colours, palette.colours)
    True
    >>> len(Palette.from_json(palette.to_json())), len(Palette.from_gpl(palette.to_gpl("ink")))
    (2, 2)
    """

    colours: AnyArray
    space: str = "srgb"

    def __post_init__(self) -> None:
        colours = np.array(self.colours, order="C")
        if colours.ndim != 2 or not colours.size or colours.dtype not in (np.uint8, np.uint16):
            raise DataError(
                f"the colours have shape {colours.shape} and dtype {colours.dtype}; a palette "
                "needs shape (k, c) and dtype uint8 or uint16."
            )
        check_space(self.space, colours.shape[1])
        colours.flags.writeable = False
        object.__setattr__(self, "colours", colours)

    def __reduce__(self) -> Any:
        return Palette, (self.colours, self.space)  # without its tables

    def __len__(self) -> int:
        return len(self.colours)

    def _repr_html_(self) -> str:
        return palette_html(self)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the colours, uint8 or uint16."""
        return self.colours.dtype

    @property
    def code_dtype(self) -> np.dtype[Any]:
        """Smallest unsigned dtype of the codes."""
        return np.dtype(np.min_scalar_type(len(self) - 1))

    def codes(self, pixels: AnyArray) -> Codes:
        """Return the codes of the nearest colours of pixels; ties go to the first colour.

        Threads may share a palette and its table of codes.

        Parameters
        ----------
        pixels : ndarray of shape (..., c)
            Values of the channels, of the dtype of the palette.

        Returns
        -------
        ndarray of shape (...)
            Codes of dtype `code_dtype`.

        Raises
        ------
        DataError
            If the channels or the dtype are not those of the palette.
        """
        check_pixels(pixels, self)
        flat = pixels.reshape(-1, pixels.shape[-1])
        keys = interleave(flat)
        if 8 * flat.itemsize * flat.shape[1] <= _TABLE_BITS:
            table, codes = self._table, np.empty(len(keys), self.code_dtype)
            if look_up(keys, table, codes):
                unknown, _ = runs(np.sort(keys[table[keys] == 0]))
                table[unknown] = self._nearest(unknown).astype(table.dtype) + 1
                look_up(keys, table, codes)
        else:
            distinct, places = np.unique(keys, return_inverse=True)
            codes = self._nearest(distinct).astype(self.code_dtype)[places]
        return codes.reshape(pixels.shape[:-1])

    def decode(self, codes: AnyArray) -> AnyArray:
        """Return the pixels of codes.

        Parameters
        ----------
        codes : ndarray of shape (...), of integers
            Codes below the number of colours.

        Returns
        -------
        ndarray of shape (..., c)
            Colours, of the dtype of the palette.
        """
        pixels: AnyArray = np.take(self.colours, codes, axis=0)
        return pixels

    @property
    def sorted(self) -> Palette:
        """Return the palette sorted from dark to light; codes of photographs then compress best."""
        return Palette(self.colours[np.argsort(lightness(self.colours), kind="stable")], self.space)

    def to_json(self) -> str:
        """Return the palette as text that `from_json` reads.

        Returns
        -------
        str
            JSON with the colours, their dtype and the space.
        """
        return palette_files.to_json(self.colours, self.space)

    @classmethod
    def from_json(cls, text: str) -> Palette:
        """Create a palette from the text of `to_json`.

        Parameters
        ----------
        text : str
            Text of `to_json`.

        Returns
        -------
        Palette
            The palette that was written.

        Raises
        ------
        DataError
            If the text is of another form.
        """
        with palette_files.text_errors("a streamkm palette"):
            return cls(*palette_files.from_json(text))

    def to_gpl(self, name: str) -> str:
        """Return a GIMP palette: red, green and blue of 8 bits, without the colour space.

        Parameters
        ----------
        name : str
            Title of the palette.

        Returns
        -------
        str
            Text of a ``.gpl`` file.

        Raises
        ------
        DataError
            If the colours are not grey or RGB of 8 bits.
        """
        return palette_files.to_gpl(self.colours, name)

    @classmethod
    def from_gpl(cls, text: str, space: str = "srgb") -> Palette:
        """Return the palette of a GIMP palette file.

        Parameters
        ----------
        text : str
            Text of a ``.gpl`` file.
        space : {'srgb', 'oklab'}
            Colour space of distances.

        Returns
        -------
        Palette
            Colours (k, 3) of dtype uint8.

        Raises
        ------
        DataError
            If the text is of another form.
        """
        with palette_files.text_errors("a GIMP palette"):
            return cls(palette_files.from_gpl(text), space)

    @cached_property
    def _table(self) -> Codes:
        """Table of code + 1 by key; 0 for keys that have not been looked up."""
        bits = 8 * self.dtype.itemsize * self.colours.shape[1]
        return np.zeros(2**bits, np.min_scalar_type(len(self)))

    @cached_property
    def _ready(self) -> Centroids:
        return Centroids(to_space(self.colours, self.space, self.dtype), self._precision)

    @property
    def _precision(self) -> type[np.floating[Any]]:
        """Precision of distances, in which coordinates of 16 bits are exact."""
        return np.float32 if self.space == "srgb" else np.float64

    def _nearest(self, keys: Codes) -> Int32Array:
        labels = np.empty(len(keys), np.int32)
        for at in range(0, len(keys), _TILE):
            colours = separate(keys[at : at + _TILE], self.colours.shape[1], self.dtype)
            values = to_space(colours, self.space, self.dtype)
            labels[at : at + _TILE], _ = self._ready.nearest(values.astype(self._precision))
        return labels


def check_pixels(pixels: AnyArray, palette: Palette) -> None:
    """Raise an error if pixels do not have the channels and the dtype of a palette."""
    if pixels.dtype != palette.dtype or pixels.shape[-1:] != palette.colours.shape[1:]:
        raise DataError(
            f"pixels have shape {pixels.shape} and dtype {pixels.dtype}; this palette needs "
            f"shape (..., {palette.colours.shape[1]}) and dtype {palette.dtype}."
        )
