"""Colours of clusters differ for readers with any colour vision."""

from __future__ import annotations

import io
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

import streamkm
import streamkm.plot
from streamkm.outputs.label_colours import COLOURS
from streamkm.plot.style import LINES, MARKERS, colours, round_steps

# Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def lab(colour, vision):
    """CIE L*a*b* of a colour as it is seen."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISIONS[vision]) @ linear, 0, 1)
    t = TO_XYZ @ seen / [0.95047, 1, 1.08883]
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISIONS)
def test_no_two_colours_look_alike(vision):
    seen = [lab(colour, vision) for colour in COLOURS]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15


def test_colours_differ_from_paper():
    assert all(10 < lab(colour, "normal")[0] < 80 for colour in COLOURS)


def test_more_colours_have_growing_lightness():
    lightness = [lab(colour, "normal")[0] for colour in colours(64)]
    assert (np.diff(lightness) > 0).all()


def test_markers_and_lines_repeat_at_different_colours():
    for marks in (MARKERS, LINES):
        assert len({(c, marks[i % len(marks)]) for i, c in enumerate(COLOURS)}) == len(COLOURS)
        assert len(set(marks)) == len(marks)


@pytest.mark.parametrize(("n", "last"), [(1, 0), (10, 9), (11, 10), (21, 20), (256, 250)])
def test_steps_are_round(n, last):
    steps = round_steps(n)
    assert len(steps) <= 10
    assert (steps[0], steps[-1]) == (0, last)


def test_names_with_dollar_signs_are_drawn_as_they_are():
    money = pd.DataFrame({"US$ and C$": [0.0, 1, 8, 9], "$_x^y$": [0.0, 1, 8, 9]})
    km = streamkm.KMeans(2, random_state=0).fit(money)
    km.cluster_names_ = np.array(["$rich$", "poor"], dtype=object)
    found = ""
    for draw in (lambda: streamkm.plot.clusters(km, money), lambda: streamkm.plot.centroids(km)):
        written = io.StringIO()
        with plt.rc_context({"svg.fonttype": "none"}):
            draw().figure.savefig(written, format="svg")
        found += written.getvalue()
    assert all(f">{name}<" in found for name in ("US$ and C$", "$_x^y$", "$rich$"))
    assert "\\$" not in found
