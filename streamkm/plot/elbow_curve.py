"""The distortions of a sweep against k, and scores of its fits in panels below."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from streamkm.errors import DataError
from streamkm.models.sweep import open_sweep
from streamkm.outputs import SWEEP
from streamkm.plot.style import FIRST, GREY, SECOND, new_axes

# Full name of each score, and whether the best is the highest.
_SCORES = {
    "silhouette": ("silhouette", True),
    "calinski_harabasz": ("Calinski-Harabasz index", True),
    "davies_bouldin": ("Davies-Bouldin index", False),
}
_ABOVE = 2.6  # height of the distortions in heights of a panel


def elbow(
    sweep: xr.Dataset | str | os.PathLike[str],
    ax: Axes | None = None,
    *,
    scores: Sequence[str] | None = None,
) -> Axes:
    """Draw the distortion against k: mean, spread and minimum of the restarts, and the elbow.

    Panels below show scores of the best restart of each k, with the best value marked. The panels
    are further axes of the figure, labelled with the names of the scores; they take their room
    from `ax`.

    Parameters
    ----------
    sweep : xarray.Dataset, str or path-like
        Result of `streamkm.sweep`, or the path of a stored sweep.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.
    scores : sequence of {'silhouette', 'calinski_harabasz', 'davies_bouldin'}, or None
        Scores to draw; with an empty sequence there are no panels. None is the silhouette, if the
        sweep has computed it.

    Returns
    -------
    matplotlib Axes
        The axes of the distortions.

    Raises
    ------
    DataError
        If the Dataset is not a sweep, or the sweep lacks a score.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> ax = streamkm.plot.elbow(streamkm.sweep(x, [1, 2, 3]))
    >>> ax.get_xlabel(), [panel.get_label() for panel in ax.figure.axes[1:]]
    ('number of clusters k', ['silhouette'])
    """
    if not isinstance(sweep, xr.Dataset):
        sweep = open_sweep(sweep)
    if sweep.attrs.get("kind") != SWEEP:
        raise DataError("this Dataset is not a sweep; give the result of streamkm.sweep.")
    shown = _shown(sweep, scores)
    ax = ax or new_axes(height=4.5 + 1.3 * max(0, len(shown) - 1))
    _distortions(ax, sweep)
    panels = _panels(ax, shown)
    for name, panel in zip(shown, panels, strict=True):
        _score(panel, sweep, name)
    for each in (ax, *panels):
        if sweep.attrs["elbow"]:
            each.axvline(sweep.attrs["elbow"], color=GREY, lw=1, ls=":", zorder=0)
    return ax


def _shown(sweep: xr.Dataset, scores: Sequence[str] | None) -> list[str]:
    """The scores to draw; those that the user names must be there."""
    given = ["silhouette"] if scores is None else [scores] if isinstance(scores, str) else scores
    for name in given:
        if name not in _SCORES:
            raise DataError(f"scores: {name!r} is not one of {', '.join(_SCORES)}.")
    lacking = [n for n in given if n not in sweep or not np.isfinite(sweep[n].values).any()]
    if lacking and scores is not None:
        raise DataError(
            f"the sweep has no values of {lacking[0]!r}: it needs a k of 2 or more, and the "
            "silhouette also needs silhouette_rows above 0."
        )
    return [name for name in given if name not in lacking]


def _distortions(ax: Axes, sweep: xr.Dataset) -> None:
    k = sweep["n_clusters"].values
    many = sweep.sizes["restart"] > 1
    for name, colour, marker in (("train", FIRST, "o"), ("validation", SECOND, "s")):
        if f"{name}_mean" not in sweep:
            continue
        mean, spread = (sweep[f"{name}_{what}"].values for what in ("mean", "spread"))
        label = f"{name} (mean)" if many else name
        ax.plot(k, mean, marker + "-", color=colour, markersize=4, label=label)
        if many:
            ax.fill_between(k, mean - spread, mean + spread, color=colour, alpha=0.2, lw=0)
            least = sweep[f"{name}_min"].values
            ax.plot(k, least, "--", color=colour, lw=1, label=f"{name} (least)")
    ax.set_xlabel("number of clusters k")
    scale = json.loads(sweep.attrs["parameters"]).get("scale")
    scaled = "" if scale is None else ",\nof scaled features"
    ax.set_ylabel(f"distortion\n(mean squared distance{scaled})")
    ax.set_title(sweep.attrs["verdict"].partition(";")[0], fontsize="medium")
    ax.margins(y=0.08)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, fontsize="small", loc="upper right")


def _panels(ax: Axes, names: Sequence[str]) -> list[Axes]:
    """Divide the place of the axes: they keep the upper part, and a panel for each name is below.

    Only the lowest axes show the label of k.
    """
    if not names:
        return []
    figure, place = ax.figure, ax.get_subplotspec()
    rows, heights = 1 + len(names), [_ABOVE, *[1] * len(names)]
    if place is None:
        box = ax.get_position()
        sides = {"left": box.x0, "right": box.x1, "bottom": box.y0, "top": box.y1}
        whole = figure.add_gridspec(1, 1, **sides)
        place = whole[0]
    parts = place.subgridspec(rows, 1, height_ratios=heights)
    ax.set_subplotspec(parts[0])
    panels = [figure.add_subplot(parts[row], sharex=ax) for row in range(1, rows)]
    for upper in (ax, *panels[:-1]):
        upper.tick_params(labelbottom=False)
        upper.xaxis.label.set_visible(False)
    panels[-1].set_xlabel("number of clusters k")
    figure.sca(ax)
    return panels


def _score(panel: Axes, sweep: xr.Dataset, name: str) -> None:
    full, high = _SCORES[name]
    k, values = sweep["n_clusters"].values, sweep[name].values
    best = int(np.nanargmax(values) if high else np.nanargmin(values))
    panel.set_label(full)
    panel.plot(k, values, "d:", color=FIRST, markersize=4)
    panel.plot(k[best], values[best], "o", mfc="none", mec=SECOND, markersize=10, clip_on=False)
    panel.set_title(
        f"{full}, {'highest' if high else 'lowest'} at k={k[best]}", fontsize="small", loc="left"
    )
    panel.margins(y=0.2)
    panel.yaxis.set_major_locator(MaxNLocator(3))
