"""``streamkm.images.compress``: from the names of files to an archive that is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace

from streamkm.errors import DataError, StreamkmError
from streamkm.images.archive.archive import Archive
from streamkm.images.compression.options import Options
from streamkm.images.compression.room import Room
from streamkm.images.compression.run import Run
from streamkm.outputs import ARCHIVE, alone, check_store, marks_of, whole
from streamkm.progress import Watch
from streamkm.sizes import parse_bytes


def compress(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    n_colors: int | None = None,
    *,
    per: str = "archive",
    patch: tuple[int, int] = (1, 1),
    stages: int | None = None,
    quality: float | None = None,
    bits_per_pixel: float | None = None,
    dither: bool = False,
    space: str = "srgb",
    n_init: int = 1,
    random_state: int = 0,
    skip_bad: bool = False,
    memory_limit: str | int | None = None,
    overwrite: bool = False,
    watch: Sequence[Watch] = (),
) -> Archive:
    """Compress images into one archive of palettes and codes.

    Headers are read first, so that errors are raised before any image is decoded. Then the pixels
    are read once for the palettes, unless each image has its own, and once for the codes. A run
    that was killed leaves a hidden folder beside `out`; the same call resumes it and writes the
    same bytes.

    Parameters
    ----------
    sources : path, URL, folder or pattern, or several of them
        Image files, tars and zips of them, TIFFs of several pages, Zarr arrays, OME-Zarr.
    out : folder of the archive, which appears there when it is whole
    n_colors : colours of a palette, or codewords of a codebook, at most; 256 by default
    per : what has a palette: the whole 'archive', each 'group' (a folder), or each 'image'
    patch : height and width of what a code stands for; of one pixel by default
    stages : codes of a patch, each for what those before leave over
    quality : PSNR in dB that as few colours, or stages of patches, as can be should reach
    bits_per_pixel : of the codes, before they are packed: as many colours, or stages, as it allows
    dither : whether errors are diffused (Floyd and Steinberg 1976)
    space : 'srgb', where the squared error is least, or 'oklab', where people see it least
    n_init : starts of the search for a palette, from the same table of colours
    random_state : seed of starts after the first
    skip_bad : whether damaged and hostile files are passed over; their names are kept
    memory_limit : bytes, or a text such as '512MiB'
    overwrite : whether to replace what streamkm wrote at `out`, and what another run left there
    watch : each is called with a `Progress` after every wave of batches

    Returns
    -------
    Archive

    Raises
    ------
    DataError
        For sources that cannot be read; the message names the file and the fix.
    MemoryLimitError
        When the limit leaves no room for an image.
    OutputExistsError
        When something is at `out` already.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from streamkm import images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.eye(4, dtype="u1") * 255).convert("RGB").save(f"{folder}/x.png")
    ...     archive = images.compress(f"{folder}/x.png", f"{folder}/x.zarr", 2)
    ...     archive["x.png"].shape
    (4, 4, 3)
    """
    several = [sources] if isinstance(sources, (str, os.PathLike)) else sources
    names = [os.fspath(source) for source in several]
    if not names:
        raise DataError("no sources were given.")
    options = Options.from_arguments(
        n_colors=n_colors,
        per=per,
        patch=patch,
        stages=stages,
        quality=quality,
        bits_per_pixel=bits_per_pixel,
        dither=dither,
        space=space,
        n_init=n_init,
        seed=random_state,
    )
    room = Room.from_limit(None if memory_limit is None else parse_bytes(memory_limit))
    options = replace(options, cells=room.cells)
    target = check_store(out, ARCHIVE, overwrite, names)
    with alone(target), whole(target, ARCHIVE, overwrite, "compress") as partial:
        run = Run(partial, options, room, skip_bad, tuple(watch))
        try:
            run.open(names, overwrite)
        except StreamkmError:
            if not marks_of(partial):  # no run could resume what is there
                shutil.rmtree(partial, ignore_errors=True)
            raise
        run.fit()
        run.encode()
        run.finish()
    return Archive(target)
