"""Labels, distances and sums have the same bits on processors with fewer vector instructions.

A child process uses the instructions that every 64-bit x86 processor has, both in compiled kernels
and in BLAS, and assigns the same rows by each kind of kernel.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np

from streamkm.kernels import Centroids, add
from streamkm.rows import read_only

ROOT = Path(__file__).parents[2]


def cases():
    """Rows and centroids whose scores are close, equal, or of other magnitudes."""
    rng = np.random.default_rng(0)
    for d, k in ((12, 40), (100, 90)):
        x = rng.normal(size=(3000, d)).astype(np.float32)
        yield x, x[:k] + np.float32(1e-3)
        yield x + np.float32(1e4), x[:k] + np.float32(1e4)  # scores lose digits
        repeated = np.repeat(x[: k // 2], 2, axis=0)  # two centroids are equal
        yield (repeated[rng.integers(0, len(repeated), 3000)] + x) / 2, repeated
        yield x * np.float32(1e-22), x[:k] * np.float32(1e-22)  # squares are denormal
    x = rng.normal(size=(3000, 3))
    yield x, x[:7] + 1e-3
    directions = rng.normal(size=(4, 200))
    near = (rng.normal(size=(3000, 4)) @ directions).astype(np.float32)  # bounds exclude most pairs
    near += rng.normal(size=near.shape).astype(np.float32) / 50
    yield near, near[:300] + np.float32(1e-3)


def digests():
    found = []
    for x, centroids in cases():
        ready = Centroids(centroids.astype(np.float64), x.dtype)
        x = read_only(np.ascontiguousarray(x))
        sums, counts = np.zeros(centroids.shape), np.zeros(len(centroids))
        weights = np.random.default_rng(1).random(len(x))
        labels, d2, loss = ready.gather(x, read_only(weights), sums, counts)
        used = "many" if x.shape[1] > 24 else "few"
        used = "pruned" if ready.n_directions(x) else used
        again = np.zeros(centroids.shape), np.zeros(len(centroids))
        added = add(x, read_only(weights), read_only(labels), read_only(d2), *again)
        numbers = (labels, d2, np.array([loss, added]), sums, counts, *again)
        found.append(f"{used} {hashlib.sha256(b''.join(n.tobytes() for n in numbers)).hexdigest()}")
    return found


def test_an_assignment_does_not_depend_on_the_vector_instructions():
    here = digests()
    assert {line.split()[0] for line in here} == {"few", "many", "pruned"}
    fewer = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    if platform.machine() == "x86_64":
        fewer["OPENBLAS_CORETYPE"] = "Prescott"
    child = subprocess.run(
        [sys.executable, "-m", __name__],
        env=os.environ | fewer,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.split("\n")[:-1] == here


if __name__ == "__main__":
    print(*digests(), sep="\n")
