"""What compressing takes of memory, and what that leaves for an image."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.engine import threads
from streamkm.errors import MemoryLimitError
from streamkm.rows import PROCESS_NBYTES, memory_here
from streamkm.sizes import show_bytes

_CELL_NBYTES = 8 + 8 + 3 * 8  # of a table of colours: key, count, sums
_TABLES = 12  # that wait in the tree, or are being put together
_MOST_CELLS = 2**20
_LEAST_CELLS = 2**12
_LEAST_EACH = 2**10  # of one palette among several
_DECODED = 2.5  # an image in the hands of its decoder, and its codes [docs/images.md]
_STRIP_NBYTES = 24 * 2**20  # what counting and encoding need beside it
_SHARE = 0.25  # of the machine's memory, where no limit is given


@dataclass(frozen=True)
class Room:
    """What may be in memory.

    Parameters
    ----------
    limit : of the process, or None
    nbytes : in all, beside the process itself
    cells : of a table of colours
    """

    limit: int | None
    nbytes: int
    cells: int

    @classmethod
    def of(cls, limit: int | None) -> Room:
        """What a limit leaves, before any image is known."""
        nbytes = int(_SHARE * memory_here()) if limit is None else limit - PROCESS_NBYTES
        cells = min(_MOST_CELLS, nbytes // 4 // (_TABLES * _CELL_NBYTES))
        if cells < _LEAST_CELLS:
            raise MemoryLimitError(
                f"compressing needs {show_bytes(PROCESS_NBYTES)} for the process itself, and more "
                f"for images; the limit is {show_bytes(limit or 0)}. 512MiB do for photographs."
            )
        return cls(limit, nbytes, cells)

    def cells_each(self, tables: int) -> int:
        """Cells of each of several tables of colours.

        Raises
        ------
        MemoryLimitError
            When there are too many for tables of any use.
        """
        cells = self.cells // tables
        if cells < _LEAST_EACH:
            raise MemoryLimitError(
                f"{tables:,} palettes, one a folder, need tables of colours of "
                f"{show_bytes(tables * _LEAST_EACH * _TABLES * _CELL_NBYTES)}; raise the memory "
                "limit, or take --per archive or --per image."
            )
        return cells

    @property
    def _for_images(self) -> int:
        return self.nbytes - self.cells * _TABLES * _CELL_NBYTES

    @property
    def image_nbytes(self) -> int:
        """Of the largest image, decoded."""
        return max(0, int((self._for_images - _STRIP_NBYTES) / _DECODED))

    def workers(self, largest: int) -> int:
        """How many images of so many decoded bytes there is room for at once."""
        fit = int(self._for_images / (_DECODED * largest + _STRIP_NBYTES))
        return max(1, min(threads(), fit))
