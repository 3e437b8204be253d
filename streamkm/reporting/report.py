"""`streamkm.report`: one HTML page about a result."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

import streamkm
from streamkm.checkpoint.generations import KIND as CHECKPOINT
from streamkm.errors import DataError
from streamkm.files.find import need
from streamkm.files.near import did_you_mean
from streamkm.numbers import whole_number
from streamkm.outputs import (
    ARCHIVE,
    MODEL,
    SWEEP,
    File,
    check_outputs,
    kind_of,
    local,
    place_of,
    whole_file,
)
from streamkm.reporting.page import Section, page

_MOST_ROWS = 100  # of each cluster; a page with more is hard to open
_NAMES = {MODEL: "model", SWEEP: "sweep", ARCHIVE: "image archive", CHECKPOINT: "checkpoint"}


def report(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] = "report.html",
    *,
    data: Any = None,
    n: int = 3,
    shape: Sequence[int] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write one HTML page about a model, a sweep, an image archive or a checkpoint.

    The page loads nothing from elsewhere: its pictures are SVG within it. It has the facts of the
    run, the command or the call that repeats it, and, of a model, a table of its clusters.

    Parameters
    ----------
    path : str or path-like
        The model, sweep, archive or checkpoint.
    output : str or path-like
        The page, whose suffix is .html.
    data : as in `KMeans.fit`, or None
        Rows of a model, which are read once: for the mean distance of the rows of each cluster
        from its centroid, the rows nearest to each centroid, and pictures of a sample.
    n : int
        Number of the nearest rows of each cluster, from 1 to 100.
    shape : sequence of int, or None
        Shape of a row as an image, as in `streamkm.plot.centroids`.
    overwrite : bool
        Whether a file that exists may be replaced.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    OutputExistsError
        If the file exists and may not be replaced.
    DataError
        If there is no such result at the path, `data` are given for another result than a model or
        do not have its features, or matplotlib is missing.

    Examples
    --------
    >>> import tempfile, numpy as np, streamkm
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     streamkm.KMeans(3, random_state=0).fit(x).save(f"{folder}/model.zarr")
    ...     page = streamkm.report(f"{folder}/model.zarr", f"{folder}/a.html", data=x)
    ...     "3 clusters, 2 features" in page.read_text()
    True
    """
    file = File(output, (".html",), overwrite)
    check_outputs([file], [path, data])
    written = page_of(path, data=data, n=n, shape=shape)
    target = local(output)
    with whole_file(target) as partial:
        partial.write_text(written, "utf-8")
    return target


def page_of(
    path: str | os.PathLike[str],
    *,
    data: Any = None,
    n: int = 3,
    shape: Sequence[int] | None = None,
) -> str:
    """Return the page about a result as HTML; see `report`."""
    need("matplotlib", "reports")
    there = place_of(path)
    if there is not None and there.local is not None and not there.local.exists():
        raise DataError(f"{path}: no such path.{did_you_mean(os.fspath(path))}")
    kind = kind_of(path)
    if kind not in _NAMES:
        raise DataError(
            f"{path} is {f'a {kind}' if kind else 'no result of streamkm'}; a report is of a "
            "model, a sweep, an image archive or a checkpoint."
        )
    if kind != MODEL and not (data is None and shape is None):
        raise DataError(f"{path} is a {_NAMES[kind]}; data and shape belong to reports of models.")
    found = _sections(kind, os.fspath(path), data, whole_number("n", n, 1, _MOST_ROWS), shape)
    name = PurePath(os.fspath(path)).name
    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return page(
        f"{name}",
        f"{_NAMES[kind]}, reported by streamkm {streamkm.__version__} on {when}",
        list(found),
    )


def _sections(
    kind: str, path: str, data: Any, n: int, shape: Sequence[int] | None
) -> Sequence[Section]:
    # Each imports libraries that the others do not need.
    if kind == MODEL:
        from streamkm.reporting import models

        model = streamkm.load_model(path)
        members = None if data is None else models.read_members(model, data, n)
        return list(models.sections(model, path, members, shape))
    if kind == SWEEP:
        from streamkm.reporting import sweeps

        return list(sweeps.sections(streamkm.open_sweep(path), path))
    if kind == ARCHIVE:
        from streamkm.images import Archive
        from streamkm.reporting import archives

        return list(archives.sections(Archive(path), path))
    from streamkm.reporting import checkpoints, progress

    return list(checkpoints.sections(progress.load_state(path)))
