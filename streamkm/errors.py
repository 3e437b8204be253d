"""Exceptions and warnings of streamkm. Each message says what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = [
    "CheckpointError",
    "CheckpointWarning",
    "ClusterError",
    "DamagedError",
    "DamagedImagesError",
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


class _TwoInterfaces(Exception):
    """A message whose advice differs between Python and the command line.

    Parameters
    ----------
    message : str
    python, command : str
        The rest of the message, in Python's words and in those of the command line.

    Attributes
    ----------
    for_command : str
        The message for the command line.

    Examples
    --------
    >>> error = DataError("the data are empty.", python="Give x=...", command="Give --x.")
    >>> str(error), error.for_command
    ('the data are empty. Give x=...', 'the data are empty. Give --x.')
    """

    def __init__(self, message: object = "", *, python: str = "", command: str = "") -> None:
        super().__init__(" ".join(filter(None, (str(message), python))))
        own = " ".join(filter(None, (str(message), command)))
        self._for_command = own if python or command else None

    @property
    def for_command(self) -> str:
        """The message for the command line.

        Returns
        -------
        str
            The message with its end for the command line, or `str(error)` if both are the same.

        Examples
        --------
        >>> DataError("No rows.", python="Give x=...", command="Give --x.").for_command
        'No rows. Give --x.'
        """
        return str(self) if self._for_command is None else self._for_command


class StreamkmError(_TwoInterfaces):
    """Base class of the errors that streamkm raises."""


class DataError(StreamkmError, ValueError):
    """The data cannot be clustered as given."""


class ParameterError(DataError, TypeError):
    """A parameter is not a valid number; also a TypeError, as in scikit-learn."""


class DamagedError(DataError):
    """An image cannot be processed; other images can.

    Parameters
    ----------
    fault : str
        Description of the fault and of its repair, without a final period. The message also says
        how to leave the image out.

    Attributes
    ----------
    reason : str
        The fault as a sentence.
    """

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.reason = f"{fault}."

    def __str__(self) -> str:
        return f"{self.reason[:-1]}, or leave it out with --skip-bad."


class DamagedImagesError(DamagedError):
    """Images cannot be processed; the message lists the first of them.

    Attributes
    ----------
    images : tuple of (str, str)
        Name and reason of every such image or file, sorted.
    """

    LISTED = 20  # maximum number of images in the message

    def __init__(self, images: Iterable[tuple[str, str]]) -> None:
        self.images = tuple(sorted((str(name), str(reason)) for name, reason in images))
        super().__init__(self.images[0][1].removesuffix("."))

    def __reduce__(self) -> tuple[type, tuple[Any]]:
        return type(self), (self.images,)

    def __str__(self) -> str:
        if len(self.images) == 1:
            return super().__str__()
        lines = [f"  {reason}" for _, reason in self.images[: self.LISTED]]
        if len(self.images) > self.LISTED:
            lines.append(f"  and {len(self.images) - self.LISTED:,} more")
        return "\n".join(
            [
                f"{len(self.images):,} files cannot be processed:",
                *lines,
                "Repair or remove them, or leave them out with --skip-bad.",
            ]
        )


class NotAModelError(DataError):
    """There is no streamkm model at the path."""


class NonFiniteError(DataError):
    """Rows contain NaN, infinity, or values too large to square.

    Attributes
    ----------
    count : int
        Number of invalid rows in the blocks read so far.
    row : int
        Row number of the first invalid row.
    block : int or None
        Block number of the first invalid row, or None for rows without blocks.
    large : bool
        Whether all invalid rows are finite but too large.
    """

    def __init__(self, count: int, row: int, block: int | None, large: bool = False) -> None:
        where = f"so far; the first is row {row}"
        if block is not None:
            where = f"in the blocks read so far; the first is row {row} in block {block}"
        found, value, more = "Input contains NaN or infinity", "nan", ""
        if large:
            found = "Input contains values whose squares are too large for float64"
            value, more = "<their value>", ", or divide all data by a constant"
        end = f"or a mask{more}, or fill them; a zero weight does not exclude them."
        super().__init__(
            f"{found}: {count} bad row{'s' if count != 1 else ''} {where}. Leave them out by",
            python=f"nodata={value} {end}",
            command=f"--nodata {value} {end}",
        )
        self.count, self.row, self.block, self.large = count, row, block, large

    def __reduce__(self) -> tuple[type, tuple[int, int, int | None, bool]]:
        return type(self), (self.count, self.row, self.block, self.large)


class ReadError(StreamkmError, OSError):
    """A block of a store could not be read."""


class OutputExistsError(StreamkmError, FileExistsError):
    """An output exists and may not be replaced."""


class LabelsError(StreamkmError):
    """The model was written, but the labels could not be written."""

    def __init__(self, model: str, error: Exception, again: str) -> None:
        cause = getattr(error, "for_command", error)
        super().__init__(
            f"the labels could not be written ({type(error).__name__}: {cause}). The model {model} "
            f"is complete. Fix the cause, then write the labels with: {again}"
        )


class MemoryLimitError(StreamkmError, MemoryError):
    """The work does not fit in the memory limit; the message has the numbers."""


class CheckpointError(StreamkmError):
    """A checkpoint cannot be used; the message gives the reason."""


class NotACheckpointError(CheckpointError):
    """There is no streamkm checkpoint at the path."""


class LockedError(CheckpointError):
    """Another run uses the checkpoint."""

    def __init__(self, where: str, holder: str, until: str = "") -> None:
        super().__init__(
            f"{where} is in use by {holder}{until}. Only one run may use a checkpoint: wait, stop "
            "that run, or name another checkpoint."
        )


class RunAgain(StreamkmError):
    """A fit was stopped by a signal or a time limit, and its checkpoint is complete.

    Attributes
    ----------
    code : int
        Exit code of the command.
    """

    def __init__(self, message: str, code: int = 75) -> None:
        super().__init__(message)
        self.code = code


class DataChangedError(CheckpointError):
    """The data differ from those with which the fit began."""


class ClusterError(StreamkmError):
    """A part of the cluster is lost or could not be reached."""


class LossRoseError(StreamkmError, ArithmeticError):
    """The loss rose between two Lloyd iterations, which is impossible in exact arithmetic.

    Attributes
    ----------
    state : streamkm.updates.UpdateState
        The last valid state of the restart, with the centroids of the lower loss.
    """

    def __init__(self, before: float, after: float, state: Any) -> None:
        super().__init__(
            f"the inertia rose from {before!r} to {after!r}. Either the data changed between "
            "two reads, or the range of their values is too wide for sums in float64: check "
            "the store, or scale the features. The attribute state holds the last good state."
        )
        self.before, self.after, self.state = before, after, state

    def __reduce__(self) -> tuple[type, tuple[float, float, Any]]:
        return type(self), (self.before, self.after, self.state)


class StreamkmWarning(_TwoInterfaces, UserWarning):
    """Base class of streamkm's warnings."""


class FewDistinctRowsWarning(StreamkmWarning):
    """There are fewer distinct rows than clusters; the surplus clusters stay empty."""


class PackedDataWarning(StreamkmWarning):
    """Stored numbers with a scale and an offset are used without applying them."""


class ManyBlocksWarning(StreamkmWarning):
    """A Dask array has so many chunks that its graph costs seconds for each read."""


class CheckpointWarning(StreamkmWarning):
    """A checkpoint could not be written, or an older state was used."""


class KernelCacheWarning(StreamkmWarning):
    """Compiled kernels cannot be cached, so every process compiles them."""


class ValidationWarning(StreamkmWarning):
    """The validation data of a sweep could not be used."""


class LeftOutWarning(StreamkmWarning):
    """A part of the sources is left out."""


class OutputWarning(StreamkmWarning):
    """An output is written without some of its metadata, or without a safeguard."""
