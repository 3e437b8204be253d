"""Fits as sequences of immutable states."""

from streamkm.fitting.budget import fit_budget
from streamkm.fitting.first import first_state, first_subspaces_state, first_sweep_state
from streamkm.fitting.fit import fit
from streamkm.fitting.iterate import (
    StateCallback,
    describe,
    iterate,
    label,
    label_pass,
    labelled,
    restart_seeds,
)
from streamkm.fitting.matching import match_numbering
from streamkm.fitting.reads import Reads
from streamkm.fitting.record import refuse_changes, same_data
from streamkm.fitting.saving import Checkpoint, checkpointing
from streamkm.fitting.scaling import SCALES, learn_scaling, with_scaling
from streamkm.fitting.state import FitState
from streamkm.fitting.trajectory import Trajectory

__all__ = [
    "SCALES",
    "Checkpoint",
    "FitState",
    "Reads",
    "StateCallback",
    "Trajectory",
    "checkpointing",
    "describe",
    "first_state",
    "first_subspaces_state",
    "first_sweep_state",
    "fit",
    "fit_budget",
    "iterate",
    "label",
    "label_pass",
    "labelled",
    "learn_scaling",
    "match_numbering",
    "refuse_changes",
    "restart_seeds",
    "same_data",
    "with_scaling",
]
