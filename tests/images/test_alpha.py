"""Pixels are weighted by opacity: invisible colours change neither palette nor quality."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from PIL import Image
from rasterio.enums import ColorInterp
from scipy.ndimage import uniform_filter
from sklearn.cluster import KMeans

from streamkm.cli import main
from streamkm.images import (
    Archive,
    Palette,
    compress,
    contact_sheet,
    decompress,
    find_palettes,
    quantize,
)
from streamkm.images.archive.summary import summary
from tests.images.conftest import deep_png, encoded, noise, put, write_raster
from tests.images.test_archive import photograph

SIDE = 48
Y, X = np.mgrid[:SIDE, :SIDE]
DISC = (Y - 23) ** 2 + (X - 24) ** 2 < 300


def sprite(hidden=0, n_colors=13, channels=3, dtype="u1"):
    """A disc of few colours; random ones under the fully transparent pixels around it."""
    high = np.iinfo(dtype).max
    colours = noise(n_colors, channels, dtype=dtype, seed=9)[(X // 3 + 5 * Y) % n_colors]
    around = noise(SIDE, SIDE, channels, dtype=dtype, seed=hidden)
    alpha = np.where(DISC, high, 0)[..., None]
    return np.concatenate([np.where(DISC[..., None], colours, around), alpha], -1).astype(dtype)


def faded(hidden=0):
    """A photograph whose opacity falls from one side to the other, to zero."""
    alpha = np.clip(np.linspace(-60, 300, SIDE), 0, 255).astype(np.uint8)
    alpha = np.broadcast_to(alpha, (SIDE, SIDE))
    colour = np.where(
        alpha[..., None] > 0, photograph(SIDE, SIDE), noise(SIDE, SIDE, 3, seed=hidden)
    )
    return np.dstack([colour, alpha]).astype(np.uint8)


def visible(true, decoded):
    """Mean squared error of the colours, weighted by opacity."""
    weights = true[..., -1] / np.iinfo(true.dtype).max
    squares = np.square(true[..., :-1].astype(float) - decoded[..., :-1]).mean(axis=-1)
    return (weights * squares).sum() / weights.sum()


def written(folder, name, values):
    return put(folder, name, deep_png(values) if values.dtype == np.uint16 else encoded(values))


@pytest.mark.parametrize("per", ["archive", "group", "image"])
@pytest.mark.parametrize(("channels", "dtype"), [(3, "u1"), (1, "u1"), (3, "u2"), (1, "u2")])
def test_a_palette_is_of_the_colours_that_are_seen(channels, dtype, per, tmp_path):
    true = sprite(channels=channels, dtype=dtype)
    written(tmp_path / "in", "sprite.png", true)
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 13, per=per)
    decoded = archive["sprite.png"].values
    assert visible(true, decoded) == 0
    np.testing.assert_array_equal(decoded[..., -1], true[..., -1])
    assert summary(archive).psnr == np.inf
    assert summary(archive).ssim == pytest.approx(1, abs=1e-12)
    ((_, palette),) = find_palettes(tmp_path / "in", 256).items()
    seen = np.unique(true[DISC][:, :-1], axis=0)
    np.testing.assert_array_equal(np.unique(palette.colours, axis=0), seen)


def test_the_command_shows_only_colours_that_are_seen(tmp_path):
    written(tmp_path / "in", "sprite.png", sprite(n_colors=3))
    told = CliRunner().invoke(main, ["palette", str(tmp_path / "in"), "-k", "64"])
    assert told.exit_code == 0
    lines = told.output.splitlines()
    assert len(lines) == 3


@pytest.mark.parametrize("make", [sprite, faded])
@pytest.mark.parametrize(
    "options",
    [
        {"n_colors": 6},
        {"n_colors": 6, "per": "image"},
        {"n_colors": 6, "dither": True},
        {"n_colors": 6, "space": "oklab"},
        {"n_colors": 64, "quality": 25},
        {"n_colors": 12, "patch": (4, 3), "stages": 2},
    ],
    ids=str,
)
def test_hidden_colours_change_nothing_that_is_seen(make, options, tmp_path):
    found = []
    for hidden in (1, 2):
        true = make(hidden)
        here = tmp_path / str(hidden)
        written(here / "in", "a.png", true)
        put(here / "in", "b.png", encoded(photograph(30, 40)))
        archive = compress(here / "in", here / "o.zarr", **options)
        seen = true[..., 3] > 0
        books = (
            {n: a[...] for n, a in archive.group["codebooks"].arrays()}
            if "patch" in options
            else {"rgb": archive.palette("a.png")}
        )
        quality = [(image.psnr, image.ssim) for image in summary(archive).images]
        found.append(
            (books["rgb"], archive["a.png"].values[seen], archive["b.png"].values, quality)
        )
        psnr = {image.name: image.psnr for image in summary(archive).images}["a.png"]
        assert psnr == pytest.approx(
            10 * np.log10(255**2 / visible(true, archive["a.png"].values)), rel=1e-9
        )
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_bands_under_zero_alpha_change_no_codebook(tmp_path):
    books = []
    for hidden in (1, 2):
        true = sprite(hidden, n_colors=40, channels=5)
        path = tmp_path / f"{hidden}.tif"
        somewhere = rasterio.Affine.translation(5, 5)
        write_raster(path, np.moveaxis(true, -1, 0), transform=somewhere)
        with rasterio.open(path, "r+") as scene:
            scene.colorinterp = [ColorInterp.undefined] * 5 + [ColorInterp.alpha]
        archive = compress(path, tmp_path / f"{hidden}.zarr", 40)
        assert visible(true, archive[path.name].values) == 0
        books.append(archive.group["codebooks/5bands"][...])
    np.testing.assert_array_equal(*books)


def test_partly_transparent_pixels_weigh_by_their_opacity(tmp_path):
    """Compare with k-means of scikit-learn, with the opacity as the weights of all pixels."""
    true = faded()
    pixels, weights = true[..., :3].reshape(-1, 3).astype(float), true[..., 3].ravel()
    theirs = []
    for seed in range(3):
        model = KMeans(8, n_init=1, random_state=seed).fit(pixels, sample_weight=weights)
        palette = Palette(np.rint(model.cluster_centers_).astype(np.uint8))
        theirs.append(visible(true, np.dstack([palette.decode(palette.codes(true[..., :3])), Y])))
    written(tmp_path / "in", "a.png", true)
    ours = compress(tmp_path / "in", tmp_path / "o.zarr", 8)["a.png"].values
    assert visible(true, ours) <= 1.01 * np.mean(theirs)


def test_ssim_is_of_the_image_on_white_in_windows_that_weigh_by_opacity(tmp_path):
    true = faded()
    written(tmp_path / "in", "a.png", true)
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 4)
    alpha = true[..., 3].astype(int)
    planes = []
    for image in (true, archive["a.png"].values):
        luma = image[..., :3].astype(int) @ [299, 587, 114] // 1000
        planes.append(((luma * alpha + 255 * (255 - alpha)) // 255).astype(float))
    a, b = planes
    ua, ub = uniform_filter(a, 7), uniform_filter(b, 7)
    va, vb, vab = (
        49 / 48 * (uniform_filter(p * q, 7) - up * uq)
        for p, q, up, uq in ((a, a, ua, ua), (b, b, ub, ub), (a, b, ua, ub))
    )
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similar = (2 * ua * ub + c1) * (2 * vab + c2) / ((ua**2 + ub**2 + c1) * (va + vb + c2))
    inner = slice(3, -3), slice(3, -3)
    weights = uniform_filter(alpha.astype(float), 7)[inner]
    want = (weights * similar[inner]).sum() / weights.sum()
    assert summary(archive).ssim == pytest.approx(want, rel=1e-9)


def test_the_psnr_of_an_archive_weighs_images_by_what_is_seen_of_them(tmp_path):
    images = {"a.png": faded(), "b.png": sprite(), "c.png": photograph(SIDE, SIDE)}
    for name, values in images.items():
        written(tmp_path / "in", name, values)
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 5)
    error = total = 0.0
    for name, values in images.items():
        full = values if values.shape[-1] == 4 else np.dstack([values, np.full((SIDE, SIDE), 255)])
        opacity = full[..., 3].sum() / 255
        error += opacity * visible(
            full.astype(np.uint8), np.dstack([archive[name].values[..., :3], full[..., 3]])
        )
        total += opacity
    assert summary(archive).psnr == pytest.approx(10 * np.log10(255**2 * total / error), rel=1e-9)


@pytest.mark.parametrize("channels", [1, 3])
def test_no_error_is_diffused_out_of_pixels_that_are_not_seen(channels):
    palette = Palette(noise(5, channels, seed=4))
    one, two = (sprite(hidden, 40, channels) for hidden in (1, 2))
    codes = [quantize(i[..., :-1], palette, dither=True, alpha=i[..., -1]) for i in (one, two)]
    np.testing.assert_array_equal(codes[0][DISC], codes[1][DISC])
    hidden = one[..., :-1][~DISC]
    np.testing.assert_array_equal(codes[0][~DISC], palette.codes(np.ascontiguousarray(hidden)))
    opaque = np.full((SIDE, SIDE), 255, np.uint8)
    np.testing.assert_array_equal(
        quantize(one[..., :-1], palette, dither=True, alpha=opaque),
        quantize(one[..., :-1], palette, dither=True),
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"per": "image"}, {"per": "group"}, {"dither": True}, {"patch": (4, 4)}, {"quality": 40}],
    ids=str,
)
@pytest.mark.parametrize(("channels", "dtype"), [(3, "u1"), (1, "u1"), (3, "u2")])
def test_images_of_which_nothing_is_seen(channels, dtype, options, tmp_path):
    clear = noise(9, 8, channels + 1, dtype=dtype)
    clear[..., -1] = 0
    written(tmp_path / "in", "x/clear.png", clear)
    put(tmp_path / "in", "y/seen.png", encoded(sprite()))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 13, **options)
    decoded = archive["x/clear.png"].values
    assert decoded.shape == clear.shape
    assert not decoded[..., -1].any()
    told = {image.name: image.psnr for image in summary(archive).images}
    assert told["x/clear.png"] == np.inf
    assert len(decompress(archive, tmp_path / "out")) == 2
    assert contact_sheet(archive).size[0] > 0
    assert Archive(tmp_path / "o.zarr").skipped == []


def test_palettes_of_images_of_which_nothing_is_seen(tmp_path):
    clear = noise(9, 8, 4)
    clear[..., -1] = 0
    written(tmp_path / "in", "clear.png", clear)
    assert find_palettes(tmp_path / "in", 8)["rgb", 8].colours.tolist() == [[0, 0, 0]]
    told = CliRunner().invoke(main, ["palette", str(tmp_path / "in"), "-k", "8"])
    assert (told.exit_code, told.output.split()) == (0, ["#000000"])


LEVELS = {"one level": [0, 255], "few levels": [0, 90, 255], "many": list(range(256))}


@pytest.mark.parametrize("levels", LEVELS)
def test_images_with_alpha_are_indexed_where_256_entries_are_enough(levels, tmp_path):
    """Also with 200 colours, all of them among hidden pixels."""
    rng = np.random.default_rng(0)
    colours = rng.permutation(np.arange(200 * 3).reshape(200, 3) % 251).astype("u1")
    alpha = rng.choice(LEVELS[levels], (30, 40)).astype("u1")
    codes = np.where(alpha == 90, 0, rng.integers(0, 200, (30, 40)))
    pixels = np.dstack([colours[codes], alpha])
    Image.fromarray(pixels).save(tmp_path / "x.png")
    archive = compress(tmp_path / "x.png", tmp_path / "a.zarr", palette=colours)
    decompress(archive, tmp_path / "out")
    with Image.open(tmp_path / "out" / "x.png") as image:
        assert image.mode == ("RGBA" if levels == "many" else "P")
        found = np.asarray(image.convert("RGBA"))
    assert np.array_equal(found[..., 3], alpha)
    assert np.array_equal(found[alpha > 0], pixels[alpha > 0])
