"""A step of Lloyd's algorithm: the clusters, and the moves of their centroids."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from streamkm.errors import DataError
from streamkm.estimators.steps import LloydStep
from streamkm.numbers import whole_number
from streamkm.passes import DrawUniform
from streamkm.plot.cluster_scatter import draw_clusters
from streamkm.plot.models import Drawn
from streamkm.rows import among

_ARROW = {
    "arrowstyle": "-|>",
    "color": "black",
    "lw": 1.4,
    "shrinkA": 0,
    "shrinkB": 4,
    "mutation_scale": 9,
}


def step(
    step: LloydStep, X: Any, ax: Axes | None = None, *, rows: int = 2000, seed: int = 0
) -> Axes:
    """Draw a step of `streamkm.iterate`; this costs one read.

    The rows have the colours of their nearest centroids, as in `clusters`, and an arrow leads to
    each centroid from where it was in the step before.

    Parameters
    ----------
    step : LloydStep
        A step that `streamkm.iterate` has yielded.
    X : as in `streamkm.iterate`
        The same data. Steps of one fit are drawn on the same axes.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.
    rows : int
        Number of rows to draw; equal rows are drawn once.
    seed : int
        Seed of the sample.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    DataError
        If `step` is not from `streamkm.iterate`, or the features are not those of the fit.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> for step in streamkm.iterate(x, 3, random_state=0, max_iter=2):
    ...     ax = streamkm.plot.step(step, x)
    >>> ax.get_title().split(":")[0]
    'step 2, the last'
    """
    if not isinstance(step, LloydStep):
        raise DataError(
            "step must be one that streamkm.iterate yields; streamkm.plot.clusters draws models."
        )
    drawn = Drawn.from_model(step._model)
    question = DrawUniform(whole_number("rows", rows, 1), seed, 0)
    sample, own = drawn.sample(question, drawn.open(X)), drawn.fitted._centroids
    k, before = len(own), own
    if step.previous is not None:
        before = among(step.previous, drawn.fitted._scaling)
    ax, marks = draw_clusters(drawn, sample, np.concatenate([own, before]), ax)
    for to, start, moved in zip(marks[:k], marks[k:], step.moves > 0, strict=True):
        if moved:
            ax.annotate("", tuple(to), tuple(start), arrowprops=_ARROW, zorder=5)
    ax.update_datalim(marks)
    ax.autoscale_view()
    last = "" if step.stop_reason is None else ", the last"
    ax.set_title(f"step {step.iteration}{last}: inertia {step.inertia:.6g}")
    return ax
