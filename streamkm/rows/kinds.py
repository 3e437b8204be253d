"""Which kind of data something is, without importing the library it would be of."""

from __future__ import annotations

import sys


def is_a(data: object, *names: str) -> bool:
    """Whether it is of one of the classes, by their public names.

    Dask's arrays, xarray and Zarr together take a second to import; nobody holds an instance who
    has not imported the class.

    Examples
    --------
    >>> from fractions import Fraction
    >>> is_a(Fraction(1, 3), "decimal.Decimal", "fractions.Fraction"), is_a(3, "no.such.Class")
    (True, False)
    """
    parts = (name.rpartition(".") for name in names)
    classes = (getattr(sys.modules.get(module), kind, ()) for module, _, kind in parts)
    return any(isinstance(data, found) for found in classes)
