"""Streams that forget rows, against the weights of all rows."""

from __future__ import annotations

import pickle

import dask
import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm import KMeans, StreamingKMeans
from streamkm.cli import main
from streamkm.engine import map_reduce
from streamkm.errors import DataError, ParameterError
from streamkm.rows import BlockPlan, StoredRows, open_rows
from streamkm.runs.stream import absorb
from streamkm.streaming import Forgetting, Summarise
from tests import reference
from tests.conftest import mixture
from tests.passes.contract import same

N, K, MOST = 12_000, 4, 300
X = mixture(N, 2, K, seed=3) + np.linspace(0, 30, N)[:, None]  # so a mean tells the ages
CENTROIDS = np.array([[0.0, 0], [30, 31], [15, 12], [24, 24]])
KINDS = [Forgetting(half_life=600), Forgetting(window=1200)]
each_kind = pytest.mark.parametrize("forgetting", KINDS, ids=["half-life", "window"])


def shares(forgetting, n=N):
    """The share of its weight that each row has after n rows, written in plain Python."""
    if forgetting.window is not None:
        return np.array([1.0 if n - 1 - i < forgetting.window else 0.0 for i in range(n)])
    return np.array([0.5 ** ((n - 1 - i) / forgetting.half_life) for i in range(n)])


def none(forgetting, seed=0, most=MOST):
    return Summarise(most, K, seed, forgetting=forgetting).identity()


def summarised(batches, *kind, weights=None):
    summary = none(*kind)
    for at, batch in enumerate(batches):
        weight = None if weights is None else weights[at]
        summary = absorb(summary, open_rows(batch, sample_weight=weight))
    return summary


def in_blocks(x, edges):
    return StoredRows(x, open_rows(x).layout, BlockPlan((tuple(edges),)))


def check_unbiased(found, want, most_spread):
    off = np.array(found) / want - 1
    assert abs(off.mean()) < 4 * off.std() / np.sqrt(len(off))
    assert off.std() < most_spread


@each_kind
def test_sums_are_unbiased_and_as_accurate_as_those_of_one_sample(forgetting):
    weights = np.arange(N) % 3 + 1.0
    batches, own = np.array_split(X, 20), np.array_split(weights, 20)
    many = [summarised(batches, forgetting, seed, weights=own) for seed in range(12)]
    assert all(len(s.draws) <= 2 * MOST and s.length == N for s in many)
    want = reference.inertia(X, CENTROIDS, weights * shares(forgetting))
    sums = [reference.inertia(s.values, CENTROIDS, s.estimates) for s in many]
    check_unbiased(sums, want, 2.2 / np.sqrt(MOST))
    total = (weights * shares(forgetting)).sum()
    check_unbiased([s.estimates.sum() for s in many], total, 2.2 / np.sqrt(MOST))


@each_kind
@pytest.mark.parametrize("edges", [[0, N], [0, 5000, 5100, 9000, N]])
def test_large_blocks_are_sampled_by_what_is_left_of_their_weights(forgetting, edges):
    rows, want = in_blocks(X, edges), reference.inertia(X, CENTROIDS, shares(forgetting))
    found = [map_reduce(Summarise(MOST, K, s, 0, forgetting), rows) for s in range(12)]
    sums = [reference.inertia(s.values, CENTROIDS, s.estimates) for s in found]
    check_unbiased(sums, want, 2.2 / np.sqrt(MOST))
    assert all(s.weights == pytest.approx(1) for s in found)


def test_a_window_shorter_than_the_summary_has_exactly_its_last_rows():
    model = StreamingKMeans(K, summary_size=MOST, window=500, random_state=0)
    for batch in np.array_split(X, 20):
        model.partial_fit(batch)
    rows, weights = model.summary_
    assert (weights == 1).all()
    assert np.array_equal(np.sort(rows, axis=0), np.sort(X[-500:], axis=0))
    assert model.counts_.sum() == 500
    best = KMeans(K, random_state=0).fit(X[-500:]).inertia_
    assert model.inertia_ == pytest.approx(-model.score(X[-500:]))
    assert model.inertia_ == pytest.approx(best, rel=1e-3)
    assert model.n_rows_seen_ == N


