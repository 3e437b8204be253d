"""Summaries of streams: weighted samples of bounded size, from which centroids are found."""

from streamkm.streaming.drift import Drift, compare
from streamkm.streaming.forgetting import Forgetting
from streamkm.streaming.frozen import Frozen
from streamkm.streaming.size import summary_rows
from streamkm.streaming.solution import Solution, solve
from streamkm.streaming.summarise import Summarise
from streamkm.streaming.summary import Summary, WeightedRows

__all__ = [
    "Drift",
    "Forgetting",
    "Frozen",
    "Solution",
    "Summarise",
    "Summary",
    "WeightedRows",
    "compare",
    "solve",
    "summary_rows",
]
