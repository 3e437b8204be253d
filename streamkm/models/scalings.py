"""Scalings as attributes and arrays of a stored model or sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.models.checks import finite, impossible
from streamkm.outputs.reading import StoredGroup
from streamkm.rows import Scaling, Shifted, Standardised, UnitLength

SCALING_ARRAYS = ("scaling_origin", "scaling_center", "scaling_factor")


def scaling_arrays(scaling: Scaling | None) -> dict[str, Float64Array]:
    """Return the arrays (d,) of a scaling, by the names of `SCALING_ARRAYS`."""
    arrays = {}
    if isinstance(scaling, Shifted):
        arrays["scaling_origin"] = np.array(scaling.origin)
        scaling = scaling.then
    if isinstance(scaling, Standardised):
        arrays["scaling_center"] = np.array(scaling.center)
        arrays["scaling_factor"] = np.array(scaling.factor)
    return arrays


def scaling_attributes(scaling: Scaling | None) -> dict[str, Any]:
    """Return the kind of a scaling, and the spread of the data if they are shifted, or None."""
    shift = scaling if isinstance(scaling, Shifted) else None
    own = scaling if shift is None else shift.then
    return {
        "scaling": None if own is None else type(own).__name__,
        "spread": None if shift is None else shift.spread,
    }


def scaling_from(
    attributes: Mapping[Any, Any], shifted: bool, read: Callable[[str], AnyArray]
) -> Scaling | None:
    """Return the scaling of a stored model or sweep.

    Parameters
    ----------
    attributes : mapping with those of `scaling_attributes`
    shifted : whether the array `scaling_origin` is stored
    read : function that returns the array (d,) of a name
    """
    kind = attributes.get("scaling")
    scaling: Scaling | None = UnitLength() if kind == "UnitLength" else None
    if kind == "Standardised":
        center, factor = (read(f"scaling_{name}").tolist() for name in ("center", "factor"))
        scaling = Standardised(tuple(center), tuple(factor))
    if shifted:
        origin = tuple(read("scaling_origin").tolist())
        scaling = Shifted(origin, float(attributes["spread"]), scaling)
    return scaling


def read_scaling(group: StoredGroup, n_features: int) -> Scaling | None:
    """Return the scaling of a stored model or sweep, after checks of its parts.

    Raises
    ------
    DataError
        If a part of it is missing, or cannot be right.
    """
    attributes, shifted = group.attributes, "scaling_origin" in group
    if attributes.get("scaling") not in (None, "UnitLength", "Standardised"):
        impossible(group, f"its scaling {attributes['scaling']!r} is unknown")
    if shifted and not group.attribute("spread", (int, float)) >= 0:
        impossible(group, "its attribute 'spread' is below zero")

    def part(name: str) -> AnyArray:
        values = finite(group, name, 1, (n_features,))
        if name == "scaling_factor" and not values.all():
            impossible(group, f"{name!r} has zeros")
        return values

    return scaling_from(attributes, shifted, part)
