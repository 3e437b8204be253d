"""Counts of the reads of a fit, by phase."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamkm.checkpointable import Checkpointable

PHASES = ("opening", "seeding", "iterations", "labelling")


@dataclass(frozen=True)
class Reads(Checkpointable):
    """Reads of the data by phase. Answers from a table in memory do not count as reads.

    Parameters
    ----------
    nbytes : decoded bytes of one read
    opening : to count the rows, if their number was unknown
    seeding : while a restart had no centroids
    iterations : after that, including the loss of the final centroids
    labelling : to write labels
    part_nbytes : decoded bytes of the reads of some blocks, one number for each of `PHASES`

    Examples
    --------
    >>> reads = Reads(nbytes=1000, seeding=2, iterations=3)
    >>> reads.total, reads.bytes_read, reads.by_phase["seeding"]
    (5, 5000, {'reads': 2, 'bytes': 2000})
    """

    nbytes: int
    opening: int = 0
    seeding: int = 0
    iterations: int = 0
    labelling: int = 0
    part_nbytes: tuple[int, ...] = (0, 0, 0, 0)

    @property
    def total(self) -> float:
        """Number of reads; an integer if every read was of all blocks."""
        return self._reads(self.bytes_read)

    @property
    def bytes_read(self) -> int:
        return sum(self._nbytes.values())

    @property
    def by_phase(self) -> dict[str, dict[str, float]]:
        """Reads and bytes of each phase that had any."""
        nbytes = self._nbytes
        return {p: {"reads": self._reads(n), "bytes": n} for p, n in nbytes.items() if n}

    def plus(self, other: Reads) -> Reads:
        """Return the sum of both."""
        sums = {phase: getattr(self, phase) + getattr(other, phase) for phase in PHASES}
        parts = zip(self.part_nbytes, other.part_nbytes, strict=True)
        return replace(self, part_nbytes=tuple(map(sum, parts)), **sums)

    def one_more(self, phase: str) -> Reads:
        """Return the reads after one more read of all blocks."""
        return replace(self, **{phase: getattr(self, phase) + 1})

    def part(self, phase: str, nbytes: int) -> Reads:
        """Return the reads after one more read of some blocks with `nbytes` decoded bytes."""
        parts = zip(PHASES, self.part_nbytes, strict=True)
        added = tuple(part + nbytes * (name == phase) for name, part in parts)
        return replace(self, part_nbytes=added)

    @property
    def _nbytes(self) -> dict[str, int]:
        parts = zip(PHASES, self.part_nbytes, strict=True)
        return {phase: getattr(self, phase) * self.nbytes + part for phase, part in parts}

    def _reads(self, nbytes: int) -> float:
        whole, rest = divmod(nbytes, self.nbytes)
        return nbytes / self.nbytes if rest else whole
