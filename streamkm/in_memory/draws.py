"""Starts by k-means++, and the state of their random generator as an array."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array
from streamkm.in_memory.points import Points

Draws = npt.NDArray[np.uint64]
_STREAM = 2**63  # stream of draws in memory, apart from those of rows


def generator(seed: int) -> np.random.Generator:
    """Return the generator of a search with an unsigned 64-bit key."""
    return np.random.Generator(np.random.Philox(key=[seed, _STREAM]))


def state_of(rng: np.random.Generator) -> Draws:
    """Return the state of a Philox generator as an array (13,), which a checkpoint can hold."""
    state: Any = rng.bit_generator.state
    parts = state["state"]["counter"], state["state"]["key"], state["buffer"]
    rest = [state[name] for name in ("buffer_pos", "has_uint32", "uinteger")]
    return np.concatenate([*parts, np.array(rest, np.uint64)]).astype(np.uint64)


def generator_at(draws: Draws) -> np.random.Generator:
    """Return the Philox generator of a state.

    Examples
    --------
    >>> rng = generator(0)
    >>> _ = rng.random(3)
    >>> generator_at(state_of(rng)).random() == rng.random()
    True
    """
    bits: Any = np.random.Philox()
    position, has_uint32, uinteger = draws[10:].tolist()
    bits.state = {
        "bit_generator": "Philox",
        "state": {"counter": draws[:4], "key": draws[4:6]},
        "buffer": draws[6:10],
        "buffer_pos": position,
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }
    return np.random.Generator(bits)


def plusplus(points: Points, k: int, rng: np.random.Generator, greedy: bool = True) -> Float64Array:
    """Return a k-means++ start (k, d), scaled.

    A greedy start keeps the best of 2 + log k draws at every step, as scikit-learn does.
    """
    weights, step = points.weights, points.step
    trials = 2 + int(np.log(k)) if greedy else 1
    chosen = [int(rng.choice(len(weights), p=weights / weights.sum()))]
    d2 = points.distances(_rows(points, chosen))[:, 0]
    while len(chosen) < k:
        potential = np.cumsum(weights * d2)
        if not potential[-1] > 0:
            break
        if points.out_of_time():
            chosen.extend(_draw_at_once(weights * d2, k - len(chosen), rng))
            break
        points.step = f"{step}, centroid {len(chosen) + 1:,} of {k:,}"
        drawn = np.searchsorted(potential, rng.random(trials) * potential[-1])
        drawn = np.minimum(drawn, len(weights) - 1)
        closer = np.minimum(d2, points.distances(_rows(points, drawn.tolist())).T)
        winner = int(np.argmin(closer @ weights))
        chosen.append(int(drawn[winner]))
        d2 = closer[winner]
    points.step = step
    if len(chosen) < k:  # all points coincide with chosen ones
        rest = np.setdiff1d(np.arange(len(weights)), chosen)
        chosen.extend(rest[: k - len(chosen)].tolist())
    return _rows(points, chosen)


def _draw_at_once(rates: Float64Array, n: int, rng: np.random.Generator) -> list[int]:
    """Draw n points of positive rate, or all of them, without replacement in proportion to rate."""
    positive = np.flatnonzero(rates > 0)
    keys = rng.exponential(size=len(positive)) / rates[positive]
    drawn: list[int] = positive[np.argsort(keys, kind="stable")[:n]].tolist()
    return drawn


def _rows(points: Points, places: list[int]) -> Float64Array:
    rows: Float64Array = points.values[places].astype(np.float64)
    return rows
