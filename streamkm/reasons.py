"""Reasons for which the iterations of a fit end, as results report them."""

from __future__ import annotations

NOTHING_MOVED = "nothing moved"
SHIFT = "centroid shift"
RELATIVE_LOSS = "relative loss decrease"
DISTORTION = "distortion decrease"
NO_IMPROVEMENT = "no improvement"
MAX_ITER = "max_iter"
TIME_LIMIT = "time limit"
DROPPED = "dropped"  # dropped by halving

# What the rules mean to the user of a model.
MEANINGS = {
    NOTHING_MOVED: "converged: another iteration changes no centroid",
    SHIFT: "converged: the centroids moved by less than tol",
    RELATIVE_LOSS: "converged: the loss decreased by less than loss_tol, or than 0.1 % in a read",
    DISTORTION: "converged: the mean squared distance decreased by less than distortion_tol",
    NO_IMPROVEMENT: "converged: the mini-batches no longer lower the average loss",
    MAX_ITER: "not converged: more iterations could lower the loss; raise max_iter",
    TIME_LIMIT: "not converged: more time could lower the loss; raise the time limit",
    DROPPED: "another restart had a lower loss",
}
