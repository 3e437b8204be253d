"""Codebooks: codes are nearest, training uses the engine, stages reduce the error."""

from __future__ import annotations

import math
import pickle

import dask.array as da
import numpy as np
import pytest
import zarr
from sklearn.datasets import load_sample_image

from streamkm import rows
from streamkm.engine import schedule
from streamkm.errors import CheckpointError, DataError
from streamkm.images.codebook import training
from streamkm.images.codebook.codebook import Codebook
from streamkm.images.codebook.patches import patches
from streamkm.images.codebook.training import fit_codebook
from streamkm.rows import memory
from tests import reference


@pytest.fixture(scope="module")
def flower():
    """Patches of 4 x 4 x 3 of a part of a photograph."""
    return patches(load_sample_image("flower.jpg")[100:300, 200:400], (4, 4)).reshape(-1, 48)


@pytest.fixture(scope="module")
def staged(flower):
    return fit_codebook(flower, 20, stages=3)


def stored(path, x, chunks):
    return zarr.create_array(path, data=x, chunks=(chunks, x.shape[1]))


def true_codes(codebook, x):
    left, codes = x.astype(np.int64), []
    for words in codebook.codewords.astype(np.int64):
        codes.append(reference.labels(left, words))
        left = left - words[codes[-1]]
    return np.stack(codes, axis=1), left


def mean_squared_error(codebook, x):
    return np.square(true_codes(codebook, x)[1].astype(np.float64)).mean()


def test_codes_are_of_the_nearest_codewords(flower, staged):
    codes = staged.codes(flower)
    assert codes.dtype == np.uint8
    assert codes.shape == (len(flower), 3)
    expected, left = true_codes(staged, flower)
    np.testing.assert_array_equal(codes, expected)
    np.testing.assert_array_equal(staged.residuals(flower), left)


def test_of_equal_codewords_the_first():
    words = np.array([[[9, 9], [3, 3], [3, 3], [5, 5]]], np.int16)
    codebook = Codebook(words, np.dtype(np.uint8))
    assert codebook.codes(np.array([[3, 3], [4, 4], [7, 7]], np.uint8)).tolist() == [[1], [1], [0]]


def test_decoding_adds_the_codewords_within_the_range_of_pixels():
    words = np.array([[[250, 3], [10, 10]], [[20, -9], [1, 1]]], np.int16)
    codebook = Codebook(words, np.dtype(np.uint8))
    codes = np.array([[[0, 0], [0, 1], [1, 0]]], np.uint8)
    decoded = codebook.decode(codes)
    assert decoded.dtype == np.uint8
    assert decoded.tolist() == [[[255, 0], [251, 4], [30, 1]]]


def test_each_stage_lowers_the_distortion_that_is_told(flower, staged):
    first, second, third = staged.distortions
    assert first > second > third
    assert third == pytest.approx(mean_squared_error(staged, flower), rel=1e-12)
    nearer = np.square(staged.decode(staged.codes(flower)).astype(float) - flower).mean()
    assert nearer <= third  # pixels outside of the range are clipped


def test_fewer_stages_are_the_first_ones(flower, staged):
    single = fit_codebook(flower, 20)
    np.testing.assert_array_equal(single.codewords, staged.codewords[:1])
    assert single.distortions == staged.distortions[:1]


def test_stages_end_at_a_quality(flower, staged):
    wanted = staged.psnr - 0.01
    reached = fit_codebook(flower, 20, stages=9, until_psnr=wanted)
    np.testing.assert_array_equal(reached.codewords, staged.codewords)


@pytest.mark.parametrize("k", [20, 300])  # found by search, and by division
def test_no_chunking_changes_a_bit(tmp_path, no_table, flower, k):
    expected = fit_codebook(flower, k, stages=2)
    for number, chunks in enumerate((97, 1250)):
        array = stored(tmp_path / str(number), flower, chunks)
        found = fit_codebook(array, k, stages=2)
        np.testing.assert_array_equal(found.codewords, expected.codewords)
        assert found.distortions == expected.distortions
    found = fit_codebook(da.from_array(flower, chunks=(333, -1)), k, stages=2)
    np.testing.assert_array_equal(found.codewords, expected.codewords)


def test_wide_codebooks_beat_narrow_ones(flower):
    assert fit_codebook(flower, 300).psnr > fit_codebook(flower, 20).psnr + 3


@pytest.mark.parametrize("stages", [1, 3])
def test_few_distinct_patches_are_kept_whole(tmp_path, flower, stages):
    few = flower[np.random.default_rng(0).integers(0, 30, 2000)]
    codebook = fit_codebook(stored(tmp_path / "few", few, 300), 64, stages=stages)
    assert codebook.codewords.shape == (1, len(np.unique(few, axis=0)), 48)
    assert codebook.psnr == math.inf
    np.testing.assert_array_equal(codebook.decode(codebook.codes(few)), few)


def test_a_stage_that_leaves_nothing_is_the_last():
    x = np.arange(6, dtype=np.uint8)[:, None].repeat(2, axis=1) * 10
    codebook = fit_codebook(x, 4, stages=9)
    assert codebook.codewords.shape == (2, 4, 2)
    assert codebook.distortions[-1] == 0
    np.testing.assert_array_equal(codebook.decode(codebook.codes(x)), x)


def test_bands_of_sixteen_bits(flower):
    x = flower.astype(np.uint16) * 257
    codebook = fit_codebook(x, 20, stages=2)
    assert codebook.codewords.dtype == np.int32
    np.testing.assert_array_equal(codebook.codes(x), true_codes(codebook, x)[0])
    narrow = fit_codebook(flower, 20, stages=2)
    assert codebook.psnr == pytest.approx(narrow.psnr, abs=0.2)


