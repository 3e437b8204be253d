"""Members of tars and zips, found without unpacking them."""

from __future__ import annotations

import hashlib
import lzma
import os
import stat
import tarfile
import uuid
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

from streamkm.errors import DamagedError
from streamkm.files.damage import damage
from streamkm.files.find import File, need
from streamkm.files.items import Span, Zipped
from streamkm.files.names import shown, wrong_with
from streamkm.sizes import show_bytes

_COMPRESSION = {"gz": "gzip", "tgz": "gzip", "bz2": "bz2", "xz": "xz"}
_STEP = 4 * 1024**2
_UNPACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@dataclass(frozen=True, slots=True)
class Left:
    """A member that is left out.

    Parameters
    ----------
    name : name as for an image
    reason : a clause
    bad : whether this is an error unless bad files are left out
    """

    name: str
    reason: str
    bad: bool = False


class _Header(tarfile.TarInfo):
    """A header in a tar. An invalid one is an error, not the end of the tar as in ``tarfile``."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not any(buf):
                raise
            raise tarfile.ReadError(f"the header of a member is invalid: {error}") from error


def tar_members(
    stream: BinaryIO, mode: Literal["r:", "r|*"]
) -> Generator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members of a tar in its order, with the open tar.

    Parameters
    ----------
    stream : the tar
    mode : 'r:' for a plain tar of which only headers are read, 'r|*' to read all bytes in order

    Raises
    ------
    tarfile.TarError
        If it cannot be read further; earlier members have been yielded.
    """
    with tarfile.open(fileobj=stream, mode=mode, tarinfo=_Header) as tar:
        while member := tar.next():
            yield tar, member
            tar.members = []  # type: ignore[attr-defined]  # otherwise the list of members grows


def tar_members_of(file: File, stem: str, spool: Path | None) -> Iterator[Span | Left]:
    """Yield the members of a tar, in its order, with their byte positions.

    Parameters
    ----------
    file : the tar
    stem : prefix of the names
    spool : folder to which a compressed tar is unpacked

    Raises
    ------
    DamagedError
        If it cannot be read further; earlier members have been yielded.
    """
    if file.size == 0:
        raise DamagedError(f"{file.path} is empty: copy it again or remove it")
    compression = _COMPRESSION.get(file.path.lower().rpartition(".")[2])
    if compression:
        file = _spooled(file, compression, spool)
    with (
        damage(file.path, tarfile.TarError),
        file.open() as stream,
        closing(tar_members(stream, "r:")) as members,
    ):
        for _, member in members:
            if not member.isdir():
                yield _member(file, stem, member)


def _member(file: File, stem: str, member: tarfile.TarInfo) -> Span | Left:
    name, wrong = _joined(stem, member.name)
    if wrong:
        return Left(name, wrong, True)
    if member.issym() or member.islnk():
        return Left(name, f"a link to {shown(member.linkname)}, and links are not followed")
    if not member.isreg():
        return Left(name, "neither a file nor a folder")
    if member.sparse is not None:
        return Left(name, "a sparse file, whose bytes are not contiguous", True)
    if member.size < 0 or member.offset_data + member.size > file.size:
        return Left(name, "it extends beyond the end of its archive", True)
    return Span(name, file, member.offset_data, member.size)


def zip_members_of(file: File, stem: str) -> Iterator[Zipped | Left]:
    """Yield the members of a zip, in the order of its directory.

    Parameters
    ----------
    file : the zip
    stem : prefix of the names

    Raises
    ------
    DamagedError
        If its directory cannot be read.
    """
    with damage(file.path), file.open() as stream, zipfile.ZipFile(stream) as packed:
        members = packed.infolist()
    search = uuid.uuid4().hex
    for member in members:
        if member.is_dir():
            continue
        name, wrong = _joined(stem, member.filename)
        if wrong:
            yield Left(name, wrong, True)
        elif stat.S_ISLNK(member.external_attr >> 16):
            yield Left(name, "a link, and links are not followed")
        elif member.flag_bits & 1:
            yield Left(name, "it is encrypted", True)
        elif member.compress_type not in _UNPACKED:
            yield Left(
                name, f"its compression method {member.compress_type} is not supported", True
            )
        else:
            yield Zipped(name, file, member.filename, member.file_size, search)


def _joined(stem: str, name: str) -> tuple[str, str | None]:
    """Return the name of a member, and why it is invalid."""
    while name.startswith("./"):  # as tar writes the name of a folder
        name = name[2:]
    return f"{stem}/{name}", wrong_with(name)


def _spooled(file: File, compression: str, spool: Path | None) -> File:
    """Return the plain tar of a compressed one, unpacked to disk unless it exists."""
    if spool is None:
        raise DamagedError(
            f"{file.path} is compressed, and its members can only be read in order: "
            "unpack it first or pass a folder in which to unpack it"
        )
    facts = f"{file.path}\0{file.size}\0{file.stamp}"
    plain = spool / f"{hashlib.sha256(facts.encode()).hexdigest()[:24]}.tar"
    fs = need("fsspec", "sources").filesystem("file")
    if not plain.exists():
        spool.mkdir(parents=True, exist_ok=True)
        partial = plain.with_suffix(f".{os.getpid()}.part")
        try:
            with file.open(compression) as packed, partial.open("wb") as out:
                _unpack(file, packed, out)
            partial.replace(plain)
        finally:
            partial.unlink(missing_ok=True)
    return File(fs, str(plain), plain.stat().st_size, "")


def _unpack(file: File, packed: Any, out: Any) -> None:
    while True:
        try:
            some = packed.read(_STEP)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise DamagedError(f"{file.path} is damaged ({error}): copy it again") from error
        if not some:
            return
        try:
            out.write(some)
        except OSError as error:
            raise DamagedError(
                f"{file.path} cannot be unpacked to {out.name} ({error}, after "
                f"{show_bytes(out.tell())}): unpack it elsewhere and pass the plain tar"
            ) from error
