"""Palettes: a few colours that represent many, and the nearest colour of every pixel."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, Int32Array
from streamkm.errors import DataError
from streamkm.images.colour.opacity import opacity_of
from streamkm.images.colour.spaces import check_space, lightness, to_space
from streamkm.kernels import Centroids, Diffusion, interleave, look_up, runs, separate
from streamkm.passes.colours import OPAQUE

Codes = npt.NDArray[np.unsignedinteger]
_TABLE_BITS = 24  # bits of a pixel up to which codes are looked up by key
_WRITTEN = "give a file that to_json or to_gpl wrote."
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
        flat = self._checked(pixels).reshape(-1, pixels.shape[-1])
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
        fields = {"space": self.space, "dtype": self.dtype.name, "colours": self.colours.tolist()}
        return json.dumps(fields)

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
        try:
            fields = json.loads(text)
            return cls(np.array(fields["colours"], fields["dtype"]), fields["space"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"this is not a streamkm palette ({error}); {_WRITTEN}") from error

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
        if self.dtype != np.uint8 or self.colours.shape[1] not in (1, 3):
            raise DataError(
                "a GIMP palette holds grey or RGB colours of 8 bits; this palette has "
                f"{self.colours.shape[1]} channel(s) of {self.dtype}: write JSON."
            )
        rows = np.broadcast_to(self.colours, (len(self), 3)).tolist()
        lines = [f"{r:3d} {g:3d} {b:3d}\t#{r:02x}{g:02x}{b:02x}" for r, g, b in rows]
        title = " ".join(name.split())
        return "\n".join(["GIMP Palette", f"Name: {title}", "Columns: 16", "#", *lines, ""])

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
        head, *lines = text.splitlines() or [""]
        rows = [line.split()[:3] for line in lines if line.strip()[:1].isdigit()]
        try:
            if head.strip() != "GIMP Palette":
                raise ValueError("it does not begin with 'GIMP Palette'")
            colours = [(int(red), int(green), int(blue)) for red, green, blue in rows]
            return cls(np.array(colours, np.uint8), space)
        except (ValueError, OverflowError) as error:
            raise DataError(f"this is not a GIMP palette ({error}); {_WRITTEN}") from error

    @cached_property
    def _table(self) -> Codes:
        """Table of code + 1 by key; 0 for keys that have not been looked up."""
        bits = 8 * self.dtype.itemsize * self.colours.shape[1]
        return np.zeros(2**bits, np.min_scalar_type(len(self)))

    @cached_property
    def _ready(self) -> Centroids:
        return Centroids(self._coordinates, self._precision)

    @property
    def _precision(self) -> type[np.floating[Any]]:
        return (
            np.float32 if self.space == "srgb" else np.float64
        )  # 16 bits are exact in both spaces

    @cached_property
    def _coordinates(self) -> Float64Array:
        return to_space(self.colours, self.space, self.dtype)

    def _nearest(self, keys: Codes) -> Int32Array:
        labels = np.empty(len(keys), np.int32)
        for at in range(0, len(keys), _TILE):
            colours = separate(keys[at : at + _TILE], self.colours.shape[1], self.dtype)
            values = to_space(colours, self.space, self.dtype)
            labels[at : at + _TILE], _ = self._ready.nearest(values.astype(self._precision))
        return labels

    def _checked(self, pixels: AnyArray) -> AnyArray:
        if pixels.dtype != self.dtype or pixels.shape[-1:] != self.colours.shape[1:]:
            raise DataError(
                f"pixels have shape {pixels.shape} and dtype {pixels.dtype}; this palette needs "
                f"shape (..., {self.colours.shape[1]}) and dtype {self.dtype}."
            )
        return pixels


def quantize(
    image: AnyArray,
    palette: Palette,
    dither: bool = False,
    *,
    alpha: AnyArray | None = None,
) -> Codes:
    """Return the codes of an image: of the nearest colours, or with error diffusion.

    Parameters
    ----------
    image : ndarray of shape (h, w, c)
        Values of the channels without alpha, of the dtype of the palette.
    palette : Palette
        Colours of the codes.
    dither : bool
        Whether errors are diffused.
    alpha : ndarray of shape (h, w), uint8 or uint16, or None
        Opacity; None if all pixels are opaque. Errors are diffused in proportion to alpha. Fully
        transparent pixels diffuse no errors and have the code of the nearest colour.

    Returns
    -------
    ndarray of shape (h, w)
        Codes of the palette's `code_dtype`.

    Raises
    ------
    DataError
        If the channels or the dtype are not those of the palette, or `alpha` has another shape.

    References
    ----------
    R. W. Floyd and L. Steinberg (1976). "An adaptive algorithm for spatial greyscale". Proceedings
    of the Society for Information Display 17 (2), 75-77.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm.images import Palette, quantize
    >>> black_and_white = Palette(np.array([[0], [255]], dtype="u1"))
    >>> quantize(np.full((2, 4, 1), 128, "u1"), black_and_white, dither=True).tolist()
    [[1, 0, 1, 0], [0, 1, 0, 1]]
    """
    if not dither:
        return palette.codes(np.asarray(image))
    image = palette._checked(np.asarray(image))
    codes = np.empty(image.shape[:2], palette.code_dtype)
    opacity = None if alpha is None else opacity_of(np.asarray(alpha))
    if opacity is not None and opacity.shape != codes.shape:
        raise DataError(f"alpha has shape {opacity.shape}, but the image has {codes.shape}.")
    diffusion = Diffusion(palette._coordinates, image.shape[1])
    for y, (line, into) in enumerate(zip(image, codes, strict=True)):
        values = to_space(line, palette.space, palette.dtype)
        diffusion(values, into, None if opacity is None else opacity[y] / OPAQUE)
    return codes
