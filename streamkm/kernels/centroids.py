"""Nearest centroid of every row of a tile, squared distances, and sums of clusters.

Scores are computed in the precision of the data. A row whose two best scores differ by less than
their rounding bound is decided again by float64 direct differences. A label is therefore always the
float64 arg-min, for any CPU, strip and chunk; ties go to the lowest index. Squared distances
are always direct. Sums are float64, in row order.

There are two implementations, chosen by measurement [docs/benchmarks.md]: vectors of rows for up to
`_FEW` features, compiled for each number of features, and products of groups of rows and panels of
centroids in registers for more features.
"""

from __future__ import annotations

import math
import threading
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array, FloatArray, Int32Array
from streamkm.kernels import many as _loops
from streamkm.kernels._once import Once
from streamkm.kernels._products import CHUNK, packed_panels
from streamkm.kernels.few import few_features
from streamkm.kernels.leading import Leading
from streamkm.kernels.many import many_features
from streamkm.kernels.pruned import pruned_features

Answer = tuple[Int32Array, Float64Array]  # labels and squared distances

_FEW = 24  # features
_NEAR = 4.0  # squared length of the origin up to which rows are not moved to it, in |c - o|^2
_ROWS = 512  # minimum number of rows of a tile for which leading directions are tried


class Centroids:
    """Centroids with the norms, the origin and the rounding bound that the kernels need.

    Parameters
    ----------
    values : ndarray of shape (k, d), float64
    dtype : float32 or float64, the precision of the tiles
    """

    def __init__(self, values: Float64Array, dtype: npt.DTypeLike) -> None:
        precision = np.dtype(dtype)
        self.values = np.ascontiguousarray(values, dtype=np.float64)
        d = self.values.shape[1]
        limits = np.finfo(precision)
        # |score error| <= m u (|c|^2 + 2 |x||c|), with u = eps / 2, where m is the number of
        # features of a chunk plus the number of chunks (Higham 2002, sections 3.1 and 4.2), plus 8
        # for the other roundings. Twice that, because two scores are compared; and increased by the
        # rounding error of the computed |x|.
        m = (d if d <= _FEW else min(d, CHUNK) + math.ceil(d / CHUNK)) + 8
        factor = m * float(limits.eps) * (1.0 + d * float(limits.eps))
        # Error bound of direct float64 distances far from all centroids:
        # 2 (d + 4) u64 (|x| + |c|)^2 each, and (a + b)^2 <= 2 (a^2 + b^2).
        direct = 8.0 * (d + 4) * float(np.finfo(np.float64).eps)
        with np.errstate(over="ignore", invalid="ignore"):
            # The mean; `ndarray.mean` takes a tenth of a step of few rows in memory.
            origin = (np.add.reduce(self.values, axis=0) / len(self.values)).astype(precision)
            centred = self.values - origin
            lengths = np.einsum("kd,kd->k", centred, centred)
            longest = float(lengths.max())
            scaled = (-2.0 * centred).astype(precision)
            away = float(np.square(origin, dtype=np.float64).sum())
            # |x - c|^2 - |x - o|^2 = |c - o|^2 + 2 o'(c - o) - 2 x'(c - o): rows far from zero are
            # moved to the origin o, because |x| is then much larger than |x - o|.
            moved = d <= _FEW or not away <= _NEAR * longest
            bound = [longest * (factor + direct), 2.0 * math.sqrt(longest) * factor, direct]
            if not moved:
                lengths += 2.0 * (centred @ origin)
                # (|x| + |o| + |c|)^2 <= 3 (|x|^2 + |o|^2 + |c|^2).
                bound[0] += 2.0 * math.sqrt(longest * away) * factor + (longest + 3 * away) * direct
                bound[2] *= 1.5
            norms, slack = lengths.astype(precision), np.array(bound).astype(precision)
        # The bound holds without underflow and overflow; otherwise every row is decided directly.
        trusted = float(limits.tiny) / float(limits.eps) ** 2 < longest < float(limits.max) / 64
        if not trusted:
            slack[:] = np.inf
        if d <= _FEW:
            self._ready: Any = (origin, scaled, norms, slack)
        else:
            padded = np.full(
                len(scaled) + -len(scaled) % (64 // scaled.itemsize), np.inf, precision
            )
            padded[: len(norms)] = norms
            self._ready = (origin, moved, packed_panels(scaled), padded, slack)
        self._features = (0,) * d if d <= _FEW else ()
        self._answers = threading.local()
        # Computed for the first tile of enough rows; None if bounds are useless or not trusted.
        find = partial(Leading.from_centroids, self.values, origin)
        self._leading: Once[Leading | None] = Once(find if trusted else lambda: None)

    def nearest(self, x: FloatArray) -> tuple[Int32Array, Float64Array]:
        """Return the labels (n,) and squared distances (n,) of a tile `x` (n, d)."""
        labels, d2 = np.empty(len(x), np.int32), np.empty(len(x))
        self._run(x, (labels, d2), None, None)
        return labels, d2

    def nearest_and_gaps(self, x: FloatArray) -> tuple[Int32Array, Float64Array, Float64Array]:
        """Return labels (n,), squared distances (n,), and gaps (n,) to the second best centroid.

        A gap is a lower bound of the difference of the two squared distances, accurate to the
        precision of the tile. For a single centroid, gaps are undefined.
        """
        labels, d2, gaps = np.empty(len(x), np.int32), np.empty(len(x)), np.empty(len(x))
        self._run(x, (labels, d2), gaps, None)
        return labels, d2, gaps

    def gather(
        self, x: FloatArray, weights: Float64Array, sums: Float64Array, counts: Float64Array
    ) -> tuple[Int32Array, Float64Array, float]:
        """Return the labels (n,), squared distances (n,) and weighted loss of a tile.

        The rows are added to `sums` (k, d) and their weights (n,) to `counts` (k,). The returned
        arrays are valid until the thread's next call: with few features, new arrays for every tile
        would take 20 % of the time, nearly all of it for clean pages of the system.
        """
        answer: Answer | None = getattr(self._answers, "last", None)
        if answer is None or len(answer[0]) < len(x):
            self._answers.last = answer = (np.empty(len(x), np.int32), np.empty(len(x)))
        labels, d2 = answer[0][: len(x)], answer[1][: len(x)]
        loss = self._run(x, (labels, d2), None, (weights, sums, counts))
        return labels, d2, loss

    def _run(self, x: FloatArray, answer: Any, gaps: Any, total: Any) -> float:
        x = np.ascontiguousarray(x)  # true for tiles; the vector kernels require it
        if self._features:
            few = (self._ready, self._features)
            return float(few_features(x, self.values, *few, answer, gaps, total))
        leading = self._choice(x)
        if leading is not None:
            return float(pruned_features(x, self.values, leading, answer, gaps, total))
        return float(many_features(x, self.values, self._ready, answer, gaps, total))

    def n_directions(self, x: FloatArray) -> int:
        """Return the number of directions on which a tile is projected, 0 for none."""
        leading = self._choice(x)
        return 0 if leading is None else leading[2].shape[2] - 2

    def _choice(self, x: FloatArray) -> Any:
        """Return the arguments of `pruned_features` for a tile, or None for a plain product."""
        enough = len(x) >= _ROWS and not self._features
        leading = self._leading() if enough else None
        return None if leading is None else leading.choose(x)


class Prepared:
    """Centroids prepared once in each precision, for all blocks that a process compares with them.

    A copy in another process prepares its own.

    Parameters
    ----------
    values : ndarray of shape (k, d), float64
    """

    def __init__(self, values: Float64Array) -> None:
        self._values, self._lock = values, threading.Lock()
        self._made: dict[np.dtype[Any], Centroids] = {}

    def __call__(self, dtype: npt.DTypeLike) -> Centroids:
        """Return the centroids for tiles of float32 or float64."""
        precision = np.dtype(dtype)
        with self._lock:
            if precision not in self._made:
                self._made[precision] = Centroids(self._values, precision)
            return self._made[precision]

    def __reduce__(self) -> Any:
        return Prepared, (self._values,)


def squared_distances(x: FloatArray, centroids: Float64Array) -> Float64Array:
    """Return the squared distances (n, k) of a tile, by direct differences."""
    out = np.empty((len(x), len(centroids)), np.float64)
    _loops.squared_distances(x, centroids, out)
    return out
