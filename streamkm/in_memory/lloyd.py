"""Lloyd's iteration on a statistic that costs no read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from streamkm.arrays import Float64Array
from streamkm.passes import Assigned


def lloyd_steps(
    assign: Callable[[Float64Array], Assigned], centroids: Float64Array, most: int
) -> Iterator[tuple[Float64Array, Assigned, Float64Array]]:
    """Iterate Lloyd's step; the consumer decides when to stop.

    Parameters
    ----------
    assign : callable
        Returns the statistic for centroids (k, d).
    centroids : ndarray of shape (k, d), float64
        Initial centroids.
    most : int
        Maximum number of steps.

    Yields
    ------
    before : ndarray of shape (k, d), float64
        Centroids of the step.
    assigned : Assigned
        Their statistic.
    after : ndarray of shape (k, d), float64
        Means of the clusters, from which the next step starts. The consumer may change it in place.
    """
    for _ in range(most):
        assigned = assign(centroids)
        after = assigned.means(otherwise=centroids)
        yield centroids, assigned, after
        centroids = after
