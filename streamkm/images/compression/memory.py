"""Memory of `compress`: tables of colours, and the images that are decoded at once."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.engine import threads
from streamkm.errors import MemoryLimitError
from streamkm.rows import PROCESS_NBYTES, memory_here
from streamkm.sizes import parse_bytes, show_bytes

_CELL_NBYTES = 8 + 8 + 3 * 8  # a cell of a table of colours: key, count and sums
_TABLES = 12  # tables that wait to be combined, or are being combined
_MOST_CELLS = 2**20
_LEAST_CELLS = 2**12
_LEAST_EACH = 2**10  # cells of one palette among several
_DECODED = 2.5  # memory while an image is decoded, as a multiple of its size [docs/images.md]
_STRIP_NBYTES = 24 * 2**20  # additional memory of counting and encoding
_SHARE = 0.25  # share of the memory of the machine, if no limit is given


@dataclass(frozen=True)
class ImageMemory:
    """Memory that tables and images may use.

    Parameters
    ----------
    limit : bytes of the process, or None
    nbytes : bytes of tables and images, without the process itself
    cells : cells of a table of colours
    """

    limit: int | None
    nbytes: int
    cells: int

    @classmethod
    def from_limit(cls, memory_limit: str | int | None) -> ImageMemory:
        """The memory that a limit, in bytes or as text, leaves before any image is known.

        Raises
        ------
        DataError
            If the text is not a size.
        MemoryLimitError
            If the limit leaves too little memory for a colour table.
        """
        limit = None if memory_limit is None else parse_bytes(memory_limit)
        nbytes = int(_SHARE * memory_here()) if limit is None else limit - PROCESS_NBYTES
        cells = min(_MOST_CELLS, nbytes // 4 // (_TABLES * _CELL_NBYTES))
        if cells < _LEAST_CELLS:
            raise MemoryLimitError(
                f"compression needs {show_bytes(PROCESS_NBYTES)} for the process itself, and more "
                f"for images; the limit is {show_bytes(limit or 0)}. 512MiB suffice for photos."
            )
        return cls(limit, nbytes, cells)

    def cells_each(self, tables: int) -> int:
        """The number of cells of each of several tables of colours.

        Raises
        ------
        MemoryLimitError
            If there are so many that each would be too small to be useful.
        """
        cells = self.cells // tables
        if cells < _LEAST_EACH:
            raise MemoryLimitError(
                f"{tables:,} palettes, one per folder, need colour tables of "
                f"{show_bytes(tables * _LEAST_EACH * _TABLES * _CELL_NBYTES)}; raise the memory "
                "limit, or choose --per archive or --per image."
            )
        return cells

    def check(self, archive: str, largest: int) -> None:
        """Raise a MemoryLimitError if the largest image of an archive is over the limit.

        Without a limit, one image may take the memory of the machine.
        """
        most, advice = self.image_nbytes, "raise the memory limit"
        if self.limit is None:
            most, advice = int(memory_here() / _DECODED), "use a machine with more memory"
            most = most or largest  # unknown
        if largest > most:
            raise MemoryLimitError(
                f"an image of {archive} has {show_bytes(largest)} when decoded, over the limit of "
                f"{show_bytes(most)} for one image: {advice}."
            )

    @property
    def _for_images(self) -> int:
        return self.nbytes - self.cells * _TABLES * _CELL_NBYTES

    @property
    def image_nbytes(self) -> int:
        """Decoded bytes that the largest image may have."""
        return max(0, int((self._for_images - _STRIP_NBYTES) / _DECODED))

    def workers(self, largest: int) -> int:
        """Return how many images of up to `largest` decoded bytes may be decoded at once."""
        fit = int(self._for_images / (_DECODED * largest + _STRIP_NBYTES))
        return max(1, min(threads(), fit))
