"""Rows that are grouped by cluster: sorted runs of all blocks, written in one read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from streamkm.models.model import Model
from streamkm.passes import NearestLabels, PerRow, Sizes, Tree, TreeLabels, label_dtype
from streamkm.rows import Rows, StoredRows
from streamkm.runs.labels import digest_of
from streamkm.runs.merging import MergedRuns
from streamkm.runs.sorted_runs import NUMBERS_KIND, Kind, SortBlock
from streamkm.runs.staged import RUNS, Stage


@dataclass(frozen=True)
class Sorting:
    """Rows, and the pass that finds their clusters.

    Parameters
    ----------
    rows : Rows
    question : PerRow whose results are the labels 0 to n_clusters - 1
    n_clusters : int
    weightless : whether rows of weight zero are written
    """

    rows: Rows
    question: PerRow[Any]
    n_clusters: int
    weightless: bool = True

    @classmethod
    def by_model(cls, rows: Rows, model: Model) -> Self:
        """Return the grouping of rows by the clusters of a model."""
        k = len(model.centroids)
        dtype = label_dtype(k)
        if model.tree is not None:
            return cls(rows, TreeLabels(Tree(*model.tree), dtype), k)
        return cls(rows, NearestLabels(model.scaled_centroids, dtype), k)

    @property
    def compared(self) -> dict[str, Any]:
        """Digests of what determines the sorted runs of some data."""
        edges = self.rows.plan.edges if isinstance(self.rows, StoredRows) else None
        return {
            "labels": digest_of(self.question.comparable),
            "scaling": digest_of(self.rows.layout.scaling),
            "blocks": digest_of(edges),
        }

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the rows in the runs."""
        return self.rows.layout.dtype.newbyteorder("=")

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Dtype and width of each array of the runs, by name."""
        weights = self.rows.weights
        kinds = {"numbers": NUMBERS_KIND, "rows": (self.dtype, self.rows.layout.n_features)}
        return kinds if weights is None else {**kinds, "weights": (weights.dtype, 0)}

    def stage(self, folder: Path) -> Stage:
        """Return the stage that writes the runs in the folder of an unfinished output."""
        runs = str(folder / RUNS)
        call = SortBlock(self.question, self.n_clusters, runs, self.dtype, self.weightless)
        return Stage("sort", call, self.rows)

    def merged(self, folder: Path, sizes: Sizes) -> MergedRuns:
        """Return the rows in the order of their clusters, with the statistic of the stage."""
        offsets = np.concatenate([[0], np.cumsum(sizes.counts)])
        rows = self.rows
        return MergedRuns(
            str(folder / RUNS), rows.n_blocks, offsets, rows.layout.n_rows, self.kinds
        )
