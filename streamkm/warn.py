"""Warnings that name the line of the program that called streamkm."""

from __future__ import annotations

import inspect
import warnings

# Packages whose frames lie between the line of a program and the function that warns.
_LIBRARIES = {
    *("streamkm", "sklearn", "joblib", "dask", "distributed", "xarray"),
    *("contextlib", "functools", "importlib", "_frozen_importlib", "_frozen_importlib_external"),
    *("concurrent", "threading", "asyncio"),
}


def warn(message: str | Warning, category: type[Warning]) -> None:
    """Issue a warning at the innermost line outside streamkm and the libraries that call it.

    The number of frames between a program and streamkm varies, because scikit-learn wraps some
    methods and context managers add frames. By default Python shows a warning once for each line,
    so two calls of a program warn twice. In a thread of a scheduler no line of the program is on
    the stack; the warning then names the caller of this function.

    Parameters
    ----------
    message : str, or a Warning of the category
    category : type of Warning

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn("the store has no mask", UserWarning)
    >>> str(caught[0].message)
    'the store has no mask'
    """
    frame = inspect.currentframe()
    while frame is not None:
        module = frame.f_globals.get("__name__", "<string>")
        if module.partition(".")[0] not in _LIBRARIES:
            registry = frame.f_globals.setdefault("__warningregistry__", {})
            warnings.warn_explicit(
                message, category, frame.f_code.co_filename, frame.f_lineno, module, registry
            )
            return
        frame = frame.f_back
    warnings.warn(message, category, stacklevel=2)
