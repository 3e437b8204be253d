"""Product quantizers: compared with separate fits, with NumPy and with faiss, and resumed."""

from __future__ import annotations

import pickle

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from sklearn.base import clone

import streamkm
from streamkm import BisectingKMeans, KMeans, ProductQuantizer, SphericalKMeans
from streamkm.errors import CheckpointError, DataError, NotAModelError, OutputExistsError
from streamkm.passes import Codes, Residuals
from streamkm.rows import Block
from streamkm.runs.options import CheckpointOptions, DataOptions
from streamkm.runs.quantizing import QuantizerOptions, fit_quantizer, prepare_quantizer
from streamkm.runs.running import ProgressCallbacks
from tests.conftest import mixture

X = mixture(1500, 6, 8)
QUICK = {"init": "random", "tol": 0, "loss_tol": None, "max_iter": 3, "random_state": 1}
pytestmark = pytest.mark.filterwarnings(
    "ignore:stopped after max_iter:sklearn.exceptions.ConvergenceWarning"
)


class Killed(Exception):
    """Interrupts a fit."""


@pytest.fixture
def store(tmp_path, monkeypatch, no_table):
    """A store whose reads have several waves."""
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.engine.schedule._ENOUGH", 3)
    zarr.create_array(tmp_path / "x", data=X, chunks=(50, 6))
    return str(tmp_path / "x")


@pytest.fixture(scope="module")
def coarse():
    return KMeans(5, random_state=0, tol=0.1).fit(X)


@pytest.fixture(scope="module")
def directions():
    return SphericalKMeans(5, random_state=0, tol=0.1).fit(X)


@pytest.fixture(scope="module")
def pq():
    return ProductQuantizer(2, n_codewords=9, **QUICK).fit(X)


def nearest(rows, centroids):
    """Labels by float64 differences."""
    apart = rows.astype(np.float64)[:, None] - centroids.astype(np.float64)
    return (apart**2).sum(axis=2).argmin(axis=1)


class TestFit:
    @pytest.mark.usefixtures("no_table")
    def test_every_part_is_a_fit_of_its_features(self):
        pq = ProductQuantizer(2, n_codewords=9, **QUICK).fit(X)
        for part, codebook in enumerate(pq.codebooks_):
            own = KMeans(9, algorithm="lloyd", n_init=1, **QUICK)
            own.fit(np.ascontiguousarray(X[:, 3 * part : 3 * part + 3]))
            np.testing.assert_allclose(codebook, own.cluster_centers_, rtol=1e-6)
        assert pq.n_iter_ == 3

    def test_parts_share_each_read(self, store):
        passes = {ProductQuantizer(m, n_codewords=9, **QUICK).fit(store).n_passes_ for m in (1, 3)}
        assert passes == {5}  # of the seeding, three iterations, and the loss

    def test_inertia_is_the_error_of_decoded_rows(self, store):
        pq = ProductQuantizer(2, n_codewords=9, **QUICK).fit(store)
        decoded = pq.inverse_transform(pq.transform(X))
        error = ((X.astype(np.float64) - decoded) ** 2).sum()
        assert pq.inertia_ == pytest.approx(error, rel=1e-6)

    def test_weight_two_is_a_row_twice(self, store):
        weights = np.arange(len(X)) % 3
        one = ProductQuantizer(2, n_codewords=9, **{**QUICK, "init": "farthest"})
        one.fit(X, sample_weight=weights)
        two = ProductQuantizer(2, n_codewords=9, **{**QUICK, "init": "farthest"})
        two.fit(np.repeat(X, weights, axis=0))
        assert one.inertia_ == pytest.approx(two.inertia_, rel=0.02)

    @pytest.mark.parametrize("kind", ["coarse", "directions"])
    def test_residuals_are_quantized(self, kind, store, request):
        model = request.getfixturevalue(kind)
        pq = ProductQuantizer(2, n_codewords=9, coarse=model, **QUICK).fit(store)
        rows, labels = X.astype(np.float64), model.predict(X)
        if kind == "directions":
            rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        left = rows - model.cluster_centers_[labels]
        other = ProductQuantizer(2, n_codewords=9, **QUICK).fit(left.astype(np.float32))
        np.testing.assert_allclose(pq.codebooks_, other.codebooks_, atol=1e-5)
        decoded = pq.inverse_transform(pq.transform(X), labels)
        assert pq.inertia_ == pytest.approx(((rows - decoded) ** 2).sum(), rel=1e-5)

    def test_the_default_is_no_worse_than_the_codebooks_of_faiss(self):
        faiss = pytest.importorskip("faiss")
        index = faiss.IndexPQ(6, 2, 6)
        index.train(X)
        error = ((X - index.sa_decode(index.sa_encode(X))) ** 2).sum()
        assert ProductQuantizer(2, n_codewords=64, random_state=0).fit(X).inertia_ < error


