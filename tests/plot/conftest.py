"""Figures are closed after every test."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

mpl.use("agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def legend_of(ax):
    """The texts of the legend, in order."""
    return [text.get_text() for text in ax.get_legend().get_texts()]
