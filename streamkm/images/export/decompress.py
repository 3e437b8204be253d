"""Writing of the images of an archive as files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from streamkm.errors import DataError, OutputExistsError
from streamkm.images.archive.archive import Archive
from streamkm.images.compression.memory import ImageMemory
from streamkm.images.compression.reads import Reader
from streamkm.images.export.paths import files_of
from streamkm.images.export.portions import CheckCodes, WriteFiles, portions_of
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
    `Archive.metadata`. The place on earth and the nodata value of a raster are in its TIFF or, for
    GDAL, in a file ``.aux.xml`` beside its PNG.

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
    portions = portions_of(opened, wanted, part)
    memory.check(opened.path, max((portion.nbytes for portion in portions), default=0))
    if portions:
        read = Reader(memory, tuple(watch))
        if len(wanted) > 1:
            read("check", CheckCodes(opened, part), portions)
        read("files", WriteFiles(opened, part), portions)
    return list(files.values())


def _size(archive: Archive, name: str) -> tuple[int, int]:
    """Return the height and width of an image."""
    _, height, width, _ = archive.stacks[archive.place(name).stack]["pixels"].shape
    return int(height), int(width)
