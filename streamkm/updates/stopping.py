"""Stop rules of the iterations. The result reports the name of the rule that was met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamkm.checkpointable import Checkpointable
from streamkm.reasons import DISTORTION, MAX_ITER, NOTHING_MOVED, RELATIVE_LOSS, SHIFT
from streamkm.seeding import method_of
from streamkm.updates.step import Step

# From this number of clusters on, a read must gain in proportion to them, up to this factor,
# because its arithmetic takes longer than its decoding [docs/seeding.md].
_CHEAP, _MOST = 400, 5.0


@dataclass(frozen=True)
class StopRules(Checkpointable):
    """Thresholds at which the iterations of a fit end; None turns a rule off.

    Parameters
    ----------
    max_iter : maximum number of iterations
    tol : stop when the sum of the squared moves of the centroids is at most tol times the mean
        variance of the features, as in scikit-learn
    loss_tol : stop when (J[t-1] - J[t]) / J[t] < loss_tol, from the second iteration on; 'auto'
        disables it and sets `reading_tol` to the value that the seeding method declares
    reading_tol : like `loss_tol`, but for all steps that one read has determined together, and only
        if iterations need reads. Cached blocks count as read; otherwise the result would depend on
        the memory of the machine
    distortion_tol : stop when the distortion falls by less than this, in squared data units
    max_no_improvement : stop after this many mini-batches without a lower average loss
    evaluates : whether a read computes the loss of the final centroids of mini-batch k-means;
        otherwise the loss is estimated
    """

    max_iter: int = 300
    tol: float = 1e-4
    loss_tol: float | str | None = None
    reading_tol: float | None = None
    distortion_tol: float | None = None
    max_no_improvement: int | None = None
    evaluates: bool = True

    def after(self, init: object, k: int) -> StopRules:
        """Return the rules of a restart that begins with `init`, where 'auto' is resolved."""
        if not isinstance(self.loss_tol, str):
            return self
        reading_tol = method_of(init).reading_tol if isinstance(init, str) else None
        if reading_tol is not None:
            reading_tol *= min(max(k / _CHEAP, 1.0), _MOST)
        return replace(self, loss_tol=None, reading_tol=reading_tol)

    def reason(
        self, history: Sequence[Step], variance: float, weight: float, before: Step | None
    ) -> str | None:
        """Return the name of the first rule that the last step meets, or None.

        Parameters
        ----------
        history : at least one step
        variance : mean variance of the features, in squared data units
        weight : sum of the weights of all rows
        before : step that `reading_tol` compares the last step with, or None
        """
        last = history[-1]
        if last.shift == 0:
            return NOTHING_MOVED
        if last.shift <= self.tol * variance:
            return SHIFT
        if len(history) > 1 and not history[-2].relocated:
            drop = history[-2].inertia - last.inertia
            assert not isinstance(self.loss_tol, str)
            if self.loss_tol and drop < self.loss_tol * last.inertia:
                return RELATIVE_LOSS
            gained = np.inf if before is None or before.relocated else before.inertia - last.inertia
            if self.reading_tol and gained < self.reading_tol * last.inertia:
                return RELATIVE_LOSS
            if self.distortion_tol is not None and drop / weight < self.distortion_tol:
                return DISTORTION
        return MAX_ITER if len(history) >= self.max_iter else None
