"""State in, state out: how centroids are found."""

from streamkm.fitting.begin import ALGORITHMS, begin_fit, begin_sweep
from streamkm.fitting.bisecting import Bisected, Leaf, bisect
from streamkm.fitting.budget import fit_budget
from streamkm.fitting.fit import fit
from streamkm.fitting.matching import numbered_like
from streamkm.fitting.reads import Reads
from streamkm.fitting.saved import Saved, load
from streamkm.fitting.saving import Checkpoint, checkpointing, same_data
from streamkm.fitting.scaling import SCALES, scaled, seen_through
from streamkm.fitting.solve import Watch, describe, label, labelling, seeds_of, solve
from streamkm.fitting.state import FitState
from streamkm.fitting.step import Step, history_array
from streamkm.fitting.stopping import StopRules
from streamkm.fitting.trajectory import Trajectory

__all__ = [
    "ALGORITHMS",
    "SCALES",
    "Bisected",
    "Checkpoint",
    "FitState",
    "Leaf",
    "Reads",
    "Saved",
    "Step",
    "StopRules",
    "Trajectory",
    "Watch",
    "begin_fit",
    "begin_sweep",
    "bisect",
    "checkpointing",
    "describe",
    "fit",
    "fit_budget",
    "history_array",
    "label",
    "labelling",
    "load",
    "numbered_like",
    "same_data",
    "scaled",
    "seeds_of",
    "seen_through",
    "solve",
]
