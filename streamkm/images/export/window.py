"""A window of an image: its position and size in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

from streamkm.errors import DataError
from streamkm.files.names import shown
from streamkm.numbers import whole_number


class Window(NamedTuple):
    """A window of an image, in pixels.

    Parameters
    ----------
    x, y : column and row of its upper left pixel, from 0
    width, height : its size
    """

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def of(cls, numbers: Sequence[int]) -> Self:
        """Return the window of four numbers.

        Raises
        ------
        DataError
            If they are not four whole numbers, or the size is not positive.

        Examples
        --------
        >>> Window.of([100, 50, 640, 480])
        Window(x=100, y=50, width=640, height=480)
        """
        if len(numbers) != 4:
            raise DataError(
                f"window={tuple(numbers)!r}: give four numbers, x, y, width and height, such as "
                "(100, 50, 640, 480)."
            )
        x, y, width, height = numbers
        return cls(
            whole_number("x of the window", x),
            whole_number("y of the window", y),
            whole_number("width of the window", width, 1),
            whole_number("height of the window", height, 1),
        )

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rows and the columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def check(self, name: str, height: int, width: int) -> None:
        """Raise an error if the window is not within an image of a size."""
        if self.x + self.width > width or self.y + self.height > height:
            raise DataError(
                f"the window {self.x},{self.y},{self.width},{self.height} ends at column "
                f"{self.x + self.width:,} and row {self.y + self.height:,}, but {shown(name)} has "
                f"{width:,} x {height:,} pixels: give x, y, width and height within the image."
            )
