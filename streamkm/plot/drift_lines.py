"""The clusters of a stream from report to report: their shares, their moves, births and deaths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.plot.style import (
    LINES,
    MARKERS,
    NAMED,
    colours,
    legend_beside,
    number_bar,
)
from streamkm.streaming import Drift

_BORN, _DIED = "*", "X"


@dataclass
class _Life:
    """A cluster from its first report to its last.

    Parameters
    ----------
    number : its number in the first report
    first : the first report
    shares : its share in each
    moved : the distance of its centroid from the place in the report before, from the second on
    """

    number: int
    first: int
    shares: list[float]
    moved: list[float] = field(default_factory=list)


def drift(reports: Sequence[Any], times: Any = None, axes: Any = None) -> AnyArray:
    """Draw how the clusters of a stream change: shares and moves of each, births and deaths.

    Parameters
    ----------
    reports : sequence of Drift or None
        The `drift_` of a `StreamingKMeans` after each part of its rows, or other results of
        `streamkm.drift`, in which the clusters after one report are those before the next. None,
        which the first search of a stream gives, is left out.
    times : sequence of numbers or datetimes, or None
        Time of each report, with the same length; None for its number.
    axes : two matplotlib Axes, or None
        Axes to draw in; by default those of a new figure, one below the other.

    Returns
    -------
    ndarray of two matplotlib Axes
        The axes of the shares, and those of the moves, in units of the data.

    Raises
    ------
    DataError
        If there is no report, or the clusters of two reports in sequence differ in number.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> rng, reports = np.random.default_rng(0), []
    >>> km = streamkm.StreamingKMeans(2, window=400, random_state=0)
    >>> for day in range(5):
    ...     rows = rng.normal(size=(400, 2)) + rng.integers(2, size=(400, 1)) * (9 + day)
    ...     reports.append(km.partial_fit(rows).drift_)
    >>> shares, moves = streamkm.plot.drift(reports)
    >>> shares.get_ylabel(), moves.get_ylabel(), len(moves.lines)
    ('share of the rows', 'distance moved', 2)
    """
    known = [(at, each) for at, each in enumerate(reports) if each is not None]
    if not known:
        raise DataError("there is no report; drift_ is None after the first search of a stream.")
    if not all(isinstance(each, Drift) for _, each in known):
        raise DataError("give the drift_ of a StreamingKMeans after each part of its rows.")
    if times is not None and len(times) != len(reports):
        raise DataError(f"there are {len(reports)} reports, but {len(times)} times.")
    places = np.arange(len(reports)) if times is None else np.asarray(times)
    places = places[[at for at, _ in known]]
    lives = _lives([each for _, each in known])
    if axes is None:
        axes = plt.subplots(
            2, 1, sharex=True, height_ratios=(3, 2), figsize=(7, 6), layout="constrained"
        )[1]
    shares, moves = axes
    k = max(life.number for life in lives) + 1
    for life in lives:
        _draw(life, shares, moves, places, k, len(known))
    shares.set_ylabel("share of the rows")
    moves.set_ylabel("distance moved")
    moves.set_xlabel("report" if times is None else "time")
    for ax in (shares, moves):
        ax.set_ylim(bottom=0)
        if times is None:
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(shares, lives, k, len(known))
    return np.array([shares, moves])


def _lives(reports: Sequence[Drift]) -> list[_Life]:
    """Return the clusters of all reports; those that the first one matches existed before."""
    now: list[_Life] = []
    found: list[_Life] = []
    for at, report in enumerate(reports):
        before, after = report.share_before, report.share_after
        if at and len(before) != len(now):
            raise DataError(
                f"the report before had {len(now)} clusters, but this one begins with "
                f"{len(before)}: give the reports of one stream, in their order."
            )
        then = now if at else [_Life(j, 0, []) for j in range(len(before))]
        now = []
        for j, old in enumerate(report.match.tolist()):
            life = then[old] if old >= 0 else _Life(j, at, [])
            life.shares.append(float(after[j]))
            life.moved.append(float(report.moved[j]))
            now.append(life)
        found += [life for life in now if not any(life is other for other in found)]
    return found


def _draw(life: _Life, shares: Axes, moves: Axes, places: AnyArray, k: int, n: int) -> None:
    """Draw a cluster in both panels, with marks at its birth and its death."""
    own = places[life.first : life.first + len(life.shares)]
    colour = colours(k)[life.number]
    marker = MARKERS[life.number % len(MARKERS)] if k <= NAMED else ""
    look = {"color": colour, "ls": LINES[life.number // 7 % len(LINES)], "marker": marker, "ms": 4}
    for ax, values in ((shares, life.shares), (moves, life.moved)):
        ax.plot(own, values, label=f"{life.number}", **look)
    ends = [(_BORN, 0, np.isnan(life.moved[0])), (_DIED, -1, life.first + len(own) < n)]
    for mark, at, there in ends:
        if there:
            shares.plot(own[at], life.shares[at], mark, color=colour, ms=11, mec="black", mew=0.8)


def _legend(ax: Axes, lives: Sequence[_Life], k: int, n: int) -> None:
    """Add the clusters, and the marks of births and deaths, beside the axes."""
    marks = {
        _BORN: ("appeared", any(np.isnan(life.moved[0]) for life in lives)),
        _DIED: ("last report", any(life.first + len(life.shares) < n for life in lives)),
    }
    handles: list[Any] = []
    if k <= NAMED:
        first = {int(text): line for line in reversed(ax.lines) if (text := _number(line))}
        handles = [first[number] for number in sorted(first)]
    else:
        number_bar(ax, k)
    handles += [
        Line2D([], [], color="white", marker=mark, ms=9, mec="black", ls="", label=text)
        for mark, (text, there) in marks.items()
        if there
    ]
    if k <= NAMED:
        legend_beside(ax, handles)
    elif handles:
        ax.legend(handles=handles, frameon=False, fontsize="small", loc="upper right")


def _number(line: Line2D) -> str:
    """Return the number of the cluster of a line; empty for a mark."""
    text = str(line.get_label())
    return text if text.isdecimal() else ""
