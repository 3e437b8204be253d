"""Wallpapers sorted by colour
===========================

A folder of images becomes an archive of codes; the colours of each image are a row to cluster.

All images share a palette of 32 colours, found in one read. The share of each colour in an image is
counted from its codes, without decoding it, and k-means puts images with the same colours together.
The bar above each group has the colours of its centroid. The wallpapers are tinted parts of two
photographs; give the folder of your own as the second argument.

Needs: ``pip install 'streamkm[plot]'``

Usage: ``python examples/wallpapers_by_colour.py OUTPUT.png [FOLDER]``
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

import streamkm
from streamkm.images import Archive, compress

GROUPS, SHOWN, N_COLOURS, GAP = 6, 5, 32, 8
TINTS = (None, None, "#204080", "#a03020", "#207040", "#603080")


def made_wallpapers(folder: Path) -> Path:
    """Write parts of two photographs, most of them tinted, to a new folder, and return it."""
    rng, photographs = np.random.default_rng(0), load_sample_images().images
    folder.mkdir()
    for number in range(36):
        photograph = Image.fromarray(photographs[number % 2])
        left, top = rng.integers(0, (640 - 320, 427 - 180))
        image = photograph.crop((left, top, left + 320, top + 180)).resize((160, 90))
        tint = TINTS[number // 2 % len(TINTS)]
        if tint is not None:
            image = ImageOps.colorize(ImageOps.grayscale(image), "black", "white", mid=tint)
        image.save(folder / f"wallpaper-{number:02}.png")
    return folder


def colour_shares(archive: Archive) -> np.ndarray:
    """Return the share of each colour of the palette in each image (images, colours)."""
    counts = [np.bincount(archive.codes(name).ravel(), minlength=N_COLOURS) for name in archive]
    return np.array(counts) / np.sum(counts, axis=1, keepdims=True)


def main(output: str, given: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        images = made_wallpapers(Path(folder, "images")) if given is None else Path(given)
        archive = compress(images, Path(folder, "archive.zarr"), N_COLOURS)
        palette = archive.palettes()["rgb"].colours
        shares = colour_shares(archive)
        km = streamkm.KMeans(GROUPS, random_state=0).fit(shares)
        print(f"{len(archive)} images in groups of {km.counts_.astype(int)}")
        print(f"stopped by {km.stop_reason_}")

        near, names = km.representatives(shares, SHOWN), list(archive)
        figure, axes = plt.subplots(1, GROUPS, figsize=(12, 6))
        figure.subplots_adjust(0.01, 0.01, 0.99, 0.94, wspace=0.04)
        for group, ax in enumerate(axes):
            shown = [archive.pixels(names[n]) for n in near.numbers[group] if n >= 0]
            high, wide, _ = shown[0].shape
            ends = np.round(wide * np.cumsum(km.cluster_centers_[group])).astype(int)
            bar = palette[np.repeat(np.arange(N_COLOURS), np.diff(ends, prepend=0))][None]
            parts = [bar.repeat(high // 3, axis=0), *shown]
            page = np.full((high // 3 + SHOWN * (high + GAP), wide, 3), 255, np.uint8)
            top = 0
            for part in parts:
                page[top : top + len(part)] = part
                top += len(part) + GAP
            ax.imshow(page)
            ax.set(title=f"images: {km.counts_[group]:.0f}")
            ax.set_axis_off()
        figure.savefig(output, dpi=80)


if __name__ == "__main__":
    main(*sys.argv[1:])
