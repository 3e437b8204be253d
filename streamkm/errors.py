"""Every exception and warning of streamkm; each message says what to do next."""

from __future__ import annotations

from typing import Any

__all__ = [
    "CheckpointError",
    "CheckpointWarning",
    "ClusterError",
    "DamagedError",
    "DataChangedError",
    "DataError",
    "FewDistinctRowsWarning",
    "KernelCacheWarning",
    "LabelsError",
    "LeftOutWarning",
    "LockedError",
    "LossRoseError",
    "ManyBlocksWarning",
    "MemoryLimitError",
    "NonFiniteError",
    "NotACheckpointError",
    "NotAModelError",
    "OutputExistsError",
    "OutputWarning",
    "PackedDataWarning",
    "ParameterError",
    "ReadError",
    "RunAgain",
    "StreamkmError",
    "StreamkmWarning",
    "ValidationWarning",
]


def __dir__() -> list[str]:
    return __all__


class StreamkmError(Exception):
    """Base of every error that streamkm raises on purpose."""


class DataError(StreamkmError, ValueError):
    """The data cannot be clustered as given."""


class ParameterError(DataError, TypeError):
    """A parameter is not a number of its kind; also a TypeError, as scikit-learn's is."""


class DamagedError(DataError):
    """One image cannot be taken as it is; the others can, without it."""


class NotAModelError(DataError):
    """There is no streamkm model at the path."""


class NonFiniteError(DataError):
    """Rows hold NaN, infinity, or values too large to square.

    Attributes
    ----------
    count : bad rows in the blocks read so far
    row, block : numbers of the first
    large : whether all of them are finite, and only too large
    """

    def __init__(self, count: int, row: int, block: int, large: bool = False) -> None:
        found, fix = "Input contains NaN or infinity", "by nodata=nan (--nodata nan) or a mask"
        if large:
            found = "Input contains values whose squares are too large for float64"
            fix = "by naming their value as nodata or by a mask, or divide all data by a constant"
        super().__init__(
            f"{found}: {count} bad row{'s' if count != 1 else ''} in the "
            f"blocks read so far, the first is row {row} in block {block}. Leave "
            f"them out {fix}, or fill them; a zero weight does not hide them."
        )
        self.count, self.row, self.block, self.large = count, row, block, large

    def __reduce__(self) -> tuple[type, tuple[int, int, int, bool]]:
        return type(self), (self.count, self.row, self.block, self.large)


class ReadError(StreamkmError, OSError):
    """A block of a store could not be read."""


class OutputExistsError(StreamkmError, FileExistsError):
    """An output is already there and was not to be replaced."""


class LabelsError(StreamkmError):
    """Labels could not be written; the model was."""

    def __init__(self, model: str, error: Exception, again: str) -> None:
        super().__init__(
            f"the labels could not be written ({type(error).__name__}: {error}). The model {model} "
            f"is whole; when the cause is mended, this writes them: {again}"
        )


class MemoryLimitError(StreamkmError, MemoryError):
    """The work cannot be held to the memory limit; the message has the numbers."""


class CheckpointError(StreamkmError):
    """A checkpoint cannot be used; the message names what is in the way."""


class NotACheckpointError(CheckpointError):
    """There is no streamkm checkpoint at the path."""


class LockedError(CheckpointError):
    """Another run uses the checkpoint."""

    def __init__(self, where: str, holder: str, until: str = "") -> None:
        super().__init__(
            f"{where} is in use by {holder}{until}. Two runs on one checkpoint would spoil it: "
            "wait, stop that one, or name another checkpoint."
        )


class RunAgain(StreamkmError):
    """A fit was stopped from outside, and its checkpoint holds all of it.

    Attributes
    ----------
    code : exit code of a command that is to be run again
    """

    def __init__(self, message: str, code: int = 75) -> None:
        super().__init__(message)
        self.code = code


class DataChangedError(CheckpointError):
    """The data are not those that the fit began with."""


class ClusterError(StreamkmError):
    """Something of the cluster is gone, or was never there."""


class LossRoseError(StreamkmError, ArithmeticError):
    """The loss rose between two Lloyd iterations, which exact arithmetic rules out.

    Attributes
    ----------
    trajectory : streamkm.fitting.Trajectory
        The last good state; its centroids are those of the lower loss.
    """

    def __init__(self, before: float, after: float, trajectory: Any) -> None:
        super().__init__(
            f"the inertia rose from {before!r} to {after!r}. Either the data changed between "
            "two reads, or their values are so far apart that float64 cannot hold the sums; "
            "check the store, or scale the features. The last good state is kept in .trajectory."
        )
        self.before, self.after, self.trajectory = before, after, trajectory

    def __reduce__(self) -> tuple[type, tuple[float, float, Any]]:
        return type(self), (self.before, self.after, self.trajectory)


class StreamkmWarning(UserWarning):
    """Base of streamkm's warnings."""


class FewDistinctRowsWarning(StreamkmWarning):
    """There are fewer distinct rows than clusters; the surplus clusters stay empty."""


class PackedDataWarning(StreamkmWarning):
    """Stored numbers that stand for others by a scale and an offset are taken as they are."""


class ManyBlocksWarning(StreamkmWarning):
    """A Dask array has so many chunks that its graph alone costs seconds a read."""


class CheckpointWarning(StreamkmWarning):
    """A checkpoint could not be written, or an older one had to be used."""


class KernelCacheWarning(StreamkmWarning):
    """No folder to cache compiled kernels in; they compile again in every process."""


class ValidationWarning(StreamkmWarning):
    """The validation data of a sweep could not be used."""


class LeftOutWarning(StreamkmWarning):
    """Something of the sources is not taken."""


class OutputWarning(StreamkmWarning):
    """An output is written without something that was given, or without a safeguard."""
