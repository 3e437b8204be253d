"""The fit of a product quantizer: k-means of every part of the features, in shared reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from streamkm.errors import DataError
from streamkm.fitting import FitState, describe, first_subspaces_state, fit_budget, restart_seeds
from streamkm.heap import one_heap
from streamkm.models.quantizer import Codebooks
from streamkm.numbers import whole_number
from streamkm.rows import Block, Budget, Rows, UnitLength, may_lack
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.options import CheckpointOptions, DataOptions, draw_seed
from streamkm.runs.running import ProgressCallbacks, Start, running

MOST_CODEWORDS = 2**16  # a code is two bytes at most
# Coarse centroids: themselves, in the precision of the data, and their projections.
_COARSE_COPIES = 3
_RESIDUALS = 0.5  # share of a block, which the projection counts five times
_COMPARED = ("n_clusters", "init", "max_iter", "tol", "loss_tol")


@dataclass(frozen=True)
class QuantizerOptions:
    """Options of the fit; `streamkm.ProductQuantizer` describes each of them.

    Parameters
    ----------
    n_subspaces : int
    fit : FitOptions
        Options of the fit of each part; its `n_clusters` is the number of codewords.
    """

    n_subspaces: int
    fit: FitOptions

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Check parameters of these names; all other names are ignored.

        Raises
        ------
        ValueError
            If a value is not allowed.
        """
        n_subspaces = whole_number("n_subspaces", parameters["n_subspaces"], 1)
        k = whole_number("n_codewords", parameters["n_codewords"], 1, MOST_CODEWORDS)
        fit = FitOptions.from_parameters({**parameters, "n_clusters": k})
        if not isinstance(fit.init, str):
            raise ValueError(f"init={fit.init!r}; use the name of a seeding method.")
        return cls(n_subspaces, fit)


@dataclass(frozen=True)
class PreparedQuantizer:
    """The fit with open data and checked options, before the first read.

    Parameters
    ----------
    options : QuantizerOptions
    coarse : Codebooks or None
        Its coarse centroids are subtracted from the rows.
    rows : Rows, whose blocks are replaced by residuals if there are coarse centroids
    budget : Budget
    """

    options: QuantizerOptions
    coarse: Codebooks | None
    rows: Rows
    budget: Budget


@dataclass(frozen=True)
class _AsStored:
    """Leaves blocks as they are; rows with a block map are not shifted by a fit."""

    def __call__(self, block: Block) -> Block:
        return block


def prepare_quantizer(
    data: DataOptions, options: QuantizerOptions, coarse: Codebooks | None = None
) -> PreparedQuantizer:
    """Plan the memory, open the data once, and check the options against them.

    Parameters
    ----------
    data : DataOptions
    options : QuantizerOptions
    coarse : Codebooks without codewords, with the coarse centroids; or None

    Raises
    ------
    DataError
        If the features cannot be divided, or the coarse centroids have others.
    MemoryLimitError
        If the work does not fit the memory limit.
    """
    if data.memory_limit is not None:
        one_heap()
    limit = data.memory_limit
    if limit is not None and coarse is not None and coarse.coarse is not None:
        limit -= _COARSE_COPIES * coarse.coarse.nbytes
    # The parts have together the centroids and the sample of one fit of all features.
    budget = fit_budget(limit, [str(options.fit.init)], [options.fit.n_clusters], keeps=False)
    budget = replace(budget, answer_share=0.0 if coarse is None else _RESIDUALS)
    rows = data.open(budget, UnitLength() if coarse is not None and coarse.cosine else None)
    d, m = rows.layout.n_features, options.n_subspaces
    if d % m:
        raise DataError(
            f"{d} features cannot be divided into",
            python=f"n_subspaces={m} parts of the same size; give a divisor of {d}.",
            command=f"--parts {m} of the same size; give a divisor of {d}.",
        )
    if coarse is not None and coarse.coarse is not None and coarse.coarse.shape[1] != d:
        found = coarse.coarse.shape[1]
        raise DataError(f"X has {d} features, but the coarse model has {found}.")
    refuse_lacking(rows)
    n, k = rows.layout.n_rows, options.fit.n_clusters
    if n < k:
        raise DataError(
            python=f"n_samples={n} should be >= n_codewords={k}.",
            command=f"{n:,} rows are fewer than --codewords {k}.",
        )
    options.fit.check(rows)
    block_map = _AsStored() if coarse is None else coarse.residuals
    rows = replace(rows, layout=replace(rows.layout, block_map=block_map))
    return PreparedQuantizer(options, coarse, rows, budget)


def refuse_lacking(rows: Rows) -> None:
    """Raise an error for rows that may be left out, because all values of a code are codewords.

    Raises
    ------
    DataError
    """
    if may_lack(rows):
        raise DataError(
            "codes have no value for missing rows: select the rows without missing values first."
        )


def fit_quantizer(
    prepared: PreparedQuantizer,
    checkpoint: CheckpointOptions | None = None,
    progress: ProgressCallbacks | None = None,
) -> tuple[FitState, Codebooks]:
    """Run the fit; with a checkpoint, start or resume. Return its last state and the codebooks.

    Raises
    ------
    CheckpointError, DataChangedError
        If the checkpoint belongs to other options or other data.
    """
    options, m = prepared.options, prepared.options.n_subspaces
    rules = options.fit.rules.after(options.fit.init, options.fit.n_clusters)
    start = Start(
        prepared.rows,
        prepared.budget,
        [rules] * m,
        partial(_first_state, prepared),
        _parameters(prepared),
        kind="product quantizer",
    )
    with running(start, checkpoint, progress, options.fit.time_limit) as run:
        state = run.state
    codewords = [t.centroids for t in state.trajectories if t.centroids is not None]
    known = prepared.coarse or Codebooks(np.empty((0, 0, 0), np.float32))
    return state, replace(known, codewords=np.stack(codewords).astype(np.float32))


def inertia_of(state: FitState) -> float:
    """Sum of the losses of all parts, the squared error of the decoded rows."""
    return float(sum(np.nan if t.inertia is None else t.inertia for t in state.trajectories))


def describe_parts(state: FitState) -> str:
    """Describe the last read in one line, with the loss of all parts together."""
    if state.read_blocks or not state.can_stop or not all(t.history for t in state.trajectories):
        return describe(state)
    moving = sum(t.stop_reason is None for t in state.trajectories)
    inertia = sum(t.history[-1].inertia for t in state.trajectories)
    where = describe(state).split(": ", 1)[0]
    return f"{where}: {moving} of {len(state.trajectories)} parts still move, inertia {inertia:.6g}"


def _first_state(prepared: PreparedQuantizer) -> FitState:
    fit, rows = prepared.options.fit, prepared.rows
    (seed,) = restart_seeds(draw_seed(fit.random_state), 1)
    room = prepared.budget.room(rows.layout)
    parts = prepared.options.n_subspaces
    return first_subspaces_state(rows, parts, fit.n_clusters, str(fit.init), seed, fit.rules, room)


def _parameters(prepared: PreparedQuantizer) -> dict[str, Any]:
    """The options as a checkpoint compares them."""
    fit = prepared.options.fit
    found = {name: getattr(fit, name) for name in _COMPARED}
    found["n_subspaces"] = prepared.options.n_subspaces
    if isinstance(fit.random_state, int):
        found["random_state"] = fit.random_state
    found["coarse"] = None if prepared.coarse is None else prepared.coarse.coarse
    return found
