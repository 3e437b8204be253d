"""The errors of damaged files."""

from __future__ import annotations

import errno
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from streamkm.errors import DamagedError, ReadError, StreamkmError
from streamkm.files.names import shown

# All exceptions that decoders raise for files that are not images or are truncated.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError)
# Further exceptions of parsers for invalid content; warnings, if warnings are errors.
_ALSO = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, LookupError, ArithmeticError, TypeError),
    *(AttributeError, AssertionError, RuntimeError, UserWarning),
)
# OSErrors of decoders have no errno; those of the system do, also for a damaged offset.
_OF_DECODERS = (None, errno.EINVAL, errno.EOVERFLOW)
# Packages whose errors are those of a connection, not of damaged content.
_NETWORK = {"aiohttp", "aiobotocore", "botocore", "fsspec", "gcsfs", "obstore", "requests", "s3fs"}


def is_of_the_network(error: Exception) -> bool:
    """Return whether an error is that of a client of a network, which is no OSError."""
    return type(error).__module__.partition(".")[0] in _NETWORK


@contextmanager
def damage(name: str, *more: type[Exception]) -> Iterator[None]:
    """Convert exceptions of decoders for damaged files to one error that names the file.

    Parameters
    ----------
    name : name of the image
    more : further exceptions of the decoder

    Raises
    ------
    DamagedError
        For invalid content of the file.
    ReadError
        For failures of the disk or the network.
    """
    caught: tuple[type[Exception], ...] = (*_DAMAGE, *_ALSO, *more)
    try:
        yield
    except StreamkmError:
        raise
    except Exception as error:
        if is_of_the_network(error):
            raise ReadError(f"{shown(name)} cannot be read: {error}") from error
        if not isinstance(error, caught):
            raise
        if isinstance(error, OSError) and error.errno not in _OF_DECODERS:
            raise ReadError(f"{shown(name)} cannot be read: {error}") from error
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise DamagedError(f"{shown(name)} is damaged ({reason}): repair or remove it") from error
