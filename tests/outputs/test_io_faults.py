"""Faults at the I/O calls of a run: it ends with the same bits, or with one error.

`scripts/fuzz faults` tries those of all commands (docs/reliability.md).
"""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main
from streamkm.errors import DataError, ReadError
from streamkm.rows import fingerprint, open_rows
from tests.fuzzing.faults import cases
from tests.fuzzing.layer import Call, Layer

CENTRES = np.arange(6.0).reshape(2, 3)


def calls_of(folder, patch, work):
    """The I/O calls of a function."""
    layer = Layer(folder)
    with patch.context() as here:
        layer.put(here.setattr)
        work()
    return [Call(*kind, n) for kind, count in layer.counts.items() for n in range(1, count + 1)]


# Zarr leaves coroutines behind when one of several that run at once fails.
@pytest.mark.filterwarnings("ignore:.*coroutine:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
@pytest.mark.parametrize("fault", ["fails once", "disk full", "wrong byte"])
def test_a_model_is_whole_or_absent_after_a_fault_at_any_kind_of_call(fault, tmp_path, monkeypatch):
    folder, model = tmp_path / "f", streamkm.KMeans.from_centroids(CENTRES)
    folder.mkdir()
    calls = calls_of(folder, monkeypatch, lambda: model.save(folder / "m"))
    tried = cases(calls, fault, 1, 0)
    assert len(tried) >= 5
    for call in tried:
        shutil.rmtree(folder)
        folder.mkdir()
        failed = False
        with monkeypatch.context() as here:
            Layer(folder, fault, call).put(here.setattr)
            try:
                model.save(folder / "m")
            except (OSError, DataError):
                failed = True
        there = (folder / "m").exists()
        assert failed or there, call
        if there and fault == "wrong byte":
            try:
                found = streamkm.load(folder / "m")
            except DataError:
                continue  # what was stored is reported to be damaged
        else:
            model.save(folder / "m", overwrite=there)
            found = streamkm.load(folder / "m")
        assert np.array_equal(found.cluster_centers_, CENTRES), call


def test_chunks_in_a_folder_that_cannot_be_listed_do_not_seem_absent(tmp_path, monkeypatch):
    zarr.create_array(tmp_path / "x", data=CENTRES, chunks=(1, 3))
    rows = open_rows(tmp_path / "x")
    with monkeypatch.context() as here:
        Layer(tmp_path, "fails once", Call("list", "x/c/#", 2)).put(here.setattr)
        with pytest.raises(ReadError, match=r"x/c/. cannot be listed: Input/output error"):
            fingerprint(rows)


def test_labels_that_are_damaged_before_they_are_copied_to_a_file_are_an_error(
    tmp_path, monkeypatch
):
    zarr.create_array(tmp_path / "x", data=CENTRES)
    streamkm.KMeans.from_centroids(CENTRES).save(tmp_path / "m")
    words = ["predict", *(str(tmp_path / name) for name in "mx"), "-o", str(tmp_path / "l.npy")]
    with monkeypatch.context() as here:
        at = Call("write", ".l.npy.partial#/c/#.#.partial")
        Layer(tmp_path, "wrong byte", at).put(here.setattr)
        found = CliRunner().invoke(main, words)
    assert found.exit_code == 1
    assert "is damaged" in found.output
    assert not (tmp_path / "l.npy").exists()


def test_a_partition_that_resumes_writes_the_offsets_that_failed(tmp_path, monkeypatch):
    zarr.create_array(tmp_path / "x", data=CENTRES)
    streamkm.KMeans.from_centroids(CENTRES).save(tmp_path / "m")
    words = ["partition", *(str(tmp_path / name) for name in "mx"), "-o", str(tmp_path / "p")]
    at = Call("rename", ".p.partial#/offsets/c/#")
    with monkeypatch.context() as here:
        Layer(tmp_path, "fails once", at).put(here.setattr)
        assert "Input/output error" in CliRunner().invoke(main, words).output
    assert CliRunner().invoke(main, words).exit_code == 0
    assert streamkm.open_partition(tmp_path / "p").offsets.tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["c.safetensors", "c.onnx", "c.faiss"])
def test_exports_to_a_full_disk_are_one_error(name, tmp_path, monkeypatch):
    pytest.importorskip({"c.faiss": "faiss", "c.safetensors": "safetensors"}.get(name, "numpy"))
    streamkm.KMeans.from_centroids(CENTRES).save(tmp_path / "m")
    at = Call("write", f".c.#.partial{name[1:]}")
    with monkeypatch.context() as here:
        layer = Layer(tmp_path, "disk full", at)
        layer.put(here.setattr)
        found = CliRunner().invoke(
            main, ["export", str(tmp_path / "m"), "-o", str(tmp_path / name)]
        )
    assert found.exit_code == 1
    assert "No space left on device" in found.output
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert layer.counts[at.what, at.path] == 1


def test_a_mask_that_is_damaged_between_two_stages_is_one_error(tmp_path, monkeypatch):
    zarr.create_array(tmp_path / "x", data=CENTRES)
    streamkm.KMeans.from_centroids(CENTRES).save(tmp_path / "m")
    m, x, p, k = (str(tmp_path / name) for name in "mxpk")
    assert CliRunner().invoke(main, ["partition", m, x, "-o", p]).exit_code == 0
    with monkeypatch.context() as here:
        at = Call("write", ".k.partial#/zarr.#.partial", 2)
        Layer(tmp_path, "wrong byte", at).put(here.setattr)
        found = CliRunner().invoke(main, ["dedup", p, "-o", k])
    assert found.exit_code == 1
    assert "is damaged (JSONDecodeError" in found.output
