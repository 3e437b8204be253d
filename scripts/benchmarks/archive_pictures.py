"""The figures of docs/images.md: colour spaces, dithering and patches of two photographs.

    scripts/bench archive_pictures

They are written to docs/images/. The photographs are china.jpg by danielbuechele and flower.jpg by
vultilion, both CC BY 2.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_image

from streamkm.images import Palette, fit_codebook, quantize
from streamkm.images.codebook.patches import patches, unpatched
from streamkm.images.colour.search import fit_palette
from streamkm.passes import Colours

FOLDER = Path(__file__).parents[2] / "docs" / "images"
LINE, GAP = 18, 6
Pixels = npt.NDArray[np.uint8]
CHINA = (slice(150, 330), slice(30, 330))
FLOWER = (slice(60, 240), slice(180, 480))


def sheet(tiles: list[list[tuple[str, Pixels]]]) -> Image.Image:
    """Draw rows of tiles, each with its name."""
    height, width, _ = tiles[0][0][1].shape
    down, across = height + LINE + GAP, width + GAP
    size = (across * len(tiles[0]) - GAP, down * len(tiles) - GAP)
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    draw.fontmode = "1"  # so that the figure has few colours
    for row, several in enumerate(tiles):
        for column, (name, pixels) in enumerate(several):
            at = column * across, row * down
            draw.text((at[0], at[1] + 1), name, "black", ImageFont.load_default(13))
            page.paste(Image.fromarray(pixels), (at[0], at[1] + LINE))
    return page


def save(page: Image.Image, name: str) -> None:
    """Write an indexed PNG if there are few colours."""
    path = FOLDER / name
    colours = page.getcolors(256)
    if colours:
        palette = Palette(np.array([colour for _, colour in colours], np.uint8))
        indexed = Image.fromarray(palette.codes(np.asarray(page)), "P")
        indexed.putpalette(palette.colours.tobytes())
        page = indexed
    page.save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size:,} bytes")


def spaces(k: int) -> None:
    """Draw a sky and its foreground in few colours of each space, with and without dithering."""
    rows = []
    photograph = load_sample_image("china.jpg")
    colours = Colours.from_pixels(photograph.reshape(-1, 3))
    for dither, words in ((False, ""), (True, ", --dither")):
        row = []
        for space in ("srgb", "oklab"):
            palette = fit_palette(colours, k, space=space)
            codes = quantize(photograph, palette, dither)[CHINA]
            row.append((f"--space {space}{words}", palette.decode(codes)))
        rows.append(row)
    save(sheet(rows), "spaces.png")


def stages(k: int) -> None:
    """Draw a photograph, and its patches by one and by two codes."""
    photograph = load_sample_image("flower.jpg")
    cut = patches(photograph, (4, 4))
    rows = cut.reshape(-1, cut.shape[-1])
    row = [("photograph", photograph[FLOWER])]
    for n in (1, 2):
        codebook = fit_codebook(rows, k, stages=n)
        decoded = codebook.decode(codebook.codes(rows)).reshape(cut.shape)
        made = unpatched(decoded, photograph.shape, (4, 4))
        row.append((f"--patch 4x4 --stages {n}, {codebook.psnr:.1f} dB", made[FLOWER]))
    save(sheet([row]), "stages.png")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    spaces(16)
    stages(256)
