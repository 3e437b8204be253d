"""Update rules that move centroids between two reads; each is a frozen dataclass."""

from streamkm.updates.accelerated import (
    ALGORITHMS,
    AcceleratedState,
    AcceleratedUpdate,
    BoundaryRows,
)
from streamkm.updates.base import Update, UpdateState
from streamkm.updates.batches import Batches, PartialSeeding
from streamkm.updates.bounded import BoundedUpdate, bounding_nbytes
from streamkm.updates.bounded_state import BoundedState, check_sizes
from streamkm.updates.counted import CountedState, CountedUpdate
from streamkm.updates.lloyd import LloydState, LloydUpdate, LossesUpdate, ScatterUpdate
from streamkm.updates.minibatch import MiniBatchState, MiniBatchUpdate
from streamkm.updates.observed import ObservedSeeding, ObservedUpdate
from streamkm.updates.spherical import SphericalUpdate
from streamkm.updates.step import Step, history_array
from streamkm.updates.stopping import StopRules

__all__ = [
    "ALGORITHMS",
    "AcceleratedState",
    "AcceleratedUpdate",
    "Batches",
    "BoundaryRows",
    "BoundedState",
    "BoundedUpdate",
    "CountedState",
    "CountedUpdate",
    "LloydState",
    "LloydUpdate",
    "LossesUpdate",
    "MiniBatchState",
    "MiniBatchUpdate",
    "ObservedSeeding",
    "ObservedUpdate",
    "PartialSeeding",
    "ScatterUpdate",
    "SphericalUpdate",
    "Step",
    "StopRules",
    "Update",
    "UpdateState",
    "bounding_nbytes",
    "check_sizes",
    "history_array",
]
