"""Writing of the images of an archive as files."""

from __future__ import annotations

import math
import os
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from streamkm.errors import DataError, OutputExistsError
from streamkm.files.names import wrong_with
from streamkm.images.archive.archive import Archive
from streamkm.images.archive.metadata import parsed
from streamkm.images.coding.encode import Written
from streamkm.images.compression.memory import ImageMemory
from streamkm.images.compression.reads import Reader
from streamkm.images.export.as_file import as_file, suffix_of
from streamkm.images.export.placing import check_places
from streamkm.images.export.window import Window
from streamkm.outputs import local, refuse_in_a_store
from streamkm.progress import PhaseCallback


def decompress(
    archive: Archive | str | os.PathLike[str],
    out: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    overwrite: bool = False,
    missing: bool = False,
    window: Sequence[int] | None = None,
    memory_limit: str | int | None = None,
    watch: Sequence[PhaseCallback] = (),
) -> list[Path]:
    """Write images of an archive as files below a folder, under their names.

    A file has exactly the pixels of the archive and the ICC profile of the original. Images with up
    to 256 colours become indexed PNGs, others PNGs in true colour; images with more than 3 channels
    become TIFFs. A PNG of 8 bits also has the EXIF data and the resolution; for others they are in
    `Archive.metadata`.

    Parameters
    ----------
    archive : Archive, str or path-like
        An archive, or its path.
    out : str or path-like
        Folder, which is created if necessary.
    names : sequence of str, or None
        Names of images, or patterns such as ``'beach/*'``; by default all images.
    overwrite : bool
        Whether existing files are replaced.
    missing : bool
        Whether only missing files are written.
    window : sequence of int, or None
        Position x, y of the upper left pixel, width and height, in pixels, of the part of each
        image that is written; only the chunks of codes that it needs are read. By default whole
        images.
    memory_limit : int, str or None
        Bytes, or text such as '512MiB'; it limits the images that are processed at once.
    watch : sequence of callable
        Each is called with a `Progress` after every task; on a cluster after every wave of them.

    Returns
    -------
    list of Path
        The files; each appears when it is complete.

    Raises
    ------
    DataError
        If there is no image of a name, a window is not within an image, both `overwrite` and
        `missing` are given, or the file system cannot hold a file, for example because its name is
        too long. No file is written then.
    MemoryLimitError
        If the limit is too low for an image.
    OutputExistsError
        If a file exists.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from streamkm.images import compress, decompress
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.eye(9, dtype="u1") * 255).convert("RGB").save(f"{folder}/x.png")
    ...     archive = compress(f"{folder}/x.png", f"{folder}/x.zarr", 2)
    ...     [path.name for path in decompress(archive, f"{folder}/out")]
    ['x.png']
    """
    if overwrite and missing:
        raise DataError(
            "--missing keeps existing files and --overwrite replaces them; give only one."
        )
    folder = local(out)
    refuse_in_a_store(out, folder)
    opened = archive if isinstance(archive, Archive) else Archive(archive)
    memory = ImageMemory.from_limit(memory_limit)
    chosen = opened.chosen(names)
    part = None if window is None else Window.of(window)
    if part is not None:
        for name in chosen:
            part.check(name, *_size(opened, name))
    files = files_of(opened, folder, chosen)
    there = [] if overwrite else [name for name, file in files.items() if file.exists()]
    if there and not missing:
        raise OutputExistsError(
            f"{files[there[0]]} exists; name another folder,",
            python="write only missing files (missing=True), or overwrite existing files "
            "(overwrite=True).",
            command="write only missing files (--missing), or overwrite existing files "
            "(--overwrite).",
        )
    wanted = {name: files[name] for name in files if name not in set(there)}
    portions = _portions(opened, wanted, part)
    memory.check(opened.path, max((portion.nbytes for portion in portions), default=0))
    if portions:
        read = Reader(memory, tuple(watch))
        if len(wanted) > 1:
            read("check", CheckCodes(opened, part), portions)
        read("files", WriteFiles(opened, part), portions)
    return list(files.values())


@dataclass(frozen=True)
class Portion:
    """Images of a stack that one task writes.

    Parameters
    ----------
    stack : name of the stack
    numbers : numbers of the images in the stack, ascending
    names : names of the images
    files : paths of the files
    nbytes : decoded bytes of an image
    """

    stack: str
    numbers: tuple[int, ...]
    names: tuple[str, ...]
    files: tuple[Path, ...]
    nbytes: int

    def __len__(self) -> int:
        return len(self.names)


def _size(archive: Archive, name: str) -> tuple[int, int]:
    """Return the height and width of an image."""
    _, height, width, _ = archive.stacks[archive.place(name).stack]["pixels"].shape
    return int(height), int(width)