class TestBits:
    """The same data, block plan and seed give the same bits."""

    def fitted(self, store, checkpoint=None, show=None):
        options = QuantizerOptions.from_parameters({"n_subspaces": 2, "n_codewords": 9, **QUICK})
        prepared = prepare_quantizer(DataOptions(store), options)
        progress = ProgressCallbacks() if show is None else ProgressCallbacks(state=show)
        where = None if checkpoint is None else CheckpointOptions(checkpoint, 0)
        return fit_quantizer(prepared, where, progress)[1].codewords

    def test_on_every_scheduler_and_with_any_wave(self, store, monkeypatch):
        want = self.fitted(store)
        with dask.config.set(scheduler="synchronous"):
            assert np.array_equal(self.fitted(store), want)
        monkeypatch.setattr("streamkm.engine.schedule._ENOUGH", 24)
        assert np.array_equal(self.fitted(store), want)

    def test_passes_travel_by_plain_pickle(self, coarse, pq):
        question = Codes(pq.codebooks_, np.dtype(np.uint8), Residuals(coarse.cluster_centers_))
        block = Block.from_values(X)
        want, _ = question(block)  # prepares the codewords, which are not sent
        sent = pickle.loads(pickle.dumps(question))
        assert np.array_equal(sent(block)[0], want)

    def test_after_every_interruption(self, store, tmp_path):
        states = []
        want = self.fitted(store, show=states.append)
        assert len(states) > 20
        for moment in range(0, len(states), 8):
            seen = []

            def kill(state, moment=moment, seen=seen):
                seen.append(state)
                if len(seen) == moment + 1:
                    raise Killed

            checkpoint = tmp_path / f"c{moment}"
            with pytest.raises(Killed):
                self.fitted(store, checkpoint, kill)
            assert np.array_equal(self.fitted(store, checkpoint), want)

    def test_another_coarse_model_does_not_resume(self, store, tmp_path, coarse):
        options = {"n_codewords": 9, "checkpoint": tmp_path / "c", **QUICK}
        ProductQuantizer(2, coarse=coarse, **options).fit(store)
        again = ProductQuantizer(2, coarse=coarse, **options).fit(store)
        assert again.n_passes_ == 5
        moved = KMeans.from_centroids(coarse.cluster_centers_ + 1)
        with pytest.raises(CheckpointError, match="coarse"):
            ProductQuantizer(2, coarse=moved, **options).fit(store)


