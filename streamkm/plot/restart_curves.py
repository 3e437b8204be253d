"""The loss of every restart of a run, from its checkpoint."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from streamkm.checkpoint import Generations, load_saved
from streamkm.errors import DataError
from streamkm.fitting import FitState, Trajectory
from streamkm.plot.style import (
    LINES,
    NAMED,
    colours,
    legend_beside,
    new_axes,
    number_bar,
)


def restarts(state: FitState | str | os.PathLike[str], ax: Axes | None = None) -> Axes:
    """Draw the loss of every iteration of each restart of a fit or a sweep, also while it runs.

    Circles mark iterations that read the data; the others took blocks or rows in memory.

    Parameters
    ----------
    state : FitState, str or path-like
        A state, as `sweep` passes it to `watch`, or the path or URL of a checkpoint.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    NotACheckpointError
        If there is no checkpoint at the path.
    DataError
        If no restart has finished an iteration yet, or the checkpoint is not of a fit or a sweep.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x, states = np.random.default_rng(0).normal(size=(300, 2)), []
    >>> _ = streamkm.sweep(x, [2, 3], n_init=2, watch=states.append)
    >>> ax = streamkm.plot.restarts(states[-1])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['k=2', 'k=2, restart 1', 'k=3', 'k=3, restart 1']
    """
    trajectories = _state_of(state).trajectories
    moving = [
        (t, name) for t, name in zip(trajectories, names(trajectories), strict=True) if t.history
    ]
    if not moving:
        raise DataError("no restart has finished an iteration yet; draw the run later.")
    ax = ax or new_axes()
    shaded = zip(moving, colours(len(moving)), strict=True)
    for number, ((trajectory, name), colour) in enumerate(shaded):
        _draw(ax, trajectory, name, colour, LINES[number % len(LINES)])
    ax.set_xlabel("iteration")
    ax.set_ylabel("inertia (sum of squared distances)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.margins(y=0.08)
    if len(moving) > NAMED:
        number_bar(ax, len(moving), "number of the restart")
    elif len(moving) > 1:
        legend_beside(ax, list(ax.lines), "restart")
    return ax


def names(trajectories: tuple[Trajectory, ...]) -> list[str]:
    """Return a name of each restart: its k if there are several, and its number among those of it.

    A restart has no k until it has centroids.
    """
    sizes = [0 if t.centroids is None else len(t.centroids) for t in trajectories]
    several, found = len(set(sizes)) > 1, list[str]()
    for place, size in enumerate(sizes):
        number = sizes[:place].count(size)
        if several:
            found.append(f"k={size}, restart {number}" if number else f"k={size}")
        else:
            found.append(f"restart {number}")
    return found


def _state_of(state: Any) -> FitState:
    if isinstance(state, (str, os.PathLike)):
        saved = load_saved(Generations(os.fspath(state), "r"))
        if saved is None:
            raise DataError(f"{state} has no state yet; draw the run later.")
        state = saved.state
    if not isinstance(state, FitState):
        raise DataError(f"give a checkpoint of a fit or a sweep, not a {type(state).__name__}.")
    return state


def _draw(ax: Axes, trajectory: Trajectory, name: str, colour: Any, dashes: str) -> None:
    """Draw the losses; the last is that of the final centroids, once known."""
    losses = [step.inertia for step in trajectory.history]
    read = [bool(step.read) for step in trajectory.history]
    if trajectory.inertia is not None:
        losses, read = [*losses, trajectory.inertia], [*read, False]
    marked = np.flatnonzero(read).tolist()
    ax.plot(
        np.arange(len(losses)),
        losses,
        color=colour,
        ls=dashes,
        marker="o",
        markersize=4,
        markevery=marked,
        label=name,
    )
