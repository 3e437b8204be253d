"""Exported models, read by the libraries that they are for."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import zarr
from sklearn.base import clone

import streamkm
from streamkm import BisectingKMeans, HierarchicalKMeans, KMeans, SphericalKMeans
from streamkm.errors import DataError, OutputExistsError
from tests.cli.test_cli import run

faiss = pytest.importorskip("faiss")
onnxruntime = pytest.importorskip("onnxruntime")
safe_open = pytest.importorskip("safetensors").safe_open

KINDS = [
    KMeans(40, random_state=0, max_iter=5, tol=1),
    KMeans(40, random_state=0, max_iter=5, tol=1, scale="standard"),
    SphericalKMeans(40, random_state=0, max_iter=5, tol=1),
]


def labels_of(path, rows):
    """The labels that ONNX Runtime computes."""
    (labels,) = onnxruntime.InferenceSession(path).run(None, {"rows": rows})
    assert labels.dtype == np.int64
    return labels


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    return (rng.normal(size=(3000, 32)) * rng.uniform(0.1, 9, 32) + 5).astype(np.float32)


@pytest.fixture(scope="module", params=KINDS, ids=lambda m: f"{type(m).__name__}-{m.scale}")
def model(request, rows):
    return clone(request.param).fit(rows)


class TestOnnx:
    def test_the_runtime_labels_rows_like_predict(self, model, rows, tmp_path):
        model.export(tmp_path / "m.onnx")
        other = rows[::-1] * np.float32(1.25)
        assert np.array_equal(labels_of(tmp_path / "m.onnx", rows), model.labels_)
        assert np.array_equal(labels_of(tmp_path / "m.onnx", other), model.predict(other))

    @pytest.mark.parametrize("n", [1, 3, 5])
    def test_ties_go_to_the_lowest_index(self, tmp_path, n):
        """Also of equal centroids, and of centroids whose mean is not a number of the lattice."""
        rng = np.random.default_rng(n)
        lattice = np.stack(np.meshgrid(*[np.arange(n)] * 2), -1).reshape(-1, 2) * 2.0
        centroids = rng.permutation(np.repeat(lattice, 2, axis=0)) + np.array([100, 0])
        model = KMeans.from_centroids(centroids)
        between = np.stack(np.meshgrid(*[np.arange(2 * n)] * 2), -1).reshape(-1, 2) + np.array(
            [100, 0]
        )
        model.export(tmp_path / "m.onnx")
        x = between.astype(np.float32)
        distances = ((x[:, None] - centroids) ** 2).sum(axis=2)  # exact, as these are integers
        most = (distances == distances.min(axis=1)[:, None]).sum(axis=1)
        found = labels_of(tmp_path / "m.onnx", x)
        few = most <= 4  # the candidates of the graph
        assert most.max() > 1
        assert np.array_equal(found[few], distances.argmin(axis=1)[few])

    def test_centroids_closer_than_float32_can_tell_are_told_apart(self, rows, tmp_path):
        moves = np.random.default_rng(2).normal(size=(100, 32)) * 1e-9
        model = KMeans.from_centroids(np.repeat(rows[:50].astype(np.float64), 2, axis=0) + moves)
        model.export(tmp_path / "m.onnx")
        assert np.array_equal(labels_of(tmp_path / "m.onnx", rows), model.predict(rows))

    def test_rows_far_from_zero_are_float64(self, tmp_path):
        x = np.random.default_rng(0).normal(size=(300, 3)) + 1e14
        model = KMeans(4, random_state=0).fit(x)
        model.export(tmp_path / "m.onnx")
        assert np.array_equal(labels_of(tmp_path / "m.onnx", x), model.labels_)

    def test_the_file_has_the_names(self, tmp_path):
        import pandas as pd

        table = pd.DataFrame({"red": [0.0, 9.0], "nir": [1.0, 2.0]})
        model = KMeans.from_centroids(table)
        model.name_clusters(table, ["water", "wood"])
        model.export(tmp_path / "m.onnx")
        facts = onnxruntime.InferenceSession(tmp_path / "m.onnx").get_modelmeta()
        found = {name: json.loads(text) for name, text in facts.custom_metadata_map.items()}
        assert found == {"features": ["red", "nir"], "units": [], "names": ["water", "wood"]}
        assert facts.producer_name == "streamkm"

    def test_a_tree_is_refused(self, rows, tmp_path):
        model = BisectingKMeans(4, random_state=0).fit(rows)
        with pytest.raises(DataError, match=r"by a tree.*\.safetensors"):
            model.export(tmp_path / "m.onnx")
        assert not list(tmp_path.iterdir())


class TestArrays:
    def test_npy_has_the_centroids(self, model, tmp_path):
        model.export(tmp_path / "c.NPY")
        stored = np.load(tmp_path / "c.NPY")
        assert stored.dtype == np.float64
        assert np.array_equal(stored, model.cluster_centers_)

    def test_safetensors_has_all_that_labels_rows(self, model, rows, tmp_path):
        model.export(tmp_path / "m.safetensors")
        model.export(tmp_path / "m.npy")
        assert (tmp_path / "m.safetensors").stat().st_mode == (tmp_path / "m.npy").stat().st_mode
        with safe_open(tmp_path / "m.safetensors", "np") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            facts = file.metadata()
        assert np.array_equal(found["centroids"], model.cluster_centers_)
        assert found["counts"].tolist() == np.bincount(model.labels_, minlength=40).tolist()
        x, centroids = rows.astype(np.float64), found.get("scaled_centroids", found["centroids"])
        if facts["scaling"] == '"Standardised"':
            x = (x - found["scaling_center"]) * found["scaling_factor"]
        if facts["scaling"] == '"UnitLength"':
            x /= np.linalg.norm(x, axis=1, keepdims=True)
        nearest = ((x[:, None] - centroids) ** 2).sum(axis=2).argmin(axis=1)
        assert np.mean(nearest == model.labels_) > 0.999
        assert json.loads(facts["inertia"]) == model.inertia_

    def test_safetensors_has_a_tree(self, rows, tmp_path):
        model = BisectingKMeans(4, random_state=0).fit(rows)
        model.export(tmp_path / "m.safetensors")
        with safe_open(tmp_path / "m.safetensors", "np") as file:
            assert np.array_equal(file.get_tensor("tree_children"), model.tree_.children)
            assert np.array_equal(file.get_tensor("tree_pairs"), model.tree_.pairs)

    def test_safetensors_has_the_levels_of_the_zarr_group(self, rows, tmp_path):
        model = HierarchicalKMeans([20, 6, 3], random_state=0, max_iter=3).fit(rows[:400])
        model.export(tmp_path / "m.safetensors")
        model.save(tmp_path / "m")
        group = zarr.open_group(tmp_path / "m", mode="r")
        names = ["parents", "levels/1/centroids", "levels/1/parents", "levels/2/centroids"]
        with safe_open(tmp_path / "m.safetensors", "np") as file:
            assert set(names) < set(file.keys())
            for name in names:
                assert np.array_equal(file.get_tensor(name), group[name][...])


class TestFaiss:
    def test_the_index_finds_the_labels(self, model, rows, tmp_path):
        if model.scale:
            with pytest.raises(DataError, match="Standardised rows.*without a scale"):
                model.to_faiss()
            return
        index = model.to_faiss()
        metric = "METRIC_L2" if type(model) is KMeans else "METRIC_INNER_PRODUCT"
        assert index.metric_type == getattr(faiss, metric)
        model.export(tmp_path / "m.faiss")
        for each in (index, faiss.read_index(str(tmp_path / "m.faiss"))):
            assert np.mean(each.search(rows, 1)[1][:, 0] == model.labels_) > 0.999


class TestOutputs:
    def test_other_suffixes_are_refused(self, tmp_path):
        model = KMeans.from_centroids([[0.0], [9.0]])
        with pytest.raises(DataError, match=r"\.npy, \.safetensors, \.onnx, \.faiss"):
            model.export(tmp_path / "m.pt")

    def test_a_file_is_replaced_on_request_only(self, tmp_path):
        model = KMeans.from_centroids([[0.0], [9.0]])
        (tmp_path / "m.npy").write_text("mine")
        with pytest.raises(OutputExistsError):
            model.export(tmp_path / "m.npy")
        model.export(tmp_path / "m.npy", overwrite=True)
        assert np.load(tmp_path / "m.npy").tolist() == [[0.0], [9.0]]

    @pytest.mark.parametrize("module", ["safetensors", "onnx", "faiss"])
    def test_a_missing_package_is_named(self, module, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, module, None)
        model = KMeans.from_centroids([[0.0], [9.0]])
        with pytest.raises(DataError, match=rf"pip install 'streamkm\[{module}\]'"):
            model.export(tmp_path / f"m.{module}")
        assert not list(tmp_path.iterdir())

    def test_the_command_writes_the_same_files(self, rows, tmp_path):
        zarr.create_array(tmp_path / "x", data=rows, chunks=(1000, 32))
        run("fit", tmp_path / "x", "-k", 5, "-o", tmp_path / "m")
        model = streamkm.load(tmp_path / "m")
        said = run("export", tmp_path / "m", "-o", tmp_path / "c.npy").stdout
        assert said.startswith("5 centroids of 32 features in ")
        assert np.array_equal(np.load(tmp_path / "c.npy"), model.cluster_centers_)
        run("export", tmp_path / "m", "-o", tmp_path / "c.onnx")
        assert np.array_equal(labels_of(tmp_path / "c.onnx", rows), model.predict(rows))
        refused = run("export", tmp_path / "m", "-o", tmp_path / "c.bin", code=1).stderr
        assert ".npy, .safetensors, .onnx, .faiss" in refused
        refused = run("export", tmp_path / "m", "-o", tmp_path / "m/c.npy", code=1).stderr
        assert "lies inside" in refused

    def test_the_command_takes_one_k_of_a_sweep(self, rows, tmp_path):
        zarr.create_array(tmp_path / "x", data=rows, chunks=(1000, 32))
        run("sweep", tmp_path / "x", "-k", "2:4", "-o", tmp_path / "s")
        refused = run("export", tmp_path / "s", "-o", tmp_path / "c.npy", code=1).stderr
        assert "-k" in refused
        run("export", tmp_path / "s", "-k", 3, "-o", tmp_path / "c.npy")
        assert np.load(tmp_path / "c.npy").shape == (3, 32)
