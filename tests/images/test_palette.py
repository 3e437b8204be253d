"""Palettes are exact if possible, codes are always nearest, and the error is low."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import GimpPaletteFile, Image
from sklearn.cluster import KMeans
from sklearn.datasets import load_sample_image

from streamkm.errors import DataError
from streamkm.images import find_palettes
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.quantize import quantize
from streamkm.images.colour.search import fit_palette
from streamkm.images.colour.spaces import to_space
from streamkm.passes import Colours
from tests import reference

IMAGE = load_sample_image("flower.jpg")[::2, ::2]
KINDS = [(1, np.uint8), (3, np.uint8), (4, np.uint8), (1, np.uint16), (3, np.uint16)]


def table(image):
    return Colours.from_pixels(image.reshape(-1, image.shape[-1]))


def image_of(channels, dtype, shape=(40, 50), seed=0):
    rng = np.random.default_rng(seed)
    high = np.iinfo(dtype).max
    return np.clip(rng.normal(high / 2, high / 5, (*shape, channels)), 0, high).astype(dtype)


def loss(image, palette):
    return float(np.mean((image.astype(float) - palette.decode(palette.codes(image))) ** 2))


@pytest.mark.parametrize("space", ["srgb", "oklab"])
@pytest.mark.parametrize(("channels", "dtype"), KINDS)
def test_codes_are_of_the_nearest(channels, dtype, space):
    space = space if channels == 3 else "srgb"
    image = image_of(channels, dtype)
    palette = Palette(image_of(channels, dtype, (300,), seed=1), space)
    for size in (300, 7, 1):
        part = Palette(palette.colours[:size], space)
        codes = part.codes(image)
        assert codes.dtype == np.min_scalar_type(size - 1)
        flat = to_space(image.reshape(-1, channels), space, dtype)
        want = reference.labels(flat, to_space(part.colours, space, dtype))
        assert np.array_equal(codes.ravel(), want)


@pytest.mark.parametrize("k", [256, 65536])
def test_codes_need_no_room_for_the_unknown(k):
    """The last code of a full byte or word is a code as well."""
    colours = np.random.default_rng(0).permutation(2**24)[:k]
    colours = np.stack([colours >> 16, colours >> 8, colours], axis=1).astype(np.uint8)
    assert np.array_equal(Palette(colours).codes(colours[-200:]), np.arange(k - 200, k))


def test_equal_colours_have_the_first_code():
    palette = Palette(np.array([[9, 9, 9], [5, 5, 5], [5, 5, 5]], np.uint8))
    assert palette.codes(np.array([5, 5, 5], np.uint8)) == 1


@pytest.mark.parametrize("space", ["srgb", "oklab"])
@pytest.mark.parametrize(("channels", "dtype"), KINDS)
def test_few_colours_are_kept_exactly(channels, dtype, space):
    drawn = image_of(channels, dtype, (60,))
    image = drawn[np.random.default_rng(0).integers(0, 60, (30, 20))]
    palette = fit_palette(table(image), 60, space=space)
    for codes in (palette.codes(image), quantize(image, palette, dither=True)):
        assert np.array_equal(palette.decode(codes), image)
    assert len(palette) == len(np.unique(image.reshape(-1, channels), axis=0))


@pytest.mark.parametrize("k", [16, 64])
def test_it_is_better_than_k_means_of_all_pixels(k):
    pixels = IMAGE.reshape(-1, 3).astype(np.float32)
    theirs = []
    for seed in range(3):
        centres = KMeans(k, n_init=1, random_state=seed).fit(pixels).cluster_centers_
        theirs.append(loss(IMAGE, Palette(np.rint(centres).astype(np.uint8))))
    palette = fit_palette(table(IMAGE), k)
    assert loss(IMAGE, palette) < np.mean(theirs)
    assert len(palette) == k


def test_in_oklab_errors_are_less_as_seen():
    k, colours = 24, table(IMAGE)
    seen = to_space(IMAGE, "oklab", np.uint8)
    errors = {}
    for space in ("srgb", "oklab"):
        palette = fit_palette(colours, k, space=space)
        shown = to_space(palette.decode(palette.codes(IMAGE)), "oklab", np.uint8)
        errors[space] = np.square(shown - seen).mean(), loss(IMAGE, palette)
    assert errors["oklab"][0] < 0.9 * errors["srgb"][0]
    assert errors["srgb"][1] < errors["oklab"][1]


def test_more_starts_are_no_worse_and_the_same_again():
    colours = table(IMAGE)
    once, thrice, again = (fit_palette(colours, 12, n_init=n, seed=3) for n in (1, 3, 3))
    assert np.array_equal(thrice.colours, again.colours)
    assert loss(IMAGE, thrice) <= 1.005 * loss(IMAGE, once)


def test_several_palettes_of_one_read(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "x.png")
    several = find_palettes(tmp_path, [16, 4, 2**16])
    assert [len(several["rgb", k]) for k in (16, 4, 2**16)] == [16, 4, len(table(IMAGE).keys)]


def test_where_rounding_makes_colours_equal_others_take_their_place():
    colours = table(IMAGE // 8)  # dark colours, several of which share a value in OKLab
    k = int(0.7 * len(colours.keys))
    assert len(fit_palette(colours, k, space="oklab")) == k


def test_a_table_that_is_not_complete():
    coarse = table(IMAGE).coarsened(300)
    assert len(fit_palette(coarse, 400)) <= 300
    assert loss(IMAGE, fit_palette(coarse, 30)) < 1.5 * loss(IMAGE, fit_palette(table(IMAGE), 30))


def test_from_dark_to_light():
    light = to_space(fit_palette(table(IMAGE), 32).colours, "oklab", np.uint8)[:, 0]
    assert np.all(np.diff(light) >= 0)


def test_threads_share_a_palette():
    palette = fit_palette(table(IMAGE), 32)
    want = Palette(palette.colours).codes(IMAGE)
    strips = [slice(at, at + 40) for at in range(0, len(IMAGE), 20)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda rows: palette.codes(IMAGE[rows]), strips))
    for rows, codes in zip(strips, found, strict=True):
        assert np.array_equal(codes, want[rows])


def test_it_travels_without_its_tables():
    palette = fit_palette(table(IMAGE), 8)
    palette.codes(IMAGE)
    sent = pickle.dumps(palette)
    assert len(sent) < 2000
    assert np.array_equal(pickle.loads(sent).colours, palette.colours)


def diffused(image, colours):
    """Apply the weights of Floyd and Steinberg to an image, with odd lines in reverse."""
    values = image.astype(float)
    colours = colours.astype(float)
    codes = np.zeros(image.shape[:2], int)
    height, width = codes.shape
    for y in range(height):
        step = -1 if y % 2 else 1
        for x in range(width)[::step]:
            value = np.clip(values[y, x], colours.min(axis=0), colours.max(axis=0))
            codes[y, x] = code = np.square(colours - value).sum(axis=1).argmin()
            error = (value - colours[code]) / 16
            for dy, dx, share in ((0, step, 7), (1, -step, 3), (1, 0, 5), (1, step, 1)):
                if y + dy < height and 0 <= x + dx < width:
                    values[y + dy, x + dx] += share * error
    return codes


@pytest.mark.parametrize("channels", [1, 3])
def test_dither_is_the_definition(channels):
    image = IMAGE[:40, :60, :channels]
    palette = fit_palette(table(image), 6)
    assert np.array_equal(quantize(image, palette, dither=True), diffused(image, palette.colours))


def test_dither_keeps_what_eyes_average():
    ramp = np.tile(np.linspace(20, 230, 256).astype(np.uint8)[:, None, None], (1, 256, 1))
    palette = Palette(np.array([[0], [255]], np.uint8))
    off = {}
    for dither in (False, True):
        shown = palette.decode(quantize(ramp, palette, dither)).astype(float)
        off[dither] = np.abs((shown - ramp).reshape(16, 16, 16, 16).mean(axis=(1, 3))).max()
    assert off[False] > 100
    assert off[True] < 15


def test_palettes_as_files(tmp_path):
    palette = fit_palette(table(IMAGE), 16, space="oklab")
    again = Palette.from_json(palette.to_json())
    assert (again.space, again.dtype) == ("oklab", np.uint8)
    assert np.array_equal(again.colours, palette.colours)
    text = palette.to_gpl("a\nflower")
    assert np.array_equal(Palette.from_gpl(text).colours, palette.colours)
    path = tmp_path / "flower.gpl"
    path.write_text(text)
    with path.open("rb") as file:
        theirs, _ = GimpPaletteFile.GimpPaletteFile(file).getpalette()
    assert theirs[: 3 * 16] == palette.colours.tobytes()
    shown = Image.fromarray(palette.codes(IMAGE))
    shown.putpalette(theirs)
    assert np.array_equal(np.asarray(shown.convert("RGB")), palette.decode(palette.codes(IMAGE)))


def test_what_is_no_palette_is_refused():
    grey16 = Palette(np.array([[300], [2]], np.uint16))
    for wrong, words in (
        (lambda: Palette.from_json("{}"), "not a streamkm palette"),
        (
            lambda: Palette.from_json('{"colours": [[300]], "dtype": "uint8", "space": "srgb"}'),
            "not a streamkm palette",
        ),
        (lambda: Palette.from_gpl("1 2 3"), "not a GIMP palette"),
        (lambda: Palette.from_gpl("GIMP Palette\n1 2\n"), "not a GIMP palette"),
        (lambda: grey16.to_gpl("x"), "write JSON"),
        (lambda: Palette(np.zeros((0, 3), np.uint8)), "a palette needs shape"),
        (lambda: grey16.codes(np.zeros((2, 1), np.uint8)), "this palette needs shape"),
        (lambda: fit_palette(Colours.none(3), 4), "no pixels"),
    ):
        with pytest.raises(DataError, match=words):
            wrong()
