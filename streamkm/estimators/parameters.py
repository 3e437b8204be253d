"""The parameters of an estimator as plain numbers: scikit-learn wants them left as they are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

from streamkm.numbers import real_number, whole_number
from streamkm.sizes import parse_bytes

_LEAST = {"n_clusters": 1, "n_init": 1, "max_iter": 1}


@dataclass(frozen=True)
class Numbers:
    """Checked parameters, as Python's own numbers; `KMeans` says what they mean."""

    n_clusters: int
    max_iter: int
    tol: float
    n_init: Any = 1
    loss_tol: Any = None
    distortion_tol: float | None = None
    time_limit: float | None = None
    checkpoint_every: float = 60.0
    memory_limit: int | None = None

    @classmethod
    def of(cls, estimator: Any, words: tuple[str, ...]) -> Self:
        """The numbers of an estimator.

        Parameters
        ----------
        estimator : with some of the parameters
        words : parameters that may be 'auto'

        Raises
        ------
        ParameterError
            When one is not a number, or out of bounds.
        """
        given = {f.name: f.default for f in fields(cls)} | estimator.get_params(deep=False)
        return cls(**{f.name: _number(f.name, given[f.name], words) for f in fields(cls)})


def memory_of(estimator: Any) -> int | None:
    """The memory limit of an estimator in bytes."""
    limit: int | None = _number("memory_limit", estimator.memory_limit, ())
    return limit


def _number(name: str, value: Any, words: tuple[str, ...]) -> Any:
    if name in words and isinstance(value, str) and value == "auto":
        return value
    if name in _LEAST:
        return whole_number(name, value, _LEAST[name])
    if value is None and name not in ("tol", "checkpoint_every"):
        return None
    return parse_bytes(value) if name == "memory_limit" else real_number(name, value)
