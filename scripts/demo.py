"""Cluster patches of two photographs out of core, and reconstruct a photograph."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
import zarr
from sklearn.datasets import load_sample_image

import streamkm

matplotlib.use("agg")
import matplotlib.pyplot as plt

PATCH = 8
CHUNK = 16384
CODEWORDS = 64
LIMIT = 512 * 2**20
PHOTOGRAPHS = ("china.jpg", "flower.jpg")


def patches_of(image: np.ndarray) -> np.ndarray:
    """All overlapping patches of an image (h, w, 3), as rows of 192 values."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (PATCH, PATCH), axis=(0, 1))
    return np.moveaxis(windows, 2, -1).reshape(-1, PATCH * PATCH * 3)


def write_patches(path: Path) -> int:
    """Write the patches of both photographs: original, mirrored, upside down and both."""
    images = [load_sample_image(name).astype(np.float32) / 255 for name in PHOTOGRAPHS]
    views = [flip for i in images for flip in (i, i[:, ::-1], i[::-1], i[::-1, ::-1])]
    per_view = [(v.shape[0] - PATCH + 1) * (v.shape[1] - PATCH + 1) for v in views]
    store = zarr.create_array(
        path,
        shape=(sum(per_view), PATCH * PATCH * 3),
        chunks=(CHUNK, PATCH * PATCH * 3),
        dtype=np.float32,
        compressors=None,
        dimension_names=("patch", "value"),
        overwrite=True,
    )
    waiting, at = np.empty((0, PATCH * PATCH * 3), np.float32), 0
    for view in views:
        waiting = np.concatenate([waiting, patches_of(view)])
        whole = len(waiting) - len(waiting) % CHUNK  # every chunk is written once, by one writer
        store[at : at + whole] = waiting[:whole]
        at, waiting = at + whole, waiting[whole:]
    store[at:] = waiting
    return store.nbytes


def run(*arguments: str) -> str:
    """Run a command in its own process, and return its output."""
    print("$", shlex.join(["streamkm", *arguments]), flush=True)
    command = [sys.executable, "-m", "streamkm", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def draw(codebook: np.ndarray, path: Path) -> float:
    """Draw the codebook, a photograph and its reconstruction; return the mean squared error."""
    image = load_sample_image(PHOTOGRAPHS[0]).astype(np.float32) / 255
    height, width = (n - n % PATCH for n in image.shape[:2])
    image = image[:height, :width]
    tiles = image.reshape(height // PATCH, PATCH, width // PATCH, PATCH, 3).swapaxes(1, 2)
    rows = tiles.reshape(-1, PATCH * PATCH * 3)
    # Without iterations, the centroids are those of the model.
    labels = streamkm.KMeans(CODEWORDS, init=codebook, max_iter=1, tol=1e30).fit(rows).labels_
    rebuilt = codebook[labels].reshape(tiles.shape).swapaxes(1, 2).reshape(image.shape)
    order = np.argsort(codebook.mean(axis=1))
    sheet = codebook[order].reshape(8, 8, PATCH, PATCH, 3)
    sheet = np.pad(sheet, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1)
    sheet = sheet.swapaxes(1, 2).reshape(8 * (PATCH + 2), 8 * (PATCH + 2), 3)
    figure, axes = plt.subplots(1, 3, figsize=(16, 4.2), layout="constrained")
    for axis, picture, title in zip(
        axes,
        (sheet, image, rebuilt),
        ("64 learned patches", "photograph", "rebuilt from them, 6 bits a patch"),
        strict=True,
    ):
        axis.imshow(picture.clip(0, 1), interpolation="nearest")
        axis.set_title(title)
        axis.axis("off")
    figure.savefig(path, dpi=110)
    return float(np.mean((rebuilt - image) ** 2))


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    data, model, labels = (folder / f"{name}.zarr" for name in ("patches", "model", "labels"))
    nbytes = write_patches(data)
    print(f"{data}: {nbytes / 2**20:,.0f} MiB of patches, {nbytes / LIMIT:.1f} times the limit")
    fit = ["fit", str(data), "-k", str(CODEWORDS), "-o", str(model), "--labels", str(labels)]
    fit += ["--memory-limit", f"{LIMIT // 2**20}MiB", "--max-iter", "15", "--seed", "1"]
    print(run(*fit, "--overwrite", "--dry-run"))
    result = json.loads(run(*fit, "--overwrite", "--json"))
    peak = result["peak_memory_bytes"]
    fitted = streamkm.load_model(model)
    print("\niteration   loss (mean squared distance of a patch)")
    for number, inertia in enumerate(fitted.history["inertia"], 1):
        print(f"{number:9d}   {inertia / zarr.open_array(labels).shape[0]:.5f}")
    print(f"\nreads of the data   {fitted.n_passes}")
    print(f"bytes read          {fitted.bytes_read / 2**30:.1f} GiB")
    print(f"peak memory         {peak / 2**20:.0f} MiB of {LIMIT / 2**20:.0f} MiB allowed")
    picture = folder / "codebook.png"
    error = draw(fitted.centroids, picture)
    print(f"picture             {picture} (rebuilt at {-10 * np.log10(error):.1f} dB)")
    print(f"seconds             {time.monotonic() - began:.0f}")
    if peak > LIMIT:
        sys.exit("the peak is over the limit")


if __name__ == "__main__":
    main()
