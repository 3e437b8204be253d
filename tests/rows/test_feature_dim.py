"""Data that are not of two dimensions: the message says which dimension may be the features."""

from __future__ import annotations

import re

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main
from streamkm.errors import DataError

IMAGE = np.random.default_rng(0).integers(0, 9, (12, 10, 3)).astype(np.uint8)


def of_kinds(image, folder):
    path = folder / "image.zarr"
    zarr.create_array(path, data=image, overwrite=True)
    return [image, da.from_array(image), path]


@pytest.mark.parametrize(
    ("image", "hint"),
    [
        (IMAGE, ("-1", "2", 3)),
        (IMAGE[..., [0, 1, 2, 0]], ("-1", "2", 4)),
        (IMAGE[None], ("-1", "3", 3)),
        (IMAGE.transpose(2, 0, 1), ("0", "0", 3)),
    ],
    ids=["colours", "opacity", "several", "bands first"],
)
def test_the_feature_dimension_of_an_image_is_named_and_works(image, hint, tmp_path):
    python, command, n_channels = hint
    clusters = f"clusters its pixels by their {n_channels} colour channels"
    for data in of_kinds(image, tmp_path):
        with pytest.raises(DataError, match=re.escape(f"shape {image.shape}")) as raised:
            streamkm.KMeans(2).fit(data)
        assert f"feature_dim={python} {clusters}" in str(raised.value)
        km = streamkm.KMeans(2, feature_dim=int(python), random_state=0).fit(data)
        assert km.n_features_in_ in (3, 4)
    fit = ["fit", str(tmp_path / "image.zarr"), "-k", "2", "-o", str(tmp_path / "m.zarr")]
    refused = CliRunner().invoke(main, fit)
    assert refused.exit_code == 1
    assert f"--feature-dim {command} {clusters}" in " ".join(refused.output.split())
    assert CliRunner().invoke(main, [*fit, "--feature-dim", command]).exit_code == 0


def test_a_named_dimension_is_suggested_by_its_name():
    scene = xr.DataArray(IMAGE, dims=("y", "x", "colour"))
    with pytest.raises(DataError, match=r"\['y', 'x', 'colour'\].* feature_dim='colour' "):
        streamkm.KMeans(2).fit(scene)


def test_no_image_is_seen_in_other_arrays():
    with pytest.raises(DataError, match=r"dim 3 and shape \(12, 10, 6\)") as raised:
        streamkm.KMeans(2).fit(np.concatenate([IMAGE, IMAGE], axis=2))
    assert "image" not in str(raised.value)


def test_one_dimension_is_to_be_reshaped(tmp_path):
    for data in of_kinds(np.arange(20.0), tmp_path):
        with pytest.raises(ValueError, match=r"array\.reshape\(-1, 1\)") as raised:
            streamkm.KMeans(2).fit(data)
        assert "feature_dim" not in str(raised.value)
