"""Warnings name the line of the program that called streamkm."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import streamkm
import streamkm.warn
import streamkm.xarray
from streamkm import KMeans, MiniBatchKMeans
from streamkm.errors import (
    CheckpointWarning,
    FewDistinctRowsWarning,
    LeftOutWarning,
    OutputWarning,
    PackedDataWarning,
    ValidationWarning,
)

X = np.random.default_rng(0).normal(size=(300, 3))
SHORT = KMeans(4, init="random", max_iter=1, tol=0, random_state=0)
NAMED = KMeans(2, random_state=0).fit(pd.DataFrame(X, columns=["a", "b", "c"]))
SMALL = MiniBatchKMeans(4, init_size=2, random_state=0)
PACKED = xr.DataArray(X, dims=("n", "f"), attrs={"scale_factor": 2.0})
OF_DASK = da.from_array(X, chunks=(50, 3))


def short():
    return clone(SHORT)


def write_labels_without_attribute(folder):
    labelled = xr.DataArray(X, dims=("n", "f"), coords={"m": ("n", np.array([{}] * 300))})
    KMeans(2, random_state=0).fit(X).write_labels(labelled, folder / "labels")


def ingest_images(folder):
    source = folder / "images"
    source.mkdir()
    Image.fromarray(np.zeros((4, 4, 3), "u1")).save(source / "a.png")
    (source / "b.psd").write_bytes(b"8BPS")
    streamkm.ingest(source, folder / "o.zarr")


def resume_from_damaged(folder):
    km = KMeans(4, random_state=0, checkpoint=folder / "c").fit(X)
    (folder / "c" / "zarr.json").write_text("damaged")
    km.fit(X)


CALLS = {
    "fit": (ConvergenceWarning, lambda _: short().fit(X)),
    "fit of a Dask array": (ConvergenceWarning, lambda _: short().fit(OF_DASK)),
    "fit of few rows": (
        FewDistinctRowsWarning,
        lambda _: KMeans(5).fit(np.repeat(np.eye(3), 3, 0)),
    ),
    "fit of restarts": (RuntimeWarning, lambda _: KMeans(3, init=X[:3], n_init=2).fit(X)),
    "fit_predict": (ConvergenceWarning, lambda _: short().fit_predict(X)),
    "fit_transform": (ConvergenceWarning, lambda _: short().fit_transform(X)),
    "fit in a pipeline": (ConvergenceWarning, lambda _: make_pipeline(short()).fit(X)),
    "cross-validation": (ConvergenceWarning, lambda _: cross_val_score(short(), X, cv=2)),
    "accessor": (PackedDataWarning, lambda _: PACKED.streamkm.fit(2, feature_dim="f")),
    "predict": (UserWarning, lambda _: NAMED.predict(X)),
    "transform": (UserWarning, lambda _: NAMED.transform(X)),
    "score": (UserWarning, lambda _: NAMED.score(X)),
    "representatives": (UserWarning, lambda _: NAMED.representatives(X)),
    "refit": (ConvergenceWarning, lambda _: short().set_params(max_iter=2).fit(X).refit(X)),
    "MiniBatchKMeans.fit": (RuntimeWarning, lambda _: clone(SMALL).fit(X)),
    "partial_fit": (RuntimeWarning, lambda _: clone(SMALL).partial_fit(X)),
    "sweep": (ValidationWarning, lambda _: streamkm.sweep(X, [2], validation=X * np.nan)),
    "write_labels": (UserWarning, lambda folder: NAMED.write_labels(X, folder / "labels")),
    "write_labels of coordinates": (OutputWarning, write_labels_without_attribute),
    "ingest": (LeftOutWarning, ingest_images),
    "resume": (CheckpointWarning, resume_from_damaged),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_warning_names_the_line_that_called_streamkm(name, tmp_path):
    category, call = CALLS[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(tmp_path)
    assert category in {warning.category for warning in caught}
    lines = {line for *_, line in call.__code__.co_lines()}
    for warning in caught:
        assert warning.filename == __file__
        assert warning.lineno in lines


def test_a_warning_without_a_line_of_the_program_names_its_caller():
    with ThreadPoolExecutor(1) as pool, pytest.warns(UserWarning, match="of a thread") as caught:
        pool.submit(streamkm.warn.warn, "of a thread", UserWarning).result()
    assert caught[0].filename.endswith("thread.py")