def test_a_complete_summary_with_a_half_life_is_a_weighted_fit():
    x, left = X[::12], shares(KINDS[0], 1000)
    mask = np.arange(1000) % 4 > 0
    model = StreamingKMeans(K, half_life=600, random_state=0)
    for part, own in zip(np.array_split(x, 7), np.array_split(mask, 7), strict=True):
        model.partial_fit(part, mask=own)  # rows that are left out count as followers
    assert model.counts_.sum() == pytest.approx(left[mask].sum())
    assert model.inertia_ == pytest.approx(-model.score(x, sample_weight=left, mask=mask))
    best = KMeans(K, random_state=0).fit(x, sample_weight=left, mask=mask).inertia_
    assert model.inertia_ <= 1.001 * best


@each_kind
def test_centroids_and_counts_are_close_to_those_of_a_weighted_fit_of_all_rows(forgetting):
    left = shares(forgetting)
    model = StreamingKMeans(K, summary_size=400, random_state=0, **vars(forgetting))
    for batch in np.array_split(X, 9):
        model.partial_fit(batch)
    best = KMeans(K, random_state=0).fit(X, sample_weight=left).inertia_
    assert -model.score(X, sample_weight=left) <= 1.05 * best
    counts = np.bincount(model.predict(X), left, minlength=K)
    assert model.counts_ == pytest.approx(counts, rel=0.3)


@each_kind
def test_a_stored_or_pickled_model_continues_with_the_same_bits(forgetting, tmp_path):
    model = StreamingKMeans(K, summary_size=MOST, random_state=0, **vars(forgetting))
    model.partial_fit(X[:2000]).partial_fit(X[2000:4000]).save(tmp_path / "m")
    others = [pickle.loads(pickle.dumps(model)), streamkm.load(tmp_path / "m")]
    for again in (model, *others):
        again.partial_fit(X[4000:7000])
        assert same(again._summary, model._summary)
        assert again.cluster_centers_.tobytes() == model.cluster_centers_.tobytes()
    name, value = next((n, v) for n, v in vars(forgetting).items() if v is not None)
    with pytest.raises(
        ParameterError, match=f"{name}=9000.*, but the stream began with .*={value}"
    ):
        model.set_params(**{name: 9000}).partial_fit(X)
    assert model.fit(X).counts_.sum() > 800
    with pytest.raises(DataError, match="model 0 forgets rows"):
        model.merge(StreamingKMeans(K).fit(X))


@each_kind
def test_the_same_bits_on_every_scheduler_and_with_any_size_of_waves(forgetting, cluster):
    rows = in_blocks(X, range(0, N + 1, 1000))
    question = Summarise(MOST, K, 5, 0, forgetting)
    want = map_reduce(question, rows)
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler):
            assert same(map_reduce(question, rows, wave=8), want)
    with cluster.as_current():
        assert same(map_reduce(question, rows), want)


def test_a_stream_whose_rows_are_all_forgotten_says_so():
    model = StreamingKMeans(2, window=50).partial_fit(X[:100])
    assert model.counts_.sum() == 50
    model.partial_fit(X[:60], mask=np.zeros(60, bool))
    with pytest.raises(DataError, match="are forgotten: give a longer"):
        model.counts_  # noqa: B018
    assert model.partial_fit(X[:10]).counts_.sum() == 10


def test_parameters_are_checked():
    with pytest.raises(ParameterError, match="exclude each other"):
        StreamingKMeans(2, half_life=5, window=5).partial_fit(X)
    for wrong in ({"half_life": 0}, {"window": 1}, {"window": 2.5}):
        with pytest.raises(ParameterError, match=f"^{next(iter(wrong))}="):
            StreamingKMeans(2, **wrong).partial_fit(X)


@each_kind
def test_the_command_gives_the_model_of_the_estimator(forgetting, tmp_path):
    for name, part in zip("ab", np.array_split(X, 2), strict=True):
        zarr.create_array(tmp_path / name, data=part, chunks=(1000, 2))
    words = ["stream", tmp_path / "a", tmp_path / "b", "-k", K, "--summary-size", MOST]
    for name, value in vars(forgetting).items():
        words += [] if value is None else [f"--{name.replace('_', '-')}", value]
    said = CliRunner().invoke(main, [*map(str, words), "-o", str(tmp_path / "m")])
    assert said.exit_code == 0, said.output
    want = StreamingKMeans(K, summary_size=MOST, random_state=0, **vars(forgetting))
    want.partial_fit(tmp_path / "a").partial_fit(tmp_path / "b")
    found = streamkm.load(tmp_path / "m")
    assert found.get_params()["window"] == forgetting.window
    assert np.array_equal(found.cluster_centers_, want.cluster_centers_)
    assert same(found.partial_fit(X)._summary, want.partial_fit(X)._summary)
