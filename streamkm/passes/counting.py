"""Labels of weighted rows, with the number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.passes.base import Products
from streamkm.passes.census import Census
from streamkm.passes.per_row import PerRow
from streamkm.rows import Block


@dataclass(frozen=True)
class CountedLabels(PerRow[Products]):
    """Labels with two statistics, the `Counted` of all rows and that of the label pass.

    Parameters
    ----------
    labels : the pass that labels rows
    """

    labels: PerRow[Any]

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.labels.dtype

    @property
    def fill(self) -> Any:
        return self.labels.fill

    @property
    def comparable(self) -> PerRow[Any]:
        return CountedLabels(self.labels.comparable)

    def identity(self) -> Products:
        return Products((Census().identity(), self.labels.identity()))

    def statistic_nbytes(self, n_features: int) -> int:
        return self.labels.statistic_nbytes(n_features)

    def __call__(self, block: Block) -> tuple[AnyArray, Products]:
        counted = Census()(block)
        counted.check_values()
        labels, statistic = self.labels(block)
        return labels, Products((counted, statistic))
