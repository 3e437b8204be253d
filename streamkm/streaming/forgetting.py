"""How rows of a stream lose weight as more rows arrive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable

_MOST = 64  # half-lives after which a row weighs nothing; 2**-64 is lost in rounding


@dataclass(frozen=True)
class Forgetting(Checkpointable):
    """The share of its weight that a row has, by its age in rows of the stream.

    Parameters
    ----------
    half_life : float or None
        Age at which a row has half of its weight.
    window : int or None
        Age from which a row has no weight.
    """

    half_life: float | None = None
    window: int | None = None

    @property
    def is_active(self) -> bool:
        """Whether rows lose weight at all."""
        return self.half_life is not None or self.window is not None

    def shares(self, numbers: npt.NDArray[np.int64], last: int) -> Float64Array:
        """Return the shares (m,) of rows at positions (m,), of which `last` has the age 0."""
        ages = (last - numbers).astype(np.float64)
        if self.window is not None:
            return (ages < self.window).astype(np.float64)
        if self.half_life is None:
            return np.ones(len(ages))
        halvings = ages / self.half_life
        return np.where(halvings > _MOST, 0.0, np.exp2(-halvings))
