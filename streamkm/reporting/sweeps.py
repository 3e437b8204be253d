"""The report of a sweep: its fits, the elbow, and the scores of every k."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import streamkm
from streamkm.models.facts import set_parameters, versions_text
from streamkm.reporting.commands import command_line
from streamkm.reporting.html import Html, join, table, tag
from streamkm.reporting.html import facts as listed
from streamkm.reporting.page import Section, command, pictures
from streamkm.reporting.pictures import picture
from streamkm.sizes import show_bytes

_COLUMNS = {
    "train_mean": "mean",
    "train_min": "least",
    "train_spread": "spread",
    "validation_mean": "validation",
    "silhouette": "silhouette",
    "calinski_harabasz": "Calinski-Harabasz",
    "davies_bouldin": "Davies-Bouldin",
}


def sections(sweep: Any, path: str) -> Iterator[Section]:
    """Yield the sections of the report of a sweep.

    Parameters
    ----------
    sweep : xarray.Dataset
    path : of the sweep, for the command that repeats it
    """
    yield Section("run", "The run", _run(sweep, path))
    yield Section("k", "The number of clusters", _numbers(sweep))


def _run(sweep: Any, path: str) -> Html:
    ks = sweep["n_clusters"].values.tolist()
    parameters = json.loads(sweep.attrs["parameters"])
    fits, reads = sweep["iterations"].size, sweep.attrs["n_passes"]
    found = {
        "k": range_of(ks),
        "fits": f"{fits:,}, {sweep.sizes['restart']:,} for each k",
        "reads": f"{reads} ({show_bytes(sweep.attrs['bytes_read'])})",
        "longest fit": f"{int(sweep['iterations'].max()):,} iterations",
        **facts_of(sweep),
    }
    if "versions" in sweep.attrs:
        found["versions"] = versions_text(json.loads(sweep.attrs["versions"]))
    data = parameters.pop("data", None)
    again = f"streamkm.sweep(X, {ks}, {_keywords(parameters)})"
    if data is not None:
        again = command_line("sweep", data, path, {"n_clusters": range_of(ks), **parameters})
    return join([listed(found), tag("p", "The run is repeated by:"), command(again)])


def facts_of(sweep: Any) -> dict[str, str]:
    """The data and the parameters of a sweep."""
    parameters = json.loads(sweep.attrs["parameters"])
    data = parameters.pop("data", None)
    known = {} if data is None else {"data": str(data)}
    return known | {"parameters": set_parameters(parameters)}


def range_of(ks: list[int]) -> str:
    """Return values of k as they are given to ``streamkm sweep``.

    Examples
    --------
    >>> range_of([1, 2, 3]), range_of([2, 4, 6]), range_of([2, 4, 8]), range_of([5])
    ('1:3', '2:6:2', '2,4,8', '5')
    """
    steps = set(np.diff(ks).tolist())
    if len(ks) < 3 or len(steps) > 1:
        return ",".join(map(str, ks))
    step = steps.pop()
    return f"{ks[0]}:{ks[-1]}" + (f":{step}" if step > 1 else "")


def _keywords(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{n}={v!r}" for n, v in parameters.items() if v not in (None, [], "auto"))


def _number(value: float) -> str:
    return f"{value:.5g}" if np.isfinite(value) else "n/a"


def _numbers(sweep: Any) -> Html:
    shown = {name: title for name, title in _COLUMNS.items() if name in sweep}
    scores = [n for n in list(_COLUMNS)[4:] if n in sweep and np.isfinite(sweep[n].values).any()]
    draw = partial(streamkm.plot.elbow, sweep, scores=scores)
    values = [sweep[name].values.tolist() for name in shown]
    rows = [
        [str(k), *(_number(column[place]) for column in values), str(steps)]
        for place, (k, steps) in enumerate(
            zip(
                sweep["n_clusters"].values.tolist(),
                sweep["iterations"].values.max(axis=1).tolist(),
                strict=True,
            )
        )
    ]
    return join(
        [
            *(tag("p", line) for line in sweep.attrs["verdict"].split("; ")),
            pictures(picture(draw, "The distortions and the scores of every k")),
            table("Distortions and scores by k", ["k", *shown.values(), "iterations"], rows),
        ]
    )