class TestCodes:
    def test_codes_are_the_nearest_codewords(self, pq):
        want = [nearest(X[:, 3 * p : 3 * p + 3], pq.codebooks_[p]) for p in range(2)]
        codes = pq.transform(X)
        assert codes.dtype == np.uint8
        assert np.array_equal(codes, np.stack(want, axis=1))
        want = np.concatenate([pq.codebooks_[p][codes[:, p]] for p in range(2)], axis=1)
        decoded = pq.inverse_transform(codes)
        assert decoded.dtype == np.float32
        assert np.array_equal(decoded, want)

    def test_more_than_256_codewords_take_two_bytes(self):
        pq = ProductQuantizer(2, n_codewords=300, **QUICK).fit(X)
        codes = pq.transform(X)
        assert codes.dtype == np.uint16
        assert np.array_equal(codes[:, 1], nearest(X[:, 3:], pq.codebooks_[1]))

    def test_lazy_data_have_lazy_codes(self, pq, coarse):
        lazy, want = da.from_array(X, chunks=(400, 4)), pq.transform(X)
        codes = pq.transform(lazy)
        assert codes.chunks[1] == (2,)
        assert np.array_equal(codes.compute(), want)
        decoded = pq.inverse_transform(codes.rechunk((300, 1)))
        assert np.array_equal(decoded.compute(), pq.inverse_transform(want))
        rest = ProductQuantizer(2, n_codewords=9, coarse=coarse, **QUICK).fit(X)
        decoded = rest.inverse_transform(rest.transform(lazy), coarse.predict(lazy))
        want = rest.inverse_transform(rest.transform(X), coarse.predict(X))
        assert np.array_equal(decoded.compute(), want)

    @pytest.mark.parametrize("name", ["codes.zarr", "codes.npy"])
    def test_codes_are_written(self, pq, store, tmp_path, name):
        written = pq.write_codes(store, tmp_path / name)
        assert np.array_equal(written[:], pq.transform(X))
        with pytest.raises(OutputExistsError):
            pq.write_codes(store, tmp_path / name)
        pq.write_codes(store, tmp_path / name, overwrite=True)

    def test_stopped_codes_are_resumed(self, pq, store, tmp_path, monkeypatch):
        from streamkm.runs.output_progress import OutputProgress

        real, seen = OutputProgress.advance, []

        def stop_at_the_second_wave(self, folded):
            real(self, folded)
            seen.append(folded.n_blocks)
            if len(seen) == 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(OutputProgress, "advance", stop_at_the_second_wave)
        with pytest.warns(streamkm.errors.OutputWarning), pytest.raises(KeyboardInterrupt):
            pq.write_codes(store, tmp_path / "codes")
        assert not (tmp_path / "codes").exists()
        written = pq.write_codes(store, tmp_path / "codes")
        assert seen[2] > seen[1]
        assert np.array_equal(written[:], pq.transform(X))

    def test_cubes_and_tables(self, pq):
        cube = xr.DataArray(X.reshape(30, 50, 6), dims=("y", "x", "band"))
        same = ProductQuantizer(2, n_codewords=9, feature_dim="band", **QUICK).fit(cube)
        codes = same.transform(cube)
        assert codes.dims == ("y", "x", "part")
        assert np.array_equal(codes.values.reshape(-1, 2), pq.transform(X))
        table = pd.DataFrame(X, columns=list("abcdef"))
        named = ProductQuantizer(2, n_codewords=9, **QUICK).fit(table)
        assert np.array_equal(named.transform(table[list("fedcba")]), pq.transform(X))
        assert named.get_feature_names_out().tolist() == ["productquantizer0", "productquantizer1"]


class TestStored:
    @pytest.mark.parametrize("kind", [None, "coarse", "directions"])
    def test_a_saved_quantizer_is_the_same(self, kind, tmp_path, request):
        model = None if kind is None else request.getfixturevalue(kind)
        pq = ProductQuantizer(2, n_codewords=9, coarse=model, **QUICK).fit(X)
        pq.save(tmp_path / "pq")
        again = streamkm.load(tmp_path / "pq")
        assert type(again) is ProductQuantizer
        assert np.array_equal(again.transform(X), pq.transform(X))
        assert again.inertia_ == pq.inertia_
        assert again.n_codewords == 9
        assert again.random_state == 1
        assert clone(pq).coarse is model
        assert type(again.coarse) is type(model)
        assert np.allclose(again.fit(X).codebooks_, pq.codebooks_, atol=1e-5)
        with pytest.raises(OutputExistsError):
            pq.save(tmp_path / "pq")
        pq.save(tmp_path / "pq", overwrite=True)

    def test_other_stores_are_refused(self, coarse, tmp_path):
        from streamkm.models.quantizer import load_codebooks

        coarse.save(tmp_path / "m")
        with pytest.raises(NotAModelError, match="not a product quantizer"):
            load_codebooks(tmp_path / "m")
        pq = ProductQuantizer(2, n_codewords=9, **QUICK).fit(X)
        with pytest.raises(OutputExistsError):
            pq.save(tmp_path / "m", overwrite=True)


