"""The default size of a summary."""

from __future__ import annotations

from streamkm.seeding.coreset import least_sample

_ROWS, _ROWS_PER_CLUSTER = 65536, 256  # [docs/streams.md]
_NBYTES = 32 * 2**20  # of the values of `most` rows, unless the rows become too few


def summary_rows(n_clusters: int, n_features: int) -> int:
    """Return the default size of a summary, in rows."""
    most = max(_ROWS, _ROWS_PER_CLUSTER * n_clusters)
    return max(least_sample(n_clusters), min(most, _NBYTES // (4 * n_features)))