def test_a_codebook_is_sent_without_what_it_made_ready(flower, staged):
    staged.codes(flower[:5])
    sent = pickle.dumps(staged)
    assert len(sent) < staged.codewords.nbytes + 1000
    np.testing.assert_array_equal(pickle.loads(sent).codes(flower), staged.codes(flower))


def test_what_it_cannot_code_is_refused(flower, staged):
    with pytest.raises(DataError, match="uint8 or uint16"):
        fit_codebook(flower.astype(np.float32), 4)
    with pytest.raises(DataError, match="from 1 to 65536"):
        fit_codebook(flower, 70_000)
    with pytest.raises(DataError, match="this codebook needs"):
        staged.codes(flower[:, :5])
    with pytest.raises(DataError, match="this codebook needs"):
        staged.codes(flower.astype(np.uint16))


class Killed(Exception):
    """Interrupts a training."""


@pytest.fixture
def out_of_core(monkeypatch):
    """Settings as for many rows: little memory, several steps and several waves."""
    for owner, name, value in (
        (memory, "TABLE_NBYTES", 0),
        (memory, "KEPT_SHARE", 0),
        (memory, "SAMPLE_NBYTES", 30_000),
        (schedule, "_ENOUGH", 1),
        (rows.opened, "_SMALLEST_NBYTES", 1),
        (training, "_LEAST_SAMPLE", 100),
        (training, "_WORTH_A_READ", 0),
    ):
        monkeypatch.setattr(owner, name, value)


@pytest.mark.usefixtures("out_of_core")
@pytest.mark.parametrize("often", [0, 60], ids=["each wave", "each stage"])
@pytest.mark.parametrize("kind", ["dask", "zarr"])
def test_training_goes_on_where_it_was_broken_off(kind, often, flower, tmp_path, monkeypatch):
    monkeypatch.setattr("streamkm.checkpoint.periodic.SECONDS", often)
    array = stored(tmp_path / "x", flower[:1200], 100)
    data = da.from_zarr(array) if kind == "dask" else array
    whole = []
    wanted = fit_codebook(data, 20, stages=2, max_iter=4, watch=[whole.append])
    assert len(whole) >= 8
    for moment in (0, 1, len(whole) // 2, len(whole) - 1):
        saved, seen = tmp_path / f"{moment}", []

        def kill(state, saved=saved, moment=moment, seen=seen):
            seen.append(state)
            if len(seen) == moment + 1:
                raise Killed

        how = {"stages": 2, "max_iter": 4, "saved": saved}
        with pytest.raises(Killed):
            fit_codebook(data, 20, watch=[kill], **how)
        later = []
        found = fit_codebook(data, 20, watch=[later.append], **how)
        np.testing.assert_array_equal(found.codewords, wanted.codewords)
        assert found.distortions == wanted.distortions
        if often == 0:
            assert len(later) <= len(whole) - moment + 2
    assert len(later) < len(whole)
    again = []
    fit_codebook(data, 20, watch=[again.append], **how)
    assert len(again) <= 2


def test_training_opens_the_store_once(flower, tmp_path, monkeypatch):
    stored(tmp_path / "x", flower[:500], 100)
    opened, zarr_open = [], zarr.open

    def count(where, **options):
        opened.append(str(where))
        return zarr_open(where, **options)

    monkeypatch.setattr(zarr, "open", count)
    assert fit_codebook(tmp_path / "x", 20, stages=2).n_stages == 2
    assert sum(where.endswith(str(tmp_path / "x")) for where in opened) == 1


@pytest.mark.usefixtures("out_of_core")
def test_training_resumes_cached_rows_in_another_block_plan(flower, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "KEPT_SHARE", 1)
    monkeypatch.setattr("streamkm.checkpoint.periodic.SECONDS", 0)
    array = stored(tmp_path / "x", flower, 100)
    wanted = fit_codebook(array, 20, stages=2, max_iter=3)

    def kill(state):
        assert state.plan.n_blocks == 25
        if state.best.history:
            raise Killed

    with pytest.raises(Killed):
        fit_codebook(array, 20, stages=2, max_iter=3, saved=tmp_path / "s", watch=[kill])
    monkeypatch.setattr(rows.opened, "_SMALLEST_NBYTES", 2**20)  # another block size
    states = []
    found = fit_codebook(
        array, 20, stages=2, max_iter=3, saved=tmp_path / "s", watch=[states.append]
    )
    assert [states[0].plan.n_blocks, states[-1].plan.n_blocks] == [25, 1]
    assert {state.best.weight for state in states if not state.folded} == {len(flower)}
    np.testing.assert_array_equal(found.codewords, wanted.codewords)
    assert found.distortions == wanted.distortions


@pytest.mark.usefixtures("out_of_core")
def test_training_does_not_go_on_with_what_was_asked_differently(flower, tmp_path):
    fit_codebook(flower, 20, saved=tmp_path)
    with pytest.raises(CheckpointError, match="codewords was 20, is now 30"):
        fit_codebook(flower, 30, saved=tmp_path)


@pytest.mark.usefixtures("out_of_core")
def test_training_does_not_go_on_with_other_patches(flower, tmp_path):
    """Only the chunks of a Dask array are known before it is read."""
    first, other = (da.from_array(x, chunks=(100, -1)) for x in (flower, 255 - flower))
    fit_codebook(first, 20, saved=tmp_path)
    with pytest.raises(CheckpointError, match="distortion was"):
        fit_codebook(other, 20, saved=tmp_path)