class TestFaiss:
    def test_an_index_gives_the_same_codes(self):
        faiss = pytest.importorskip("faiss")
        pq = ProductQuantizer(2, **QUICK).fit(X)
        index = pq.to_faiss()
        assert np.array_equal(index.sa_encode(X), pq.transform(X))
        assert np.array_equal(
            index.sa_decode(pq.transform(X)), pq.inverse_transform(pq.transform(X))
        )
        assert index.metric_type == faiss.METRIC_L2

    @pytest.mark.parametrize("kind", ["coarse", "directions"])
    def test_an_inverted_file_gives_the_same_codes(self, kind, request):
        faiss = pytest.importorskip("faiss")
        model = request.getfixturevalue(kind)
        pq = ProductQuantizer(2, coarse=model, **QUICK).fit(X)
        index = pq.to_faiss()
        rows = X if kind == "coarse" else X / np.linalg.norm(X, axis=1, keepdims=True)
        index.add(rows)
        codes, labels = np.empty((len(X), 2), np.uint8), np.empty(len(X), np.int32)
        for number in range(index.nlist):
            size = index.invlists.list_size(number)
            ids = faiss.rev_swig_ptr(index.invlists.get_ids(number), size)
            stored = faiss.rev_swig_ptr(index.invlists.get_codes(number), 2 * size)
            codes[ids], labels[ids] = stored.reshape(-1, 2), number
        assert np.array_equal(labels, model.predict(X))
        assert np.mean(codes == pq.transform(X)) > 0.999  # a length may be rounded differently
        decoded = pq.inverse_transform(pq.transform(X), labels)
        index.make_direct_map()
        np.testing.assert_allclose(index.reconstruct_n(0, len(X)), decoded, atol=1e-5)

    def test_codewords_must_be_a_power_of_two(self):
        pytest.importorskip("faiss")
        with pytest.raises(DataError, match="power of two"):
            ProductQuantizer(2, n_codewords=9, **QUICK).fit(X).to_faiss()


class TestMistakes:
    @pytest.mark.parametrize(
        ("data", "parameters", "message"),
        [
            (X, {"n_subspaces": 4}, "give a divisor of 6"),
            (X, {"n_codewords": 1501}, "n_samples=1500 should be >= n_codewords=1501"),
            (np.ma.masked_less(X, -5), {}, "no value for missing rows"),
            (X, {"coarse": KMeans()}, "must be a fitted KMeans"),
            (X[:, :4], {"coarse": KMeans.from_centroids(np.eye(6))}, "the coarse model has 6"),
            (X, {"coarse": BisectingKMeans(2, random_state=0).fit(X)}, "must be a fitted"),
            (X, {"coarse": KMeans(2, scale="standard").fit(X)}, "without a scale"),
        ],
    )
    def test_of_fits_have_one_clear_error(self, data, parameters, message):
        options = {"n_subspaces": 2, "n_codewords": 9, **QUICK, **parameters}
        with pytest.raises(DataError, match=message):
            ProductQuantizer(**options).fit(data)

    @pytest.mark.parametrize(
        "parameters", [{"n_subspaces": 0}, {"n_codewords": 70_000}, {"init": np.eye(3)}]
    )
    def test_of_parameters_are_refused(self, parameters):
        with pytest.raises(ValueError, match=next(iter(parameters))):
            ProductQuantizer(**{"n_subspaces": 2, "n_codewords": 9, **parameters}).fit(X)

    def test_of_codes_have_one_clear_error(self, coarse, tmp_path):
        pq = ProductQuantizer(2, n_codewords=9, **QUICK).fit(X)
        with pytest.raises(DataError, match="codes must be 0 to 8"):
            pq.inverse_transform(np.array([[0, 9]]))
        with pytest.raises(DataError, match=r"integers of shape \(n, 2\)"):
            pq.inverse_transform(np.array([[0, 1, 2]]))
        with pytest.raises(DataError, match="with a coarse model only"):
            pq.inverse_transform(np.array([[0, 1]]), np.array([0]))
        with pytest.raises(DataError, match=r"\.npy file or a Zarr store"):
            pq.write_codes(X, tmp_path / "codes.parquet")
        with pytest.raises(DataError, match="expecting 6 features"):
            pq.transform(X[:, :4])
        with pytest.raises(ValueError, match="NaN|infinit"):
            pq.transform(np.where(X > 5, np.nan, X))
        rest = ProductQuantizer(2, n_codewords=9, coarse=coarse, **QUICK).fit(X)
        codes = rest.transform(X)
        with pytest.raises(DataError, match="labels=coarse.predict"):
            rest.inverse_transform(codes)
        for wrong in (-1, 5):
            with pytest.raises(DataError, match="labels must be 0 to 4"):
                rest.inverse_transform(codes, np.full(len(X), wrong))
        for wrong in (np.zeros(1, int), np.zeros(len(X))):
            with pytest.raises(DataError, match="labels must be 1500 integers"):
                rest.inverse_transform(codes, wrong)
        with pytest.raises(DataError, match="of one kind"):
            rest.inverse_transform(da.from_array(codes, chunks=500), np.zeros(len(X), int))
        assert np.array_equal(
            pq.inverse_transform([[0, 1]]), pq.inverse_transform(np.array([[0, 1]]))
        )
