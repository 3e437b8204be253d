"""Images before and after compression, and the quality of archives, are as measured."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import streamkm
from streamkm.errors import DataError
from streamkm.images import compress


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 255, (16, 20, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(pixels, tmp_path_factory):
    """Archives of one image, the last of them without loss."""
    place = tmp_path_factory.mktemp("archives")
    Image.fromarray(pixels).save(place / "a.png")
    for k in (4, 16, 512):
        compress(place / "a.png", place / f"{k}.zarr", k)
    return place


def test_both_images_are_drawn_with_the_error_between_them(folder, pixels):
    ax = streamkm.plot.before_after(folder / "4.zarr", "a.png", pixels)
    drawn = np.asarray(ax.images[0].get_array())[..., :3]
    after = np.asarray(streamkm.images.Archive(folder / "4.zarr").pixels("a.png"))
    assert np.allclose(drawn[:16, :20], pixels / 255)
    assert np.allclose(drawn[:16, -20:], after / 255)
    quality = 10 * np.log10(255**2 / np.square(pixels.astype(float) - after).mean())
    assert ax.get_title() == f"a.png: PSNR {quality:.1f} dB"


def test_pixels_of_another_image_are_refused(folder, pixels):
    with pytest.raises(DataError, match=r"original has shape \(15, 20, 3\) and dtype uint8"):
        streamkm.plot.before_after(folder / "4.zarr", "a.png", pixels[1:])
    with pytest.raises(DataError, match="has no image 'b.png'; did you mean 'a.png'"):
        streamkm.plot.before_after(folder / "4.zarr", "b.png", pixels)


def test_archives_are_points_by_size_and_those_without_loss_are_lines(folder):
    archives = [folder / f"{k}.zarr" for k in (16, 512, 4)]
    ax = streamkm.plot.rate_distortion(archives)
    totals = [streamkm.images.archive.summary.summary(streamkm.images.Archive(p)) for p in archives]
    want = [(totals[n].bits_per_pixel, totals[n].psnr) for n in (2, 0)]
    assert ax.lines[0].get_xydata().tolist() == [list(pair) for pair in want]
    assert [text.get_text() for text in ax.texts] == ["4", "16"]
    (lossless,) = ax.lines[1:]
    assert lossless.get_xdata()[0] == totals[1].bits_per_pixel
    assert ax.get_legend().get_texts()[0].get_text() == "512: without loss"
    named = streamkm.plot.rate_distortion({"few": folder / "4.zarr"})
    assert [text.get_text() for text in named.texts] == ["few"]
    with pytest.raises(DataError, match="at least one archive"):
        streamkm.plot.rate_distortion([])
