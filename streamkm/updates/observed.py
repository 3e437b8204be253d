"""k-means of rows with gaps, whose distances are those of their observed values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes import (
    CountObserved,
    DrawFarthestObserved,
    Filled,
    LabelsObserved,
    LloydObserved,
    OfComplete,
    Pass,
    Product,
)
from streamkm.seeding import Seeding, Task
from streamkm.updates.lloyd import LloydUpdate

_ENOUGH = 10  # complete rows for each cluster, from which on only these are used for the seeding


@dataclass(frozen=True)
class ObservedUpdate(LloydUpdate):
    """Lloyd's iterations on the observed values (k-POD; Chi, Chi and Baraniuk 2016).

    The loss is the sum over observed values only. Labels, then means, each lower it or leave it as
    it is, so it never rises. Each iteration takes a read.
    """

    uses_table: ClassVar[bool] = False  # equal rows with gaps are not recognised

    def seeding(self, method: str, task: Task) -> Seeding:
        inner = super().seeding(method, task)
        return ObservedSeeding(task.k, task.seed, inner)

    def step(self, centroids: Float64Array) -> Pass[Any]:
        return LloydObserved(centroids)

    def farthest(self, most: int, centroids: Float64Array) -> Pass[Any]:
        return DrawFarthestObserved(most, centroids)

    def label_pass(self, centroids: Float64Array, dtype: np.dtype[Any]) -> LabelsObserved:
        return LabelsObserved(centroids, dtype)


@dataclass(frozen=True)
class ObservedSeeding(Seeding):
    """A seeding method for rows with gaps.

    It reads complete rows only. If there are fewer than ten for each cluster, which the first read
    counts, it starts again with all rows and the mean of each feature in the gaps.

    Parameters
    ----------
    inner : state of the method
    counted : whether the first read has counted the complete rows
    means : ndarray of shape (d,), the means in the gaps; None to read complete rows
    """

    inner: Seeding
    counted: bool = False
    means: Float64Array | None = None

    @property
    def blocks(self) -> tuple[int, ...] | None:
        return self.inner.blocks

    @property
    def working(self) -> str:
        return self.inner.working

    def advance(self) -> Seeding | Float64Array | None:
        return self._with(self.inner.advance())

    def ask(self) -> Pass[Any]:
        question = self.inner.ask()
        if self.means is not None:
            return Filled(question, self.means)
        complete: Pass[Any] = OfComplete(question)
        return complete if self.counted else Product((complete, CountObserved()))

    def tell(self, statistic: Any) -> Seeding | Float64Array:
        if self.counted:
            then = self._with(self.inner.tell(statistic))
            assert then is not None
            return then
        answer, observed = statistic.parts
        counted = replace(self, counted=True)
        if observed.complete >= _ENOUGH * self.k:
            return counted.tell(answer)
        return replace(counted, means=observed.means)  # the method asks its first pass again

    def _with(self, then: Seeding | Float64Array | None) -> Seeding | Float64Array | None:
        return replace(self, inner=then) if isinstance(then, Seeding) else then
