"""Summaries of streams: weighted samples of bounded size, from which centroids are found."""

from streamkm.streaming.solution import Solution, solve
from streamkm.streaming.summarise import Summarise
from streamkm.streaming.summary import Summary, WeightedRows, summary_rows

__all__ = ["Solution", "Summarise", "Summary", "WeightedRows", "solve", "summary_rows"]
