"""Estimators together with scikit-learn, pandas, polars and dask-ml."""

from __future__ import annotations

import dask
import dask.array as da
import dask_ml.preprocessing
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from streamkm import (
    BisectingKMeans,
    HierarchicalKMeans,
    KMeans,
    MiniBatchKMeans,
    SphericalKMeans,
    StreamingKMeans,
)

COLUMNS = list("abcdef")


def expected_failures(estimator):
    """Scikit-learn's MiniBatchKMeans fails this check, too: repeated rows change the batches."""
    name = "check_sample_weight_equivalence_on_dense_data"
    return {name: "draws"} if isinstance(estimator, MiniBatchKMeans) else {}


@parametrize_with_checks(
    [
        SphericalKMeans(),
        BisectingKMeans(2),
        MiniBatchKMeans(),
        StreamingKMeans(),
        HierarchicalKMeans([3, 2], init="random"),
    ],
    expected_failed_checks=expected_failures,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::streamkm.errors.FewDistinctRowsWarning")
@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_a_grid_search_over_the_number_of_clusters(blobs):
    search = GridSearchCV(KMeans(random_state=0), {"n_clusters": [1, 2, 4]}, cv=3).fit(blobs)
    assert search.best_params_ == {
        "n_clusters": 4
    }  # the score is minus the loss, so higher is better
    assert np.array_equal(search.predict(blobs), search.best_estimator_.predict(blobs))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_in_and_named_outputs(blobs, frame):
    table = frame(dict(zip(COLUMNS, blobs.T, strict=True)))
    model = KMeans(3, random_state=0).fit(table)
    assert model.feature_names_in_.tolist() == COLUMNS
    assert model.get_feature_names_out().tolist() == ["kmeans0", "kmeans1", "kmeans2"]
    as_frames = {pd.DataFrame: "pandas", pl.DataFrame: "polars"}[frame]
    out = model.set_output(transform=as_frames).transform(table)
    assert isinstance(out, frame)
    assert list(out.columns) == ["kmeans0", "kmeans1", "kmeans2"]
    assert np.array_equal(model.predict(table), model.labels_)
    assert np.array_equal(model.predict(table[COLUMNS[::-1]]), model.labels_)


@pytest.mark.parametrize("kind", [KMeans, SphericalKMeans, BisectingKMeans])
def test_weights_and_masks_are_routed(blobs, kind):
    weights = np.random.default_rng(0).random(len(blobs))
    mask = blobs[:, 0] > 0
    with sklearn.config_context(enable_metadata_routing=True):
        inner = kind(3, random_state=0).set_fit_request(sample_weight=True, mask=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), inner)
        pipeline.fit(blobs, sample_weight=weights, mask=mask)
    scaled = StandardScaler().fit_transform(blobs)
    alone = kind(3, random_state=0).fit(scaled, sample_weight=weights, mask=mask)
    assert np.array_equal(pipeline[-1].labels_, alone.labels_)
    assert ((alone.labels_ == -1) == ~mask).all()


def test_a_dask_array_goes_through_a_pipeline_a_chunk_at_a_time(blobs):
    """The scaler of dask-ml stays lazy, unlike that of scikit-learn, and so does `KMeans`."""
    in_memory, most = set(), []

    def block(block_info=None):
        start, stop = block_info[None]["array-location"][0]
        in_memory.add(start)
        most.append(len(in_memory))
        out = blobs[start:stop].copy()
        in_memory.discard(start)
        return out

    x = da.map_blocks(block, chunks=((100,) * 50, 6), dtype=blobs.dtype)
    pipeline = make_pipeline(
        dask_ml.preprocessing.StandardScaler(), KMeans(4, random_state=0, init="k-means||")
    )
    with dask.config.set(scheduler="threads", num_workers=2):
        labels = pipeline.fit(x).predict(x)
        assert isinstance(labels, da.Array)
        assert labels.chunks == ((100,) * 50,)
        found = labels.compute()
    assert max(most) <= 2
    want = KMeans(4, random_state=0, scale="standard", init="k-means||").fit(x).labels_.compute()
    assert adjusted_rand_score(want, found) > 0.99


@pytest.mark.parametrize("kind", [KMeans, SphericalKMeans, BisectingKMeans])
def test_the_notebook_shows_it_and_copies_are_independent(kind, blobs):
    model = kind(3, random_state=0)
    assert kind.__name__ in model._repr_html_()
    copy = sklearn.clone(model.fit(blobs))
    assert not hasattr(copy, "cluster_centers_")
    assert copy.get_params() == model.get_params()
