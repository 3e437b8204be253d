"""State in, state out: how centroids are found."""

from streamkm.fitting.begin import ALGORITHMS, begin_fit, begin_sweep
from streamkm.fitting.bisecting import Bisected, Leaf, bisect
from streamkm.fitting.budget import fit_budget
from streamkm.fitting.fit import fit
from streamkm.fitting.iterate import Watch, describe, iterate, label, labelling, restart_seeds
from streamkm.fitting.matching import numbered_like
from streamkm.fitting.reads import Reads
from streamkm.fitting.saved import load
from streamkm.fitting.saving import Checkpoint, checkpointing, same_data
from streamkm.fitting.scaling import SCALES, learn_scaling, with_scaling
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
    "iterate",
    "label",
    "labelling",
    "learn_scaling",
    "load",
    "numbered_like",
    "restart_seeds",
    "same_data",
    "with_scaling",
]
