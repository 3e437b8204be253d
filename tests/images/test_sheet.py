"""A contact sheet shows images from the whole archive, each above its name."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from streamkm.images import compress, contact_sheet
from streamkm.images.export.sheet import evenly

STEP, GAP, LINE = 168, 8, 16


def archive_of(tmp_path, count):
    """Images of one colour, whose red is their place among the sorted names."""
    (tmp_path / "in").mkdir()
    for number in range(count):
        size = (80, 40) if number % 2 else (40, 80)  # two stacks, which divide the names
        image = Image.new("RGB", size, (2 * number, 0, 200))
        image.save(tmp_path / "in" / f"{number:03}.png")
    return compress(tmp_path / "in", tmp_path / "o.zarr", 256)


def drawn(sheet, most, columns):
    """The places of the images that are drawn, by the colour at the bottom of their box."""
    pixels = np.asarray(sheet)
    found = []
    for place in range(most):
        row, column = divmod(place, columns)
        y = LINE + 2 * GAP + (STEP + LINE) * row + STEP - GAP - 5
        x = GAP + STEP * column + 80
        red, _, blue = pixels[y, x].tolist()
        assert blue == 200
        found.append(red // 2)
    return found


def test_images_are_evenly_spaced_in_the_order_of_all_names(tmp_path):
    archive = archive_of(tmp_path, 101)
    assert drawn(contact_sheet(archive, 5), 5, 4) == [0, 25, 50, 75, 100]
    np.testing.assert_array_equal(contact_sheet(archive, 5), contact_sheet(archive, 5))


@pytest.mark.parametrize("count", [1, 7, 60, 61, 1000])
def test_gaps_between_images_differ_by_at_most_one(count):
    chosen = evenly(range(count), 60)
    assert len(chosen) == min(count, 60)
    assert (chosen[0], chosen[-1]) == (0, count - 1)
    assert np.ptp(np.diff(chosen)) <= 1 if count > 1 else True


def test_a_name_is_written_below_its_image(tmp_path):
    archive = archive_of(tmp_path, 3)
    pixels = np.asarray(contact_sheet(archive).convert("L"))
    top = LINE + 2 * GAP + STEP - GAP
    captions = [pixels[top : top + LINE, GAP + STEP * n : STEP * (n + 1)] for n in range(3)]
    assert all(caption.min() < 128 for caption in captions)
    assert not np.array_equal(captions[0], captions[1])


def test_a_long_name_is_shortened_at_its_start(tmp_path):
    (tmp_path / "in").mkdir()
    for name in (f"{'w' * 90}a.png", "x.png"):
        Image.new("RGB", (40, 40), "red").save(tmp_path / "in" / name)
    sheet = np.asarray(contact_sheet(compress(tmp_path / "in", tmp_path / "o.zarr", 2)))
    top = LINE + 2 * GAP + STEP - GAP
    assert sheet[top : top + LINE, STEP - 1 + 5 : STEP + GAP].min() == 255  # no letter in the gap
