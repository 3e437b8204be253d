"""The public function `streamkm.forecast`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streamkm.estimators.kmeans import KMeans
from streamkm.html_repr import html_repr
from streamkm.runs.forecast import forecast_fit
from streamkm.sizes import as_texts

_SHOWN = (
    *("rows", "features", "dtype", "blocks", "block_bytes", "bytes_a_read", "reads_likely"),
    *("reads_likely_range", "bytes_likely", "reads_at_most", "cached_bytes", "threads"),
    *("projected_memory_bytes", "memory_limit_bytes"),
)


class Forecast(Mapping[str, Any]):
    """Mapping of names to numbers of a fit before its first read.

    Parameters
    ----------
    facts : mapping of str to number, text, list or None
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = dict(facts)

    def __getitem__(self, name: str) -> Any:
        return self._facts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def __repr__(self) -> str:
        lines = (f"    {name}: {text}" for name, text in self._texts.items())
        return "\n".join(["<Forecast of a fit, from metadata>", *lines])

    def _repr_html_(self) -> str:
        return html_repr("Forecast of a fit, from metadata", repr(self), self._texts)

    @property
    def _texts(self) -> dict[str, str]:
        return as_texts({name: self._facts.get(name) for name in _SHOWN})


def forecast(
    X: Any,
    n_clusters: int = 8,
    *,
    sample_weight: Any = None,
    mask: Any = None,
    labels: bool = False,
    **parameters: Any,
) -> Forecast:
    """Return the blocks, reads, bytes and memory of a fit of `KMeans`, without reading the data.

    It is ``streamkm fit --dry-run``. In a notebook the result is shown as a table.

    Parameters
    ----------
    X : as in `KMeans.fit`
        Data to cluster.
    n_clusters : int
        Number of clusters.
    sample_weight : array-like of the row shape, or None
        Weight of each row.
    mask : array-like of the row shape, bool, or None
        False for rows that are left out.
    labels : bool
        Whether the labels of all rows are computed, too.
    **parameters : object
        Other parameters of `KMeans`, such as `init` and `memory_limit`.

    Returns
    -------
    mapping of str to int, float, str, list of int, or None
        `rows`, `features`, `dtype`, `blocks`, `block_bytes`, `bytes_a_read`, `reads_likely`,
        `reads_at_most`, `cached_bytes`, `projected_memory_bytes` and others, as in
        ``streamkm fit --dry-run --json``.

    Raises
    ------
    DataError
        If the data cannot be clustered; the message names the cause and the fix.
    MemoryLimitError
        If the work does not fit `memory_limit`.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> x = np.random.default_rng(0).normal(size=(1000, 4))
    >>> cost = streamkm.forecast(x, 5, memory_limit="1GiB")
    >>> cost["rows"], cost["blocks"], cost["bytes_a_read"], cost["reads_likely"]
    (1000, 1, 32000, 7)
    """
    model = KMeans(n_clusters, **parameters)
    _, prepared = model._prepare(X, sample_weight, mask, None, model._options())
    return Forecast(forecast_fit(prepared, labels))
