"""The loss of every iteration of a fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from streamkm.arrays import AnyArray, Float64Array
from streamkm.errors import DataError
from streamkm.plot.models import Drawn
from streamkm.plot.style import FIRST, GREY, SECOND, new_axes

_MARKED = 60  # maximum number of iterations with a marker each
_WRITTEN = 1  # maximum number of iterations whose losses are written as numbers
_FLAT = 1e-3  # smallest height of the axis as a share of the loss


def loss(model: Any, ax: Axes | None = None) -> Axes:
    """Draw the loss of every iteration of a fit.

    Iterations that moved empty clusters are marked. If some iterations took no read of the data,
    vertical lines mark those that did.

    Parameters
    ----------
    model : KMeans, Model, str or path-like
        A fitted estimator, a loaded model, or the path of a model.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    DataError
        If the model has no history of a fit.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x = np.random.default_rng(0).normal(size=(500, 2))
    >>> ax = streamkm.plot.loss(streamkm.KMeans(4, init="random", random_state=0).fit(x))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('iteration', 'inertia (sum of squared distances)')
    """
    fitted = Drawn.from_model(model).fitted
    history = getattr(fitted, "history_", None)
    if history is None or not len(history) or not hasattr(fitted, "stop_reason_"):
        raise DataError(
            f"this {type(fitted).__name__} has no history of iterations; KMeans and "
            "SphericalKMeans have one after fit."
        )
    ax = ax or new_axes()
    losses = np.append(history["inertia"], fitted.inertia_)
    marker = "o" if len(history) <= _MARKED else ""
    ax.plot(np.arange(len(losses)), losses, color=FIRST, marker=marker, markersize=4)
    ax.plot(len(history), losses[-1], "o", color=FIRST, markersize=6)
    _mark(ax, history, losses)
    if len(history) <= _WRITTEN:
        _write(ax, losses)
    height = np.ptp(losses)
    if height < _FLAT * losses.max():
        room = _FLAT * losses.max() or 1.0
        ax.set_ylim(losses.min() - room, losses.max() + room)
    ax.set_xlabel("iteration")
    ax.set_ylabel("inertia (sum of squared distances)")
    count = f"{len(history)} iteration{'s' if len(history) > 1 else ''}"
    ax.set_title(
        f"{count}, inertia {losses[-1]:.5g}\nstopped by: {fitted.stop_reason_}", fontsize="medium"
    )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.ticklabel_format(axis="y", useOffset=False)
    return ax


def _mark(ax: Axes, history: AnyArray, losses: Float64Array) -> None:
    """Mark iterations that moved empty clusters, and reads where not every iteration is one."""
    moved, reads = np.flatnonzero(history["relocated"]), np.flatnonzero(history["read"])
    if moved.size:
        ax.plot(moved, losses[moved], "s", color=SECOND, label="empty clusters moved")
    if 0 < reads.size < len(history):
        across = ax.get_xaxis_transform()
        label = f"{reads.size} iterations with a read of the data"
        ax.vlines(reads, 0, 1, GREY, alpha=0.35, lw=0.8, zorder=0, transform=across, label=label)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, loc="upper right", fontsize="small")


def _write(ax: Axes, losses: Float64Array) -> None:
    ax.margins(0.25)
    for iteration, value in enumerate(losses):
        ax.annotate(
            f"{value:.5g}",
            (iteration, value),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
        )
