"""The elbow of a distortion curve, and how marked it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CLEAR = 0.5
_ADVICE = "choose k by validation loss, silhouette or use, as in docs/choosing-k.md"
_NEGLIGIBLE = 1e-12  # a loss of this share of the first one counts as zero


@dataclass(frozen=True)
class Elbow:
    """The most marked bend of a distortion curve.

    Parameters
    ----------
    n_clusters : int or None
        Number of clusters at the bend; None if the curve has no inner point.
    strength : float
        From 0 (a straight line) to 1 (flat after the bend).

    Notes
    -----
    The distortion of data without clusters follows a power law, J ~ k**(-2 / d): a straight line
    in logarithmic scales, which looks bent in linear ones [1]_. The bend is therefore measured in
    logarithmic scales, as 1 - (steepest slope after k) / (slope of the step to k).

    References
    ----------
    .. [1] E. Schubert, "Stop using the elbow criterion for k-means and how to choose the number of
       clusters instead", SIGKDD Explorations 25(1), 2023.
    """

    n_clusters: int | None
    strength: float

    @property
    def clear(self) -> bool:
        """Whether the bend is strong enough to choose k by it."""
        return self.n_clusters is not None and self.strength >= CLEAR

    def __str__(self) -> str:
        if self.clear:
            return f"elbow at k={self.n_clusters} (strength {self.strength:.2f})"
        if self.n_clusters is None:
            return "no clear elbow (too few values of k); give at least three values of k"
        strongest = f"the strongest is k={self.n_clusters}, strength {self.strength:.2f}"
        return f"no clear elbow ({strongest}); {_ADVICE}"


def find_elbow(
    n_clusters: Sequence[int], distortions: Sequence[float], n_rows: float = np.inf
) -> Elbow:
    """Find the elbow of a distortion curve.

    Parameters
    ----------
    n_clusters : sequence of int
        Numbers of clusters, ascending.
    distortions : sequence of float
        Mean squared distance for each number of clusters, in squared data units.
    n_rows : float
        Number of rows of the data. Each distortion is multiplied by n / (n - k), because k
        clusters fit k rows exactly.

    Returns
    -------
    Elbow

    Examples
    --------
    >>> str(find_elbow([1, 2, 3, 4, 5, 6], [100, 50, 10, 9, 8.2, 7.6]))
    'elbow at k=3 (strength 0.89)'
    >>> str(find_elbow([1, 2, 4, 8, 16], [16, 8, 4, 2, 1]))  # doctest: +ELLIPSIS
    'no clear elbow (the strongest is k=8, strength 0.00); choose k by validation loss, ...'
    """
    inner = [k < n_rows for k in n_clusters]
    ks = np.asarray(n_clusters, np.float64)[inner]
    if len(ks) < 3:
        return Elbow(None, 0.0)
    losses = np.asarray(distortions, np.float64)[inner] / (1 - ks / n_rows)
    loss = np.log(np.maximum(losses, max(_NEGLIGIBLE * losses[0], np.finfo(np.float64).tiny)))
    slopes = np.maximum(0.0, -np.diff(loss) / np.diff(np.log(ks)))
    after = np.maximum.accumulate(slopes[::-1])[::-1][1:]  # steepest of all later slopes
    before = slopes[:-1]
    safe = np.where(before > 0, before, 1.0)
    strengths = np.where(before > 0, 1 - after / safe, 0.0)
    at = int(strengths.argmax())
    return Elbow(int(ks[at + 1]), max(0.0, float(strengths[at])))
