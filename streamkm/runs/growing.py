"""Fits of the levels of a hierarchy, each level split or clustered from the one before.

A split reads the data once, writes the rows grouped by cluster, and fits each group once. Every
finished part of the work is a file of a folder, so that a run that was killed resumes there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpoint import Record
from streamkm.engine import Listed, folding, map_reduce, same_processes, wave_size
from streamkm.errors import FewDistinctRowsWarning
from streamkm.fitting import FitState, with_scaling
from streamkm.in_memory.shares import shares
from streamkm.models.hierarchy import Parents, in_order
from streamkm.outputs import PARTITION, Store, plain
from streamkm.outputs.partitions import Partition, open_partition
from streamkm.passes import DrawUniform, Lloyd, Product, RoutedLabels, Routes, label_dtype
from streamkm.rows import Rows, fingerprint
from streamkm.runs.fit import fit
from streamkm.runs.hierarchy import GrownHierarchy, PreparedHierarchy
from streamkm.runs.levels import LevelFit, centroids_of, cluster_centroids
from streamkm.runs.options import CheckpointOptions, draw_seed
from streamkm.runs.partition import FORMATS, WritePartition
from streamkm.runs.parts import FitParts, tasks_of
from streamkm.runs.routing import SAMPLE, routes_of, routing_of
from streamkm.runs.running import ProgressCallbacks
from streamkm.runs.sorting import Sorting
from streamkm.runs.steps_on_disk import Arrays, StepsOnDisk
from streamkm.updates import history_array
from streamkm.versions import versions
from streamkm.warn import warn

_STREAM = 2**62  # of the draw of sampled rows
_ABOVE = 2**16  # number of the first level above the leaves, for seeds


def grow(
    prepared: PreparedHierarchy,
    folder: Path,
    restart: bool = False,
    progress: ProgressCallbacks | None = None,
) -> GrownHierarchy:
    """Fit all levels; the same call resumes a run that was stopped.

    Parameters
    ----------
    prepared : PreparedHierarchy
    folder : Path
        Local folder, shared by all workers, for the rows by group and the finished steps. The
        caller removes it when the result is saved.
    restart : whether the steps of another run in the folder are deleted
    progress : ProgressCallbacks or None

    Returns
    -------
    GrownHierarchy

    Raises
    ------
    CheckpointError
        If the folder belongs to another run.

    Warns
    -----
    FewDistinctRowsWarning
        If the lowest level has fewer clusters than were asked for.
    """
    options, steps = prepared.options, StepsOnDisk(folder)
    steps.begin(_record(prepared), restart)
    random_state = options.fit.random_state
    drawn = steps.once("seed", lambda: {"seed": np.array([draw_seed(random_state)])})
    seed = int(drawn["seed"][0])
    run = _Run(prepared, steps, seed, progress or ProgressCallbacks())
    with same_processes():
        state = run.first_state()
        rows = with_scaling(prepared.rows, state.scaling)
        found = run.first(rows, centroids_of(state, state.scaling))
        n_passes = state.n_passes + options.resampling
        levels, parents = [found["centroids"]], list[Parents]()
        for n_clusters in options.splits[1:]:
            found = run.split(rows, levels, parents, n_clusters)
            levels.append(found["centroids"])
            parents.append(found["part"])
            n_passes += 1
        if "counts" not in found:
            found |= run.evaluated(rows, found["centroids"])
            n_passes += 1
        result = run.result(levels, parents, found, state, n_passes)
    if len(result.leaves) < options.sizes[0]:
        warn(
            f"the lowest level has {len(result.leaves):,} clusters, not {options.sizes[0]:,}: some "
            "clusters of the level above have fewer distinct rows than clusters to be split into",
            FewDistinctRowsWarning,
        )
    return result


@dataclass(frozen=True)
class _Run:
    prepared: PreparedHierarchy
    steps: StepsOnDisk
    seed: int
    progress: ProgressCallbacks

    def first_state(self) -> FitState:
        """The state of the fit to all rows, whose checkpoint is in the folder."""
        options = replace(self.prepared.first.options, random_state=self.seed)
        prepared = replace(self.prepared.first, options=options)
        checkpoint = CheckpointOptions(self.steps.folder / "first")
        return fit(prepared, checkpoint=checkpoint, progress=self.progress).state

    def first(self, rows: Rows, centroids: Float64Array) -> Arrays:
        """The centroids of the fit to all rows after the rounds of resampling."""
        own = self._fit(0)
        seeds = own.seeds(0, self.prepared.options.fit.n_init * self.prepared.options.resampling)
        return self.steps.once(
            "first-centroids", lambda: {"centroids": own.resample(rows, centroids, seeds)}
        )

    def evaluated(self, rows: Rows, centroids: Float64Array) -> Arrays:
        """Counts and loss of a fit to all rows, and a sample of rows, in one read."""
        self.progress.read("counts")
        question = Product((Lloyd(centroids), DrawUniform(SAMPLE, self.seed, _STREAM)))

        def read() -> Arrays:
            assigned, drawn = map_reduce(question, rows).parts
            return {
                "counts": assigned.counts.astype(np.float64),
                "losses": np.array([assigned.inertia(centroids)]),
                "sampled": drawn.values,
            }

        return self.steps.once("counts", read)

    def split(
        self,
        rows: Rows,
        levels: Sequence[Float64Array],
        parents: Sequence[Parents],
        n_clusters: int,
    ) -> Arrays:
        """Group the rows by the clusters of the last level in one read, and fit each group."""
        level, options = len(levels), self.prepared.options
        steps = StepsOnDisk(self.steps.folder / f"level-{level}")
        parts = self._partition(rows, Routes.from_parents(levels, parents), steps.folder)
        counts = shares(n_clusters, parts.sizes, parts.sizes)
        if options.branching is not None:
            counts = np.minimum(parts.sizes, options.branching)
        row_nbytes = parts.rows.dtype.itemsize * parts.rows.shape[1]
        tasks = tasks_of(parts.offsets, counts, row_nbytes)
        left = [task for task in tasks if not steps.path_of(task.name).exists()]
        every = max(1, parts.rows.shape[0] // SAMPLE)
        scaling = rows.layout.scaling
        limit = self.prepared.memory_limit
        call = FitParts(parts.rows, parts.weights, scaling, self._fit(level), steps, every, limit)
        name = f"fits of level {level}"
        self.progress.stage(name, len(tasks) - len(left), len(tasks))
        for folded in folding(call, Listed(left), wave_size()) if left else ():
            self.progress.stage(name, len(tasks) - len(left) + folded.n_blocks, len(tasks))
        found = [steps.finished(task.name) for task in tasks]
        return {each: np.concatenate([own[each] for own in found]) for each in found[0]}

    def _partition(self, rows: Rows, routes: Routes, folder: Path) -> Partition:
        """The rows grouped by the leaves of the routes."""
        n_groups, target = len(routes.levels[-1]), folder / "rows.zarr"
        folder.mkdir(exist_ok=True)
        if not target.exists():
            question = RoutedLabels(routes, label_dtype(n_groups))
            output, limit = Store(target, PARTITION, False), self.prepared.memory_limit
            sorting = Sorting(rows, question, n_groups, weightless=False)
            writing = WritePartition(sorting, FORMATS["zarr"], limit)
            writing.run(output, show=self.progress.stage)
        return open_partition(target)

    def _fit(self, level: int) -> LevelFit:
        return LevelFit(self.prepared.options, self.seed, level)

    def result(
        self,
        levels: list[Float64Array],
        parents: list[Parents],
        found: Arrays,
        first: FitState,
        n_passes: float,
    ) -> GrownHierarchy:
        """Add the levels above the leaves, and number the clusters."""
        options, counts = self.prepared.options, found["counts"]
        above, up = levels[-2::-1], parents[::-1]
        if not options.top_down:
            above, up = self._above(levels[-1], counts)
        hierarchy, order = in_order(levels[-1], above, up)
        leaves, counts = levels[-1][order], counts[order]
        routing = routing_of(routes_of(hierarchy, leaves), found["sampled"])
        inertia = float(found["losses"].sum())
        history = history_array(first.best.history)
        return GrownHierarchy(
            leaves, counts, inertia, hierarchy, first.scaling, history, n_passes, routing
        )

    def _above(
        self, leaves: Float64Array, counts: Float64Array
    ) -> tuple[list[Float64Array], list[Parents]]:
        """The centroids of the levels above the leaves, and the parents of each level below."""
        above, up, below = list[Float64Array](), list[Parents](), leaves
        for level, n_clusters in enumerate(self.prepared.options.sizes[1:], _ABOVE):
            self.progress.part(f"{n_clusters} clusters of {len(below)}")
            centroids, own = cluster_centroids(self._fit(level), below, counts, n_clusters)
            counts = np.bincount(own, counts, minlength=len(centroids)).astype(np.float64)
            above.append(centroids)
            up.append(own)
            below = centroids
        return above, up


def _record(prepared: PreparedHierarchy) -> Record:
    """The record that a later run of the folder is compared with.

    A random state that is not a number is omitted, because it cannot be compared.
    """
    fit = dict(vars(prepared.options.fit))
    if not isinstance(fit["random_state"], int):
        del fit["random_state"]
    asked = plain(vars(prepared.options) | {"fit": fit})
    return Record("hierarchy", asked, fingerprint(prepared.rows), versions=versions())
