"""States of checkpoints that cannot be those of a fit, and the errors that they cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from streamkm.errors import CheckpointError, StreamkmError
from streamkm.fitting.state import FitState
from streamkm.rows import Rows

_OF_STATES = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError),
    *(MemoryError, RecursionError, TypeError, ValueError),
)


def refuse_misfit(state: Any, rows: Rows, where: str) -> None:
    """Refuse a state of rows or features of other numbers, or with centroids that are not finite.

    Raises
    ------
    CheckpointError
        If the state cannot be that of a fit to these rows.
    """
    fits = isinstance(state, FitState) and state.plan.row_shape == rows.layout.row_shape
    if fits:
        sizes = [
            rows.layout.n_features if t.features is None else t.features[1] - t.features[0]
            for t in state.trajectories
        ]
        found = [t.centroids for t in state.trajectories]
        fits = bool(found) and all(
            own is None or (own.ndim == 2 and own.shape[1] == size and np.isfinite(own).all())
            for own, size in zip(found, sizes, strict=True)
        )
    if not fits:
        raise CheckpointError(
            f"the state in {where} cannot be that of a fit to these rows, so it is damaged. "
            "Restore a copy, or name another checkpoint."
        )


Watch = Callable[[FitState], None]


@contextmanager
def plain_errors(resumed: Callable[[], bool], where: str) -> Iterator[Callable[[Watch], Watch]]:
    """Convert errors of a run that continues from an impossible state, which may cause any.

    Parameters
    ----------
    resumed : returns whether the run has continued from a state
    where : the checkpoint, for messages

    Yields
    ------
    A function that returns a callback whose errors are not converted.

    Raises
    ------
    CheckpointError
        For any such error of a resumed run.
    """
    of_callbacks: list[Exception] = []

    def apart(callback: Watch) -> Watch:
        def call(state: FitState) -> None:
            try:
                callback(state)
            except Exception as error:
                of_callbacks.append(error)
                raise

        return call

    try:
        yield apart
    except StreamkmError:
        raise
    except _OF_STATES as error:
        if not resumed() or any(error is each for each in of_callbacks):
            raise
        raise CheckpointError(
            f"the run that resumed from {where} failed ({type(error).__name__}: {error}). If the "
            "error is not that of the data or of your own code, the state is damaged: restore a "
            "copy, or start again with another checkpoint."
        ) from error
