"""The figure of `scripts/bench speed`: shares of the floor, and loss by bytes read."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import matplotlib
from end_to_end import METHODS
from peers import PEERS
from report import by_method, least, rates_of

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

COLOURS = ("#c55a11", "#1f4e79", "#5b9bd5", "#548235", "#a5a5a5")
MARKS = ("o", "s", "^", "D", "v")
median = statistics.median


def shares(results: dict[str, Any], ax: Axes) -> None:
    """Draw the floor of the machine as a share of the step of each library, as bars."""
    rates = rates_of(results)
    rows = [row for row in results["iterations"] if row["shape"][3] == "float32"]
    rows = [row for row in rows if len(row["seconds"]) > 3]
    height = 0.8 / len(PEERS)
    for place, (name, colour) in enumerate(zip(PEERS, COLOURS, strict=True)):
        for at, row in enumerate(rows):
            seconds = row["seconds"].get(name)
            if not seconds:
                continue
            ms = 1e3 * min(seconds)
            share, y = 1e3 * least(row, rates) / ms, at + (place - 2) * height
            ax.barh(y, share, height * 0.9, color=colour, label=name if not at else None)
            ax.text(share + 0.01, y, f"{ms:.0f} ms", va="center", fontsize=7, color="#444444")
    ax.set_yticks(range(len(rows)), ["{:,} x {}, k={}".format(*row["shape"]) for row in rows])
    ax.invert_yaxis()
    ax.set_xlim(0, 1.1)
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.set_xlabel("floor (products or bandwidth) as a share of a Lloyd step")
    ax.legend(frameon=False, loc="lower right")


def quality(methods: dict[str, list[dict[str, Any]]], title: str, ax: Axes) -> None:
    """Draw the loss relative to the best against the bytes that were read, as points."""
    for name, colour, mark in zip(METHODS, COLOURS, MARKS, strict=True):
        if name not in methods:
            continue
        rows = methods[name]
        seconds = median(row["seconds"] for row in rows)
        ax.plot(
            [row["bytes"] / 1e9 for row in rows],
            [row["excess"] for row in rows],
            mark,
            color=colour,
            label=f"{name}, {seconds:.1f} s",
        )
    ax.set_title(title, fontsize=10)
    ax.set_xlabel("GB read")
    ax.set_xlim(left=0)
    ax.set_ylabel("loss over the best found")
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.margins(y=0.15)
    ax.legend(frameon=False, fontsize=8)


def picture(results: dict[str, Any], path: Path) -> None:
    methods = by_method(results) if "end-to-end" in results else {}
    fig = plt.figure(figsize=(12, 5.5 if not methods else 9), layout="constrained")
    upper, *lower = fig.subfigures(2, 1, height_ratios=(3, 2)) if methods else (fig,)
    if "iterations" in results:
        shares(results, upper.subplots())
    for part in lower:
        axes = part.subplots(1, len(methods), squeeze=False)[0]
        for (title, found), ax in zip(methods.items(), axes, strict=True):
            quality(found, title, ax)
    for ax in fig.get_axes():
        ax.spines[["top", "right"]].set_visible(False)
    fig.savefig(path, dpi=110)
    plt.close(fig)
