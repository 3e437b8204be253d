"""Summaries of streams: weighted samples of bounded size, from which centroids are found."""

from streamkm.streaming.drift import Drift, compare
from streamkm.streaming.forgetting import Forgetting
from streamkm.streaming.solution import Solution, solve
from streamkm.streaming.summarise import Summarise
from streamkm.streaming.summary import Summary, WeightedRows, summary_rows

__all__ = [
    "Drift",
    "Forgetting",
    "Solution",
    "Summarise",
    "Summary",
    "WeightedRows",
    "compare",
    "solve",
    "summary_rows",
]