def _portions(archive: Archive, files: dict[str, Path], part: Window | None) -> list[Portion]:
    """Group images whose metadata are in the same chunk."""
    together: dict[tuple[str, int], list[tuple[int, str]]] = {}
    for name in files:
        stack, number = archive.place(name)
        key = stack, number // archive.stacks[stack]["metadata"].chunks[0]
        together.setdefault(key, []).append((number, name))
    portions = []
    for (stack, _), some in sorted(together.items()):
        numbers, names = zip(*sorted(some), strict=True)
        pixels = archive.stacks[stack]["pixels"]
        size = pixels.shape[1:3] if part is None else (part.height, part.width)
        nbytes = math.prod(size) * pixels.shape[3] * pixels.dtype.itemsize
        # Absolute, because workers may have other working directories.
        where = tuple(files[name].absolute() for name in names)
        portions.append(Portion(stack, numbers, names, where, nbytes))
    return portions


@dataclass(frozen=True)
class CheckCodes:
    """Read what files are made of, so that damage is found before the first file is written.

    Parameters
    ----------
    archive : Archive
    window : the part of each image, or None
    """

    archive: Archive
    window: Window | None = None

    def __call__(self, portion: Portion) -> Written:
        arrays = self.archive.stacks[portion.stack]
        whole = slice(None), slice(None)
        slices = codes = whole if self.window is None else self.window.slices
        if self.window is not None and not self.archive.has_palette(portion.names[0]):
            sides = zip(slices, self.archive.patch, strict=True)
            high, wide = (slice(s.start // p, -(-s.stop // p)) for s, p in sides)
            codes = high, wide
        first, last = portion.numbers[0], portion.numbers[-1]
        for line in arrays["metadata"][first : last + 1]:
            parsed(str(line), self.archive.path)
        for number in portion.numbers:
            arrays["codes"][(number, *codes)]
            if "alpha" in arrays:
                arrays["alpha"][(number, *slices)]
        return Written()


@dataclass(frozen=True)
class WriteFiles:
    """Write images as files, each of which appears when it is complete.

    Parameters
    ----------
    archive : Archive
    window : the part of each image, or None
    """

    archive: Archive
    window: Window | None = None

    def __call__(self, portion: Portion) -> Written:
        first, last = portion.numbers[0], portion.numbers[-1]
        lines = self.archive.stacks[portion.stack]["metadata"][first : last + 1]
        for number, name, file in zip(portion.numbers, portion.names, portion.files, strict=True):
            metadata = parsed(str(lines[number - first]), self.archive.path)
            content = as_file(self.archive, name, metadata, self.window)
            file.parent.mkdir(parents=True, exist_ok=True)
            # Unique to this task, because Dask repeats a task if it loses contact with a worker.
            partial = file.with_name(f".{uuid.uuid4().hex}.partial")
            try:
                partial.write_bytes(content)
                partial.rename(file)
            finally:
                partial.unlink(missing_ok=True)
        return Written()


def files_of(archive: Archive, folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Return the path of the file of each image: its name with the suffix of the file.

    Raises
    ------
    DataError
        For names that point outside the folder or are invalid, which only a forged archive has, and
        for files that cannot all be written there.
    """
    for name in archive:
        wrong = wrong_with(name)
        if wrong:
            raise DataError(f"the image {name!r} would be written outside of {folder}: {wrong}.")
    paths = _paths(archive)
    files = {name: folder / paths[name] for name in names}
    check_places(folder, files)
    for parent in {file.parent for file in files.values()}:
        refuse_in_a_store(parent, parent)
    for file in files.values():
        if not file.parent.resolve().is_relative_to(folder.resolve()):
            raise DataError(
                f"{file} lies outside of {folder} because of a link; name another folder."
            )
    return files


def _paths(archive: Archive) -> dict[str, str]:
    """Return a distinct path for each image of an archive, none of them a folder of another.

    The paths do not depend on the selection of images.
    """
    first = {place.stack: name for name, place in archive.places.items()}
    suffixes = {stack: suffix_of(archive, name) for stack, name in first.items()}
    stems = Counter(str(PurePosixPath(name).with_suffix("")) for name in archive)
    folders = {str(parent) for name in archive for parent in PurePosixPath(name).parents}
    paths: dict[str, str] = {}
    taken: set[str] = set()
    for name, place in archive.places.items():
        suffix, stem = suffixes[place.stack], str(PurePosixPath(name).with_suffix(""))
        path = f"{stem if stems[stem] == 1 else name}{suffix}"
        while path in taken or path in folders:
            path += suffix
        taken.add(path)
        paths[name] = path
    return paths
