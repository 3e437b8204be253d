"""Attributes and parameters as strict JSON, which has no NaN or infinity."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

_FEW = 16  # maximum number of values of an array that is stored as a list


def plain(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Convert attributes to strict JSON; large arrays become digests.

    NaN and infinities become the strings 'nan', 'inf' and '-inf', which `number` reads.

    Examples
    --------
    >>> plain({"nodata": [0.0, float("nan")], "k": np.int64(3), "shape": (2, 1)})
    {'nodata': [0.0, 'nan'], 'k': 3, 'shape': [2, 1]}
    """
    return {str(name): _plain(value) for name, value in attributes.items()}


def number(value: Any) -> Any:
    """Restore numbers from `plain`, also in lists; other values are returned unchanged.

    Examples
    --------
    >>> number(["nan", 1, "auto"])
    [nan, 1, 'auto']
    """
    if isinstance(value, list):
        return [number(item) for item in value]
    return float(value) if value in ("nan", "inf", "-inf") else value


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.size <= _FEW:
        return _plain(value.tolist())
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]
        return f"array of shape {value.shape}, {digest}"
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value
