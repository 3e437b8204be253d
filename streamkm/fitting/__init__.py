"""State in, state out: how centroids are found."""

from streamkm.fitting.fit import FitState, begin_fit, fit
from streamkm.fitting.stopping import StopRules
from streamkm.fitting.trajectory import Step, Trajectory

__all__ = ["FitState", "Step", "StopRules", "Trajectory", "begin_fit", "fit"]
