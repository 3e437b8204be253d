"""Validation of numbers that users pass, and their conversion to Python numbers.

NumPy integers overflow and are not valid in JSON, so they are converted here.
"""

from __future__ import annotations

import math
import reprlib
from numbers import Integral, Real
from typing import Any

from streamkm.errors import ParameterError

MOST_RESTARTS = 10_000  # each takes memory in every read


def whole_number(name: str, value: Any, least: int = 0, most: float = math.inf) -> int:
    """Return an int from any integer, such as np.uint8(200).

    Raises
    ------
    ParameterError
        If it is not an integer or out of bounds.

    Examples
    --------
    >>> import numpy as np
    >>> whole_number("n_clusters", np.uint8(200), 1) * 2
    400
    """
    if isinstance(value, Integral) and least <= int(value) <= most:
        return int(value)
    bounds = f"from {least:g} to {most:g}" if math.isfinite(most) else f"of {least:g} or more"
    raise ParameterError(f"{name}={_short(value)}: give a whole number {bounds}.")


def real_number(name: str, value: Any, above: bool = False) -> float:
    """Return a float from any finite nonnegative number, such as np.float32(0.5).

    Parameters
    ----------
    name, value : name and value of the parameter
    above : whether 0 is refused, too

    Raises
    ------
    ParameterError
        If it is not such a number; NaN and infinity are not.

    Examples
    --------
    >>> import numpy as np
    >>> real_number("tol", np.float32(0.5))
    0.5
    """
    if isinstance(value, Real):
        number = float(value)
        if math.isfinite(number) and (number > 0 or (number == 0 and not above)):
            return number
    bounds = "above 0" if above else "of 0 or more"
    raise ParameterError(f"{name}={_short(value)}: give a finite number {bounds}.")


def _short(value: Any) -> str:
    """Return a value as text, shortened in the middle."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an integer with more digits than Python converts to text
        return "a number of thousands of digits"
