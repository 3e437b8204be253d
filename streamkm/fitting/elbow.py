"""The elbow of a distortion curve, and how much of one it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CLEAR = 0.5
_NOTHING = 1e-12  # a share of the loss that is none


@dataclass(frozen=True)
class Elbow:
    """The most marked bend of a distortion curve.

    Data without clusters follow a power law, J ~ k**(-2 / d), a straight line in logarithms, which
    looks bent in plain scales (Schubert, "Stop using the elbow criterion", 2023). So the bend is
    measured there: how much flatter everything after k is than the step to k.

    Parameters
    ----------
    n_clusters : where it is, or None where the curve has no inner point
    strength : 0 (a straight line) to 1 (flat from there on)
    """

    n_clusters: int | None
    strength: float

    @property
    def clear(self) -> bool:
        return self.n_clusters is not None and self.strength >= CLEAR

    def __str__(self) -> str:
        if self.clear:
            return f"elbow at k={self.n_clusters} (strength {self.strength:.2f})"
        if self.n_clusters is None:
            return "no clear elbow (too few values of k to tell)"
        return f"no clear elbow (the most is k={self.n_clusters}, strength {self.strength:.2f})"


def find_elbow(
    n_clusters: Sequence[int], distortions: Sequence[float], n_rows: float = np.inf
) -> Elbow:
    """The elbow of a curve of distortions over rising numbers of clusters.

    Parameters
    ----------
    n_clusters : int, rising
    distortions : mean squared distances
    n_rows : of the data; distortions are taken over n - k, as k clusters fit k rows exactly

    Examples
    --------
    >>> str(find_elbow([1, 2, 3, 4, 5, 6], [100, 50, 10, 9, 8.2, 7.6]))
    'elbow at k=3 (strength 0.89)'
    >>> str(find_elbow([1, 2, 4, 8, 16], [16, 8, 4, 2, 1]))
    'no clear elbow (the most is k=8, strength 0.00)'
    """
    inner = [k < n_rows for k in n_clusters]
    ks = np.asarray(n_clusters, np.float64)[inner]
    if len(ks) < 3:
        return Elbow(None, 0.0)
    losses = np.asarray(distortions, np.float64)[inner] / (1 - ks / n_rows)
    loss = np.log(np.maximum(losses, max(_NOTHING * losses[0], np.finfo(np.float64).tiny)))
    slopes = np.maximum(0.0, -np.diff(loss) / np.diff(np.log(ks)))
    after = np.maximum.accumulate(slopes[::-1])[::-1][1:]  # the steepest of all later steps
    before = slopes[:-1]
    safe = np.where(before > 0, before, 1.0)
    strengths = np.where(before > 0, 1 - after / safe, 0.0)
    at = int(strengths.argmax())
    return Elbow(int(ks[at + 1]), max(0.0, float(strengths[at])))
