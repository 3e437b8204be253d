"""State in, state out: how centroids are found."""

from streamkm.fitting.budget import fit_budget
from streamkm.fitting.fit import ALGORITHMS, FitState, begin_fit, begin_sweep, fit
from streamkm.fitting.reads import Reads
from streamkm.fitting.solve import describe, label, seeds_of, solve
from streamkm.fitting.stopping import StopRules
from streamkm.fitting.trajectory import Step, Trajectory, history_array

__all__ = [
    "ALGORITHMS",
    "FitState",
    "Reads",
    "Step",
    "StopRules",
    "Trajectory",
    "begin_fit",
    "begin_sweep",
    "describe",
    "fit",
    "fit_budget",
    "history_array",
    "label",
    "seeds_of",
    "solve",
]
