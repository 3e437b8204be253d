"""The reads that fits took in measurements, from which the reads of another fit are guessed."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.updates import StopRules

# Reads of the iterations of measured fits: a tenth of them took at most the first number, half of
# them the second, nine tenths the third. The keys are whether a fit ends when a read gains little,
# as after a coreset, and the share of the rows that may be boundary rows [docs/reads.md].
_MEASURED: dict[tuple[bool, float], tuple[int, int, int]] = {
    (True, 0.2): (1, 3, 6),
    (True, 0.05): (1, 4, 9),
    (True, 0.0): (1, 4, 9),
    (False, 0.2): (2, 14, 40),
    (False, 0.05): (4, 32, 81),
    (False, 0.0): (9, 72, 250),
}
_TOL = 1e-4  # of the measured fits


@dataclass(frozen=True)
class LikelyReads:
    """Reads of the iterations of a fit.

    Parameters
    ----------
    least, median, most : int
        A tenth, half and nine tenths of measured fits took at most these numbers.
    condition : str
        How this fit differs from the measured ones; empty if it does not.
    """

    least: int
    median: int
    most: int
    condition: str

    def times(self, n: int) -> LikelyReads:
        """Return the reads of n such fits, one after another."""
        reads = (n * self.least, n * self.median, n * self.most)
        return LikelyReads(*reads, self.condition)


def likely_reads(rules: StopRules, share: float, restarts: int) -> LikelyReads:
    """Return the reads that the iterations of a fit take, by measurements of other fits.

    Parameters
    ----------
    rules : StopRules
        Rules after the seeding method, by which ``loss_tol="auto"`` is decided.
    share : float
        Share of the rows that may be boundary rows.
    restarts : int
        Number of fits that share the reads.
    """
    early = rules.reading_tol is not None
    column = max(known for _, known in _MEASURED if known <= share)
    least, median, most = (min(n, rules.max_iter) for n in _MEASURED[early, column])
    different = []
    if not early and rules.tol < _TOL and not rules.loss_tol:
        different.append(f"tol={_TOL:g} was measured, and a smaller one needs more")
    if rules.loss_tol or rules.distortion_tol is not None:
        different.append("the loss ends this fit sooner")
    if restarts > 1:
        different.append(f"the slowest of {restarts} fits counts")
    return LikelyReads(least, median, most, "; ".join(different))
