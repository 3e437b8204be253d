"""The function `streamkm.images.compress`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from streamkm.errors import StreamkmError
from streamkm.files.names import source_names
from streamkm.images.archive.archive import Archive
from streamkm.images.compression.memory import ImageMemory
from streamkm.images.compression.options import CompressOptions
from streamkm.images.compression.run import Run
from streamkm.outputs import ARCHIVE, alone, check_store, marks_of, whole
from streamkm.progress import PhaseCallback


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
    palette: Any = None,
    srgb: bool = False,
    frames: bool = False,
    skip_bad: bool = False,
    memory_limit: str | int | None = None,
    overwrite: bool = False,
    watch: Sequence[PhaseCallback] = (),
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
    out : str or path-like
        Folder of the archive, which appears there when it is complete.
    n_colors : int or None
        Maximum number of colours of a palette, or of codewords of a codebook; 256 by default.
    per : {'archive', 'group', 'image'}
        Which images share a palette: all, those of a folder, or none.
    patch : tuple of (int, int)
        Height and width, in pixels, of the patch of a code.
    stages : int or None
        Number of codes of a patch; each encodes the residual of the previous ones.
    quality : float or None
        PSNR in decibels to reach with as few colours, or stages of patches, as possible.
    bits_per_pixel : float or None
        Limit of the codes before they are packed, which sets the number of colours or stages.
    dither : bool
        Whether errors are diffused, as in `quantize`.
    space : {'srgb', 'oklab'}
        Colour space of distances: least squared error, or least visible error.
    n_init : int
        Starts of the search for a palette, from the same table of colours.
    random_state : int
        Seed of the starts after the first.
    palette : Palette, array of shape (k, 3) or (k, 1), path, or None
        Colours that all images get, in this order: a file (.npy, .gpl, .act, .pal of JASC, .json
        of `Palette.to_json`, or text with a colour such as ``#00ff7f`` in each line), a model of
        pixels, or an archive with one palette. It excludes `n_colors` and other options of a
        search.
    srgb : bool
        Whether colours of 8 bits are converted to sRGB by their ICC profile, which is then not
        stored.
    frames : bool
        Whether each frame of an animation (GIF, PNG, WebP, AVIF) is an image, ``x.gif``,
        ``x.gif#2`` and so on, as the pages of a TIFF always are. Otherwise the first frame is.
    skip_bad : bool
        Whether damaged and hostile files are left out; the archive stores their names.
    memory_limit : int, str or None
        Bytes, or text such as '512MiB'.
    overwrite : bool
        Whether to replace an archive that streamkm wrote at `out`, or that another run left there.
    watch : sequence of callable
        Each is called with a `Progress` after every wave of batches.

    Returns
    -------
    Archive
        The archive at `out`.

    Raises
    ------
    DataError
        If the sources cannot be read; the message names the file and the fix.
    MemoryLimitError
        If the limit is too low for an image.
    OutputExistsError
        If something exists at `out`.

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
    names = source_names(sources)
    options = CompressOptions.from_arguments(
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
        palette=palette,
        srgb=srgb,
        frames=frames,
    )
    memory = ImageMemory.from_limit(memory_limit)
    options = replace(options, cells=memory.cells)
    target = check_store(out, ARCHIVE, overwrite, names)
    with alone(target), whole(target, ARCHIVE, overwrite, "compress") as partial:
        run = Run(partial, options, memory, skip_bad, tuple(watch))
        try:
            run.open(names, overwrite)
        except StreamkmError:
            if not marks_of(partial):  # no later run could resume it
                shutil.rmtree(partial, ignore_errors=True)
            raise
        run.fit()
        run.encode()
        run.finish()
    return Archive(target)
