"""How much memory a read takes, worked out before the first one. Pure arithmetic."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from streamkm.errors import MemoryLimitError

# The interpreter, Dask, Zarr, Numba's compiler and scikit-learn, before any data
# [scripts/prove-memory prints it].
PROCESS_NBYTES = 256 * 2**20
# Larger blocks read no faster, and cost memory [docs/benchmarks.md].
BLOCK_NBYTES = 32 * 2**20
# A block while it is read: itself, its chunks in the decoder's hands, their stored bytes, and
# what the allocator keeps of the one before [measured: 3.5 to 4.9, docs/benchmarks.md].
_COPIES = 5
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_bytes(text: str | float) -> int:
    """Bytes from ``'2GiB'``, ``'500 MB'`` or a number.

    Examples
    --------
    >>> parse_bytes("1.5GiB"), parse_bytes("500 MB"), parse_bytes(1024)
    (1610612736, 500000000, 1024)
    """
    if not isinstance(text, str):
        return int(text)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", text.lower())
    if not match:
        raise ValueError(f"{text!r} is not a size; write 2GiB, 500MB or a number of bytes")
    number, unit, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** _UNITS[unit])


def show_bytes(count: float) -> str:
    """A size as people read it.

    Examples
    --------
    >>> show_bytes(1610612736)
    '1.5 GiB'
    """
    power = min(4, int(math.log(max(count, 1), 1024)))
    return f"{count / 1024**power:.{1 if power else 0}f} {['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}"


@dataclass(frozen=True)
class Budget:
    """What a process may use, and what is known of the work before it begins.

    Parameters
    ----------
    limit : bytes of one process, or None
    threads : tasks that run at once in it
    clusters : centroids or candidates of the widest pass, all trajectories together
    n_features : features of a row
    answer_nbytes : bytes of a row's answer; room for a label by default, wanted or not, so that
        the plan does not hang on it
    """

    limit: int | None = None
    threads: int = 1
    clusters: int = 0
    n_features: int = 0
    answer_nbytes: int = 8

    @property
    def statistic_nbytes(self) -> int:
        """Sums and counts of the widest pass."""
        return self.clusters * (self.n_features + 2) * 8

    def projected(self, block_nbytes: int, n_blocks: int, resident_nbytes: int = 0) -> int:
        """Peak bytes of a process that reads blocks of `block_nbytes`."""
        levels = math.ceil(math.log(max(n_blocks, 2), 8))
        # A thread holds a statistic and the centroids it is about, in two precisions.
        statistics = (3 * self.threads + 7 * levels) * self.statistic_nbytes
        blocks = min(self.threads, n_blocks) * _COPIES * block_nbytes
        return PROCESS_NBYTES + resident_nbytes + blocks + statistics

    def block_nbytes(self, n_blocks: int = 1, resident_nbytes: int = 0) -> int:
        """The largest block the limit allows, at most 32 MiB."""
        if self.limit is None:
            return BLOCK_NBYTES
        left = self.limit - self.projected(0, n_blocks, resident_nbytes)
        return max(0, min(BLOCK_NBYTES, left // (_COPIES * self.threads)))

    def check(self, block_nbytes: int, n_blocks: int, resident_nbytes: int = 0) -> None:
        """Refuse work that cannot be held to the limit.

        Raises
        ------
        MemoryLimitError
            With the projection, the limit and the largest block.
        """
        need = self.projected(block_nbytes, n_blocks, resident_nbytes)
        if self.limit is not None and need > self.limit:
            raise MemoryLimitError(
                f"the smallest block that whole chunks or shards allow is "
                f"{show_bytes(block_nbytes)}, and with {self.threads} threads and statistics of "
                f"{show_bytes(self.statistic_nbytes)} that needs {show_bytes(need)} "
                f"({show_bytes(PROCESS_NBYTES)} of it for the process itself, "
                f"{show_bytes(resident_nbytes)} for input in memory), over the limit of "
                f"{show_bytes(self.limit)}. Raise the limit, use fewer threads "
                "(dask.config.set(num_workers=1)), or store the data in smaller chunks."
            )
