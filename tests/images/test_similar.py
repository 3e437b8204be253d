"""Copies of photographs are found in an archive; parts of photographs are not."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageEnhance
from sklearn.datasets import load_sample_images

from streamkm.cli import main
from streamkm.errors import DataError
from streamkm.images import compress, similar
from streamkm.images.likeness.neighbours import Neighbours
from streamkm.images.likeness.signature import LENGTH, signature, weighted
from tests.images.conftest import noise


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two photographs, five copies of each, and parts of both that show other things."""
    folder = tmp_path_factory.mktemp("similar") / "in"
    (folder / "copies").mkdir(parents=True)
    (folder / "parts").mkdir()
    for name, values in zip(("china", "flower"), load_sample_images().images, strict=True):
        image = Image.fromarray(values)
        image.save(folder / f"{name}.png")
        image.save(folder / "copies" / f"{name}-again.png")
        image.save(folder / "copies" / f"{name}-30.jpg", quality=30)
        image.resize((320, 213)).save(folder / "copies" / f"{name}-half.png")
        image.resize((97, 65)).save(folder / "copies" / f"{name}-small.jpg")
        bright = ImageEnhance.Brightness(image).enhance(1.12)
        bright.save(folder / "copies" / f"{name}-bright.jpg")
        for x in range(0, 600, 200):
            image.crop((x, 210, x + 200, 420)).save(folder / "parts" / f"{name}-{x}.png")
    return folder


ENDS = ("again.png", "30.jpg", "half.png", "small.jpg", "bright.jpg")
COPIES = {name: {f"copies/{name}-{end}" for end in ENDS} for name in ("china", "flower")}
WAYS = {"shared": {}, "own": {"per": "image"}, "patches": {"patch": (2, 2)}}


@pytest.mark.parametrize("way", WAYS)
def test_copies_are_found_and_parts_are_not(way, photographs, tmp_path):
    archive = compress(photographs, tmp_path / "o.zarr", 64, **WAYS[way])
    seen = []
    groups = similar(archive, watch=[seen.append])
    assert [{image.name for image in group} for group in groups] == [
        COPIES[name] | {f"{name}.png"} for name in COPIES
    ]
    for name, (first, *others) in zip(COPIES, groups, strict=True):
        assert (first.width, first.height, first.distance, first.same) == (640, 427, 0, False)
        [after] = [place for place, image in enumerate(others) if image.same]
        pair = {image.name for image in (first, *others)[after : after + 2]}
        assert pair == {f"{name}.png", f"copies/{name}-again.png"}
        assert [image.distance for image in others] == sorted(i.distance for i in others)
    ends = [now for now in seen if now.phase == "signatures" and now.done == now.total]
    assert [now.done for now in ends] == [len(archive)]  # one read of each image


def test_images_like_one_of_a_name_are_found(photographs, tmp_path):
    archive = compress(photographs, tmp_path / "o.zarr", 64)
    group, *others = similar(archive, ["copies/china-half.png"])
    assert not others
    assert group[0].name == "copies/china-half.png"
    assert {image.name for image in group} == COPIES["china"] | {"china.png"}
    assert [len(group) for group in similar(archive, ["parts/china-0.png"])] == [1]
    near = similar(archive, ["china.png"], threshold=0)[0]
    assert [(image.name, image.same) for image in near] == [
        ("china.png", False),
        ("copies/china-again.png", True),
    ]
    with pytest.raises(DataError, match="did you mean 'china.png'"):
        similar(archive, ["chin.png"])
    with pytest.raises(DataError, match="threshold"):
        similar(archive, threshold=-1.0)


def test_the_command_prints_lines_or_json(photographs, tmp_path):
    compress(photographs, tmp_path / "o.zarr", 64)

    def run(*arguments):
        said = CliRunner().invoke(main, ["similar", str(tmp_path / "o.zarr"), *arguments])
        assert said.exit_code == 0, said.output
        return said

    said = run()
    lines = [line.split("\t") for line in said.stdout.splitlines()]
    assert {line[0] for line in lines} == {"1", "2"}
    assert [line[1] for line in lines[:2]] == ["first", "same"]
    assert lines[0][2:] == ["640x427", "china.png"]
    assert "2 groups; 10 of 18 images are similar to the first of a group" in said.stderr
    found = json.loads(run("--json", "china.png").stdout)
    assert found["groups"][0][0] == {
        "name": "china.png",
        "width": 640,
        "height": 427,
        "distance": 0.0,
        "same": False,
    }
    assert not run("-o", str(tmp_path / "x.tsv")).stdout
    assert (tmp_path / "x.tsv").read_text() == said.stdout
    run("-o", str(tmp_path / "x.json"))
    assert len(json.loads((tmp_path / "x.json").read_text())["groups"]) == 2


def cells(values, n):
    """The means of n x n parts, from an enlargement in which no pixel is divided."""
    big = values.repeat(n, axis=0).repeat(n, axis=1)
    parts = [np.split(rows, n, axis=1) for rows in np.split(big, n, axis=0)]
    return np.array([[part.mean(axis=(0, 1)) for part in row] for row in parts])


@pytest.mark.parametrize("shape", [(5, 7), (12, 12), (31, 50), (1, 1)])
def test_a_signature_has_the_means_of_equal_parts(shape):
    values = noise(*shape, 3)
    light = cells(values / 255, 12) @ [0.299, 0.587, 0.114]
    coarse = cells(values / 255, 6)
    colours = 4 * (coarse[..., [0, 2]] - (coarse @ [0.299, 0.587, 0.114])[..., None])
    layout = (light - light.mean()) / max(light.std(), 0.06)
    whole = np.concatenate([layout.ravel(), colours.ravel(), [light.mean() - 0.5]])
    stored = signature(values)
    assert stored.shape == (LENGTH,)
    np.testing.assert_allclose((stored - 128.0) / 32, np.clip(whole, -4, 127 / 32), atol=0.0157)


def test_signatures_of_grey_16_bits_bands_and_opacity():
    grey = noise(30, 40, 1)
    assert np.array_equal(signature(grey), signature(np.repeat(grey, 3, axis=-1)))
    assert np.array_equal(signature(grey), signature(grey.astype("u2") * 257))
    assert signature(noise(30, 40, 7)).shape == (LENGTH,)
    clear = np.zeros((30, 40), "u1")
    white = np.full((30, 40, 3), 255, "u1")
    assert np.array_equal(signature(noise(30, 40, 3), clear), signature(white))


def test_neighbours_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 256, (40, LENGTH))
    near = centres[rng.integers(0, 40, 500)] + rng.integers(-12, 13, (500, LENGTH))
    signatures = np.clip(near, 0, 255).astype(np.uint8)
    points = weighted(signatures).astype(np.float64)
    apart = np.sqrt(np.square(points[:, None] - points).sum(axis=-1))
    radius = float(np.median(apart[apart < 1]))  # divides copies of one centre
    found = Neighbours(signatures, radius)
    count = 0
    for number in range(0, 500, 7):
        numbers, distances = found.of(number)
        assert numbers.tolist() == np.flatnonzero(apart[number] <= radius).tolist()
        np.testing.assert_allclose(distances, apart[number][numbers], atol=1e-5)
        count += len(numbers)
    assert count > 100
    assert math.isfinite(radius)
