"""An album in one palette
=======================

Two photographs become an archive that Zarr and xarray can read.

Two photographs are encoded with 32 shared colours, which are found in one read of their pixels. The
archive returns each image, or a window of it, by its name, and draws a contact sheet. The same code
works for a million photographs in folders, tars or an object store.

Needs: ``pip install 'streamkm[images]'``

Usage: ``python examples/one_palette_for_an_album.py OUTPUT.png``
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from streamkm.images import compress, contact_sheet
from streamkm.images.archive.summary import summary


def main(output: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        album = Path(folder, "album")
        album.mkdir()
        photographs = dict(zip(("china", "flower"), load_sample_images().images, strict=True))
        for name, pixels in photographs.items():
            Image.fromarray(pixels).save(album / f"{name}.png")
        archive = compress(album, Path(folder, "album.zarr"), 32)
        for name, image in archive.items():
            apart = np.subtract(photographs[name.removesuffix(".png")], image.values, dtype=float)
            psnr = 10 * np.log10(255**2 / np.square(apart).mean())
            print(f"{name}: {dict(image.sizes)}, PSNR {psnr:.1f} dB")
        print("a window:", archive["china.png"][100:102, 200:203, 0].values.tolist())
        whole = summary(archive)
        print(f"{whole.nbytes:,} bytes, {whole.ratio:.1f} times less than their pixels")
        contact_sheet(archive).save(output)


if __name__ == "__main__":
    main(sys.argv[1])
