"""The errors of damaged stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from streamkm.errors import DataError, ReadError, StreamkmError
from streamkm.files.damage import is_of_the_network

RESTORE = "restore it from a copy, or write it again"


@contextmanager
def damage(where: str, *others: type[Exception]) -> Iterator[None]:
    """Convert exceptions of decoding to one error that names the store.

    Parameters
    ----------
    where : name of the store, or of an array in it
    others : exceptions that are not converted

    Raises
    ------
    DataError
        For invalid content.
    ReadError
        For failures of the disk or the network.
    """
    raised: tuple[type[Exception], ...] = (StreamkmError, *others)
    try:
        yield
    except raised:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".rstrip(".: ")
        if _is_of_the_system(error):
            raise ReadError(f"{where} cannot be read ({reason}).") from error
        raise DataError(f"{where} is damaged ({reason}): {RESTORE}.") from error


def _is_of_the_system(error: Exception) -> bool:
    """Whether an error comes from the file system or the network, not from decoding."""
    if isinstance(error, FileNotFoundError):
        return False
    if isinstance(error, OSError):  # those of decoders have no number
        return error.errno is not None or isinstance(error, (TimeoutError, ConnectionError))
    return is_of_the_network(error)
