"""State in, state out: how centroids are found."""

from streamkm.fitting.budget import fit_budget
from streamkm.fitting.fit import ALGORITHMS, FitState, begin_fit, begin_sweep, fit
from streamkm.fitting.reads import Reads
from streamkm.fitting.saving import Checkpoint, Saved, checkpointing, load
from streamkm.fitting.solve import Watch, describe, label, labelling, seeds_of, solve
from streamkm.fitting.stopping import StopRules
from streamkm.fitting.trajectory import Step, Trajectory, history_array

__all__ = [
    "ALGORITHMS",
    "Checkpoint",
    "FitState",
    "Reads",
    "Saved",
    "Step",
    "StopRules",
    "Trajectory",
    "Watch",
    "begin_fit",
    "begin_sweep",
    "checkpointing",
    "describe",
    "fit",
    "fit_budget",
    "history_array",
    "label",
    "labelling",
    "load",
    "seeds_of",
    "solve",
]
