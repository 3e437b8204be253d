"""What a fit has read, and what for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamkm.checkpointable import Checkpointable

PHASES = ("opening", "seeding", "iterations", "labelling")


@dataclass(frozen=True)
class Reads(Checkpointable):
    """Reads of the data by phase. What is asked of a table in memory is no read.

    Parameters
    ----------
    nbytes : decoded bytes of one read
    opening : to count the rows, where their number was unknown
    seeding : while any restart had no centroids yet
    iterations : after that, the loss of the final centroids included
    labelling : to write labels
    part_nbytes : decoded bytes of iterations that read some blocks only

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
    part_nbytes: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, phase) for phase in PHASES)

    @property
    def bytes_read(self) -> int:
        return self.total * self.nbytes + self.part_nbytes

    @property
    def by_phase(self) -> dict[str, dict[str, int]]:
        """Reads and bytes of each phase that had any."""
        counts = {phase: getattr(self, phase) for phase in PHASES}
        nbytes = {phase: n * self.nbytes for phase, n in counts.items()}
        nbytes["iterations"] += self.part_nbytes
        return {p: {"reads": counts[p], "bytes": n} for p, n in nbytes.items() if n}

    def plus(self, other: Reads) -> Reads:
        """Of both together."""
        sums = {phase: getattr(self, phase) + getattr(other, phase) for phase in PHASES}
        return replace(self, part_nbytes=self.part_nbytes + other.part_nbytes, **sums)

    def one_more(self, phase: str) -> Reads:
        return replace(self, **{phase: getattr(self, phase) + 1})

    def part(self, share: float) -> Reads:
        """With an iteration that read a share of the rows."""
        return replace(self, part_nbytes=self.part_nbytes + round(share * self.nbytes))
