"""Four whole jobs with default parameters: seconds, CPU seconds, peak memory and loss, with peers.

    scripts/bench jobs [--jobs student,scientist,archivist,engineer] [--checkout FOLDER]

Every run is a process of its own. What it loads and compiles is not counted: a run on a few rows
comes first. The least of three runs is printed, and one run for the engineer, who has 3 GB on disk.
Losses are those of all rows, relative to that of streamkm. `--checkout` measures another checkout
of streamkm, such as an earlier commit, under the name "before".
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from data import FOLDER, landsat, mixture, photographs, words

STORE = FOLDER / "vectors-2m.zarr"
SHAPE, BLOCK = (2_000_000, 384), 20_000
SAMPLE = 200_000  # rows of the loss of the engineer's centroids


def student() -> np.ndarray:
    return mixture(20_000, 2, 8, 3)


def scientist() -> np.ndarray:
    """Four bands of a Landsat scene, repeated with noise."""
    bands, rng = landsat()[:, :4].astype(np.float32), np.random.default_rng(0)
    x = bands[rng.integers(len(bands), size=570_732)]
    return x + rng.normal(size=x.shape).astype(np.float32)


def vectors(first: int, n: int) -> np.ndarray:
    """Return word vectors, mixed with others and rotated to 384 features."""
    known, rng = words(), np.random.default_rng([1, first])
    one, other = known[rng.integers(len(known), size=(2, n))]
    mixed = one + np.float32(0.3) * other + rng.normal(size=one.shape).astype(np.float32) * 0.02
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(384, 256)))[0].T
    return (mixed @ turn.astype(np.float32)).astype(np.float32)


def stored_vectors() -> Path:
    """Write the engineer's rows once, as a Zarr array."""
    import zarr

    if not STORE.exists():
        partial = STORE.with_suffix(".partial")
        array = zarr.create_array(
            partial, shape=SHAPE, chunks=(BLOCK, 384), dtype="f4", overwrite=True, compressors=None
        )
        for first in range(0, SHAPE[0], BLOCK):
            array[first : first + BLOCK] = vectors(first, BLOCK)
        partial.rename(STORE)
    return STORE


def ours(x: Any, k: int, **more: Any) -> np.ndarray:
    from streamkm import KMeans

    return np.asarray(KMeans(k, random_state=0, **more).fit(x).cluster_centers_)


