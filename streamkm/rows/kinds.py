"""Kinds of data, recognised without importing their libraries."""

from __future__ import annotations

import sys


def is_a(data: object, *names: str) -> bool:
    """Return whether an object is an instance of one of the classes, given by public name.

    Importing Dask's arrays, xarray and Zarr takes a second. An instance can only exist if its class
    has been imported.

    Examples
    --------
    >>> from fractions import Fraction
    >>> is_a(Fraction(1, 3), "decimal.Decimal", "fractions.Fraction"), is_a(3, "no.such.Class")
    (True, False)
    """
    parts = (name.rpartition(".") for name in names)
    classes = (getattr(sys.modules.get(module), kind, ()) for module, _, kind in parts)
    return any(isinstance(data, found) for found in classes)
