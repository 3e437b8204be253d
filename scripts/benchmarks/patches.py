"""Rate and distortion of codebooks of patches, on photographs.

    scripts/bench patches [PHOTOGRAPH ...] [--codewords 256,4096] [--stages 3]

Each codebook is trained and evaluated on all patches of all photographs, by default the two of
scikit-learn. Bits per pixel are given for the codes alone and for the codes with the codebook.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from report import table
from sklearn.datasets import load_sample_images

from streamkm.images.codebook.patches import patches
from streamkm.images.codebook.training import fit_codebook
from streamkm.images.colour.quality import psnr

HEAD = ("patch", "k", "stages", "bits a pixel", "with codebook", "PSNR dB", "fit s", "encode s")
SHAPES = ((2, 2), (4, 4), (8, 8))


def photographs(paths: list[Path]) -> list[np.ndarray]:
    if paths:
        return [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    return list(load_sample_images().images)


def measured(images: list[np.ndarray], shape: tuple[int, int], k: int, stages: int) -> list[str]:
    """Return a row of the table for every number of stages."""
    rows = np.concatenate([patches(i, shape).reshape(-1, shape[0] * shape[1] * 3) for i in images])
    pixels = sum(i.shape[0] * i.shape[1] for i in images)
    start = time.perf_counter()
    codebook = fit_codebook(rows, k, stages=stages)
    fitted = time.perf_counter() - start
    found = []
    for n in range(1, codebook.n_stages + 1):
        one = replace(codebook, codewords=codebook.codewords[:n])
        start = time.perf_counter()
        one.codes(rows)
        encoded = time.perf_counter() - start
        bits = n * math.log2(k) / math.prod(shape)
        beside = one.codewords.astype(np.int16).nbytes * 8 / pixels
        quality = psnr(codebook.distortions[n - 1], codebook.dtype)
        cells = (f"{shape[0]} x {shape[1]}", f"{k:,}", n, f"{bits:.2f}", f"{bits + beside:.2f}")
        ended = f"{fitted:.1f}" if n == codebook.n_stages else ""
        found.append([*map(str, cells), f"{quality:.2f}", ended, f"{encoded:.1f}"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", nargs="*", type=Path)
    parser.add_argument("--codewords", default="256,4096")
    parser.add_argument("--stages", type=int, default=3)
    asked = parser.parse_args()
    images = photographs(asked.photographs)
    rows = [
        row
        for shape in SHAPES
        for k in map(int, asked.codewords.split(","))
        for row in measured(images, shape, k, asked.stages)
    ]
    print("\n".join(table(HEAD, rows)))


if __name__ == "__main__":
    main()
