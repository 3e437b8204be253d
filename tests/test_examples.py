"""Every example runs as it stands, and leaves what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_the_example_runs(example, tmp_path):
    output = tmp_path / "picture.png"
    said = subprocess.run(
        [sys.executable, example, output], check=True, capture_output=True, text=True
    ).stdout
    assert "stopped by" in said
    picture = np.asarray(Image.open(output))
    assert picture.shape == (427, 640, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 16
    error = np.square(picture.astype(float) - load_sample_image("flower.jpg")).mean()
    assert 10 * np.log10(255**2 / error) > 26
