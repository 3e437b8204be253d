"""Parameters of estimators as options; scikit-learn requires unchanged parameters."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from streamkm.runs.fit_options import FitOptions


def fit_options(estimator: Any, kind: type[FitOptions] = FitOptions, **options: Any) -> FitOptions:
    """The options of the fit of an estimator.

    Parameters
    ----------
    estimator : with some of the parameters
    kind : class of the options
    **options : replace parameters, or add to them

    Raises
    ------
    ValueError
        If a parameter is not a number, out of bounds, or not one of the allowed words.
    """
    parameters = estimator.get_params(deep=False) | options
    parameters["random_state"] = checked_random_state(parameters["random_state"])
    return kind.from_parameters(parameters)


def checked_random_state(random_state: Any) -> int | np.random.RandomState:
    """Return a random state as an int, or as the RandomState that scikit-learn makes of it."""
    if isinstance(random_state, Integral):
        return int(random_state)
    checked: np.random.RandomState = check_random_state(random_state)
    return checked
