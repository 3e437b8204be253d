"""Label images in OME-Zarr files, validated by models of the specification."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05 import Image, ImageLabel, Labels

from streamkm import KMeans
from streamkm.errors import DataError, OutputExistsError
from tests import reference

RNG = np.random.default_rng(0)
CELLS = RNG.integers(1, 4000, (3, 2, 60, 70)).astype(np.uint16)  # c, z, y, x


@pytest.fixture
def image(tmp_path):
    axes = [
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space", "unit": "micrometer"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    scale = [{"type": "scale", "scale": [1.0, 2.0, 0.3, 0.3]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    group = zarr.create_group(tmp_path / "cells.ome.zarr", attributes={"ome": ome})
    group.create_array("0", data=CELLS, chunks=(3, 1, 20, 70), dimension_names=("c", "z", "y", "x"))
    return tmp_path / "cells.ome.zarr"


@pytest.fixture
def model():
    rows = np.moveaxis(CELLS, 0, -1).reshape(-1, 3)
    return KMeans.from_centroids(rows[:5])


def test_the_label_image_is_what_the_specification_says(image, model):
    mask = RNG.random((2, 60, 70)) < 0.9
    written = model.write_ome_labels(image, "cell types", mask=mask)
    rows = np.moveaxis(CELLS, 0, -1).reshape(-1, 3)
    want = reference.labels(rows, rows[:5]).reshape(2, 60, 70) + 1
    assert np.array_equal(written[:], np.where(mask, want, 0))
    group = zarr.open_group(image, mode="r")
    assert Labels.from_zarr(group["labels"]).ome_attributes.labels == ["cell types"]
    label = ImageLabel.from_zarr(group["labels/cell types"])
    assert [axis.name for axis in label.ome_attributes.multiscales[0].axes] == ["z", "y", "x"]
    (step,) = label.ome_attributes.multiscales[0].datasets[0].coordinateTransformations
    assert list(step.scale) == [2.0, 0.3, 0.3]
    assert Image.from_zarr(group) is not None
    model.write_ome_labels(image, "more")
    assert zarr.open_group(image / "labels").attrs["ome"]["labels"] == ["cell types", "more"]


def test_a_second_of_a_name_has_to_be_asked_for(image, model):
    model.write_ome_labels(image)
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        model.write_ome_labels(image)
    model.write_ome_labels(image, overwrite=True)
    assert zarr.open_group(image / "labels").attrs["ome"]["labels"] == ["clusters"]


def test_a_label_image_that_a_kill_left_renamed_is_restored(image, model):
    before = model.write_ome_labels(image)[:]
    labels = image / "labels"
    (labels / "clusters").rename(labels / ".clusters.replaced-once-12345678")
    (labels / ".clusters.partial-once-12345678").mkdir()
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        model.write_ome_labels(image)
    assert np.array_equal(zarr.open_array(labels / "clusters" / "0")[:], before)
    assert sorted(path.name for path in labels.iterdir()) == ["clusters", "zarr.json"]


def test_a_label_image_is_checked_as_other_outputs_are(image, model, monkeypatch):
    model.write_ome_labels(image)
    own = zarr.open_array(image / "labels" / "clusters" / "0")
    before = own[:]
    with pytest.raises(OutputExistsError, match="lies inside"):
        model.write_ome_labels(image, mask=own, overwrite=True)
    assert np.array_equal(own[:], before)
    zarr.create_array(image / "labels" / "mine", data=np.ones(3), overwrite=True)
    with pytest.raises(OutputExistsError, match="not written by streamkm"):
        model.write_ome_labels(image, "mine", overwrite=True)
    monkeypatch.setattr(zarr.Array, "get_basic_selection", None)  # nothing is read
    with pytest.raises(DataError, match="cannot be written: File name too long"):
        model.write_ome_labels(image, "n" * 250)


def test_other_things_are_refused(tmp_path, image, model):
    for path in (tmp_path / "nothing", image / "0", image / "labels"):
        with pytest.raises(DataError, match="is not an OME-Zarr image"):
            model.write_ome_labels(path)
    with pytest.raises(DataError, match="X has 3 features, but KMeans is expecting 2"):
        KMeans.from_centroids([[1.0, 2]]).write_ome_labels(image)
