"""Types of NumPy arrays in annotations, by dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]
Float64Array = npt.NDArray[np.float64]
FloatArray = npt.NDArray[np.floating]
Int32Array = npt.NDArray[np.int32]