def scikit_learn(x: np.ndarray, k: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    return np.asarray(KMeans(k, random_state=0).fit(x).cluster_centers_)


def mini_batch(x: np.ndarray, k: int) -> np.ndarray:
    from sklearn.cluster import MiniBatchKMeans

    fitted = MiniBatchKMeans(k, batch_size=8192, random_state=0, compute_labels=False).fit(x)
    return np.asarray(fitted.cluster_centers_)


def faiss(x: np.ndarray, k: int) -> np.ndarray:
    from faiss import Kmeans

    fitted = Kmeans(x.shape[1], k, seed=1)
    fitted.train(x)
    return np.asarray(fitted.centroids)


def compress(folder: Path, out: Path) -> None:
    command = ["streamkm", "compress", folder, "-o", out / "photos.zarr", "-k", "256"]
    subprocess.run(
        [sys.executable, "-m", *map(str, command)], check=True, stdout=subprocess.DEVNULL
    )


def pngquant(folder: Path, out: Path) -> None:
    for source in sorted(folder.iterdir()):
        command = ["pngquant", "--nofs", "-o", out / f"{source.stem}.png", "256", source]
        subprocess.run(command, check=True)


def in_memory(rows: Callable[[], np.ndarray]) -> dict[str, Callable[[], tuple[float, ...]]]:
    def fits(maker: Callable[[np.ndarray, int], np.ndarray]) -> Callable[[], tuple[float, ...]]:
        def run() -> tuple[float, ...]:
            x = rows()
            maker(x[:500], 8)
            cost, centroids = timed(lambda: maker(x, 8))
            return (*cost, loss(x, centroids))

        return run

    return {"streamkm": fits(ours), "scikit-learn": fits(scikit_learn), "faiss": fits(faiss)}


def from_disk(maker: Callable[[Any, int], np.ndarray]) -> Callable[[], tuple[float, ...]]:
    def run() -> tuple[float, ...]:
        import zarr

        stored = zarr.open_array(stored_vectors(), mode="r")
        maker(stored[:20_000], 64)
        given = stored if maker is bounded else None
        cost, centroids = timed(lambda: maker(stored[:] if given is None else given, 2000))
        return (*cost, loss(stored[:SAMPLE], centroids))

    return run


def bounded(x: Any, k: int) -> np.ndarray:
    return ours(x, k, memory_limit="4GiB")


def on_photographs(maker: Callable[[Path, Path], None]) -> Callable[[], tuple[float, ...]]:
    def run() -> tuple[float, ...]:
        from PIL import Image

        with tempfile.TemporaryDirectory() as name:
            folder, out = Path(name, "photos"), Path(name, "out")
            folder.mkdir()
            for number, path in enumerate(photographs()):
                picture = Image.open(path).convert("RGB")
                picture.thumbnail((800, 800))
                picture.save(folder / f"{number}.png")
            out.mkdir()
            maker(folder, out)
            shutil.rmtree(out)
            out.mkdir()
            cost, _ = timed(lambda: maker(folder, out))
            return (*cost, float("nan"))

    return run


JOBS: dict[str, dict[str, Callable[[], tuple[float, ...]]]] = {
    "student": in_memory(student),
    "scientist": in_memory(scientist),
    "archivist": {"streamkm": on_photographs(compress), "pngquant": on_photographs(pngquant)},
    "engineer": {
        "streamkm": from_disk(bounded),
        "scikit-learn (mini-batches)": from_disk(mini_batch),
        "faiss": from_disk(faiss),
    },
}


def timed(work: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """Return the seconds and CPU seconds of a function, and its result."""
    began, used = time.perf_counter(), cpu()
    result = work()
    return (time.perf_counter() - began, cpu() - used), result


def cpu() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in both)


def loss(x: np.ndarray, centroids: np.ndarray) -> float:
    """Return the mean squared distance, computed by NumPy in parts."""
    c = np.asarray(centroids, np.float64)
    total = 0.0
    for first in range(0, len(x), 8192):
        part = x[first : first + 8192].astype(np.float64)
        total += ((part**2).sum(1) + ((c**2).sum(1) - 2 * part @ c.T).min(1)).sum()
    return total / len(x)


def runs(job: str, peer: str, checkout: str | None) -> Iterator[tuple[float, ...]]:
    """Run a job in processes of its own."""
    environment = os.environ | ({} if checkout is None else {"PYTHONPATH": checkout})
    command = [sys.executable, __file__, "--one", job, peer]
    for _ in range(1 if job == "engineer" else 3):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        yield tuple(json.loads(done.stdout.splitlines()[-1]))


def peak() -> float:
    """Return the peak memory of this process and of its largest child, in MiB."""
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in both) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--checkout", help="also measure this checkout")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.one:
        job, peer = asked.one
        print(json.dumps([*JOBS[job][peer](), peak()]))
        return
    print("| job | program | seconds | CPU seconds | loss | MiB |\n|---|---|---|---|---|---|")
    for job in asked.jobs.split(","):
        if job == "engineer":
            stored_vectors()
        own = None
        variants = [(peer, peer, None) for peer in JOBS[job]]
        variants += [("before", "streamkm", asked.checkout)] if asked.checkout else []
        for title, peer, checkout in variants:
            found = list(runs(job, peer, checkout))
            seconds, used, _, memory = (min(column) for column in zip(*found, strict=True))
            lost = found[0][2]
            own = own or lost
            figures = f"{seconds:.3g} | {used:.3g} | {lost / own:.4f} | {memory:,.0f}"
            print(f"| {job} | {title} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
