"""Reads until a fit converges: one per step, several steps per read, settling, and Anderson.

    scripts/bench reads [--tol 1e-4] [--share 0.2]

All start from the same greedy k-means++ seeds.

    scripts/bench reads --finished

Reads of the iterations of whole fits with default parameters, by seeding method and share of the
rows that are boundary rows. `streamkm.runs.likely` uses these figures.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable

import dask.array as da
import data
import numpy as np
from sklearn.cluster import kmeans_plusplus

from streamkm.engine import map_reduce
from streamkm.fitting import first_state, iterate
from streamkm.passes import Lloyd
from streamkm.rows import Room, Rows, open_rows
from streamkm.updates import AcceleratedUpdate, StopRules

CASES: dict[str, tuple[Callable[[], np.ndarray], int]] = {
    "digits": (data.digits, 10),
    "mnist": (data.mnist, 50),
    "words": (data.words, 64),
    "photograph": (data.pixels, 64),
    "patches": (data.patches, 32),
    "Landsat bands": (data.landsat, 12),
    "mixture": (lambda: data.mixture(100_000, 16, 40, 1.0), 40),
    "separated": (lambda: data.mixture(100_000, 6, 22, 10.0), 22),
    "uniform": (lambda: np.random.default_rng(0).random((50_000, 8), np.float32), 20),
}
_MOST = 400
# Of whole fits; none is downloaded.
FINISHED = ("digits", "pixels", "patches", "separated", "overlapping", "heavy", "tiny", "noise")
INITS = ("coreset", "random", "k-means||", "farthest||")
SHARES = (0.2, 0.05, 0.0)


def streamkm(
    rows: Rows, seeds: np.ndarray, tol: float, share: float, algorithm: str
) -> tuple[int, int, float]:
    """Return reads, steps and the loss."""
    room = Room(0, int(share * rows.layout.n_rows))
    rules = StopRules(max_iter=_MOST, tol=tol)
    state = first_state(
        rows,
        len(seeds),
        seeds,
        [0],
        AcceleratedUpdate(rules, settles=algorithm == "auto"),
        room=room,
    )
    state = iterate(rows, state)
    return state.n_passes, len(state.best.history), float(state.best.inertia or 0.0)


def anderson(rows: Rows, seeds: np.ndarray, tol: float, memory: int = 5) -> tuple[int, int, float]:
    """Anderson-accelerated Lloyd with a safeguard (Zhang et al., 2018): reads, rejections, loss.

    A read at the accelerated centroids gives their loss and the next step. If the loss rose, the
    read is rejected, and the next one uses the centroids of Lloyd's step.
    """
    centroids, safe, best = seeds, None, np.inf
    images: list[np.ndarray] = []
    residuals: list[np.ndarray] = []
    reads, refused = 0, 0
    for _ in range(_MOST):
        reads += 1
        assigned = map_reduce(Lloyd(centroids), rows)
        loss = assigned.inertia(centroids)
        if loss > best and safe is not None:
            centroids, safe, images, residuals = safe, None, [], []
            refused += 1
            continue
        best = min(best, loss)
        image = assigned.means(otherwise=centroids)
        residual = (image - centroids).ravel()
        if residual @ residual <= tol * assigned.variance(centroids):
            break
        images, residuals = [*images, image.ravel()][-memory:], [*residuals, residual][-memory:]
        centroids, safe = image, None
        if len(residuals) > 1:
            steps = np.linalg.lstsq(np.diff(residuals, axis=0).T, residual, rcond=1e-10)[0]
            mixed = image.ravel() - np.diff(images, axis=0).T @ steps
            centroids, safe = mixed.reshape(image.shape), image
    return reads, refused, map_reduce(Lloyd(image), rows).inertia(image)


def finished(x: np.ndarray, k: int, init: str, share: float) -> tuple[int, str]:
    """Return the reads of a whole fit after its seeding, without the last one, and its end.

    The data count as too large for memory: every step that needs all rows is a read.
    """
    rows = open_rows(da.from_array(x, chunks=(-(-len(x) // 16), -1)))
    room = Room(0, int(share * len(x)))
    update = AcceleratedUpdate(StopRules(loss_tol="auto"))
    state = iterate(rows, first_state(rows, k, init, [0], update, room=room))
    reads = sum(step.read for step in state.best.history)
    return reads, str(state.best.stop_reason)


def finished_fits() -> None:
    """Print the reads of fits of every set, and their distribution."""
    warnings.simplefilter("ignore")
    found: dict[tuple[str, float], list[int]] = {}
    print("| data | k | init | boundary rows | reads | end |")
    print("|---|---|---|---|---|---|")
    for name, k in itertools.product(FINISHED, (10, 50, 200)):
        x = data.SETS[name]()
        for init, share in itertools.product(INITS, SHARES):
            reads, end = finished(x, k, init, share)
            kind = init if init == "coreset" else "other methods"
            found.setdefault((kind, share), []).append(reads)
            print(f"| {name} | {k} | {init} | {share:.0%} | {reads} | {end} |", flush=True)
    print("| init | boundary rows | fits | least | a tenth | median | nine tenths | most |")
    print("|---|---|---|---|---|---|---|---|")
    for (kind, share), reads in found.items():
        cells = np.quantile(reads, [0, 0.1, 0.5, 0.9, 1], method="closest_observation")
        numbers = " | ".join(str(int(cell)) for cell in cells)
        print(f"| {kind} | {share:.0%} | {len(reads)} | {numbers} |")


def option(name: str, default: float) -> float:
    return float(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default


def main() -> None:
    if "--finished" in sys.argv:
        finished_fits()
        return
    tol, share = option("--tol", 1e-4), option("--share", 0.2)
    print(f"Reads until tol={tol:g}, {share:.0%} of the rows cached; in brackets the steps, or the")
    print("rejected reads of Anderson; the loss is relative to that of one read per step.")
    print("| data | k | one read per step | lloyd | auto | Anderson |")
    print("|---|---|---|---|---|---|")
    for name, (load, k) in CASES.items():
        x = load()
        rng = np.random.default_rng(0)
        some = x[rng.choice(len(x), min(len(x), 20_000), replace=False)].astype(np.float64)
        seeds = kmeans_plusplus(some, k, random_state=0)[0]
        rows = open_rows(da.from_array(x, chunks=(-(-len(x) // 16), -1)))
        plain = streamkm(rows, seeds, tol, 0.0, "lloyd")
        cells = [f"{plain[0]}"]
        for reads, steps, loss in (
            streamkm(rows, seeds, tol, share, "lloyd"),
            streamkm(rows, seeds, tol, share, "auto"),
            anderson(rows, seeds, tol),
        ):
            cells.append(f"{reads} ({steps}) {loss / plain[2] - 1:+.2%}")
        print(f"| {name} | {k} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
