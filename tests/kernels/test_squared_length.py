from __future__ import annotations

import numpy as np

from streamkm.kernels import squared_length


def test_squared_length_is_exact_for_wide_tiles_of_large_numbers():
    x = np.random.default_rng(0).integers(65_000, 65_536, (256, 20_001))
    assert squared_length(x.astype(np.float32)) == int((x**2).sum())


def test_squared_length_is_exact_for_whole_numbers():
    x = np.random.default_rng(0).integers(0, 65536, (1000, 3))
    assert squared_length(x.astype(np.float32)) == int((x**2).sum())
