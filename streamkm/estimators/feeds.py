"""Feeds of estimators that have `partial_fit`: rows of iterators, in batches of one size."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Iterable
from typing import Any, Self

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.numbers import whole_number
from streamkm.rows import column_names, is_table, numbers
from streamkm.runs.feeds import batch_rows as default_rows


class Consumer(ABC):
    """Mixin of estimators with `partial_fit`."""

    @abstractmethod
    def partial_fit(self, X: Any) -> Self:
        """Add rows."""

    def consume(self, feed: Iterable[Any], *, batch_rows: int | None = None) -> Self:
        """Add the rows of an iterator, in batches of a fixed number of rows.

        The next item is requested when the rows before are added, so memory holds one batch.
        The model is that of `partial_fit` of the batches, whatever the sizes of the items.

        Parameters
        ----------
        feed : iterable of arrays of shape (m, n_features), or of tables of pandas, polars or Arrow
            The rows of the stream. Other data that `partial_fit` takes are batches of their own.
        batch_rows : int or None, default=None
            Rows of a batch; None for ``max(1, 2**21 // n_features)``.

        Returns
        -------
        StreamingKMeans
            Fitted estimator.

        Raises
        ------
        DataError
            If the rows cannot be used. The model then has the batches before. If the iterator
            fails or is interrupted, the model has all rows that it gave.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> rng = np.random.default_rng(0)
        >>> feed = (rng.normal(size=(10, 2)) + 9 * (i % 2) for i in range(500))
        >>> km = streamkm.StreamingKMeans(2, random_state=0).consume(feed, batch_rows=1000)
        >>> km.n_rows_seen_, km.counts_.tolist()
        (5000, [2500.0, 2500.0])
        """
        batches = _Batches(self, batch_rows)
        try:
            for rows in feed:
                batches.add(rows)
        finally:
            batches.end()
        return self

    async def consume_async(
        self, feed: AsyncIterable[Any], *, batch_rows: int | None = None
    ) -> Self:
        """Add the rows of an asynchronous iterator, as by `consume`.

        Rows are added in a thread, so the event loop stays free.

        Parameters
        ----------
        feed : asynchronous iterable of arrays or tables, as for `consume`
            The rows of the stream.
        batch_rows : int or None, default=None
            Rows of a batch, as for `consume`.

        Returns
        -------
        StreamingKMeans
            Fitted estimator.

        Raises
        ------
        DataError
            As for `consume`.

        Examples
        --------
        >>> import asyncio, numpy as np, streamkm
        >>> async def feed():
        ...     for i in range(20):
        ...         yield np.random.default_rng(i).normal(size=(10, 2)) + 9 * (i % 2)
        >>> km = streamkm.StreamingKMeans(2, random_state=0)
        >>> asyncio.run(km.consume_async(feed())).counts_.tolist()
        [100.0, 100.0]
        """
        batches = _Batches(self, batch_rows)
        try:
            async for rows in feed:
                await asyncio.to_thread(batches.add, rows)
        finally:
            batches.end()
        return self


class _Batches:
    """Rows of the next batch of a model."""

    def __init__(self, model: Consumer, n: int | None) -> None:
        self._model = model
        self._n = None if n is None else whole_number("batch_rows", n, 1)
        self._pending: list[AnyArray] = []
        self._count = 0
        self._names: tuple[str, ...] | None = None
        self._lock = threading.Lock()  # a cancelled task may leave a thread that adds rows

    def add(self, rows: Any) -> None:
        """Add rows; full batches go to the model."""
        with self._lock:
            names = column_names(rows) if is_table(rows) else None
            plain = is_table(rows) or type(rows) in (list, tuple, np.ndarray)
            values = numbers(rows) if plain else np.empty(0)
            if values.ndim != 2:
                self._flush()
                self._model.partial_fit(rows)
                return
            before = self._pending[0].shape[1] if self._pending else None
            if names != self._names or before not in (None, values.shape[1]):
                self._flush()
            self._names = names
            self._fill(values)

    def _fill(self, values: AnyArray) -> None:
        n, start = default_rows(values.shape[1], self._n), 0
        while start < len(values):
            some = values[start : start + n - self._count]
            self._pending.append(some.copy())  # the iterator may use its array again
            self._count += len(some)
            start += len(some)
            if self._count == n:
                self._flush()

    def end(self) -> None:
        """Give the model the last rows."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        rows: Any = np.concatenate(self._pending)
        self._pending, self._count = [], 0
        if self._names is not None:
            import pandas as pd  # which xarray needs, too

            rows = pd.DataFrame(rows, columns=list(self._names))
        self._model.partial_fit(rows)
