"""Images of an archive as files that open anywhere: PNG, indexed where colours allow; else TIFF."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.errors import DataError, OutputExistsError
from streamkm.images.archive import Archive
from streamkm.ingesting.files import need
from streamkm.ingesting.geotiff import placeless

Array = npt.NDArray[Any]
_INDEXED = 256  # colours of a PNG


def decompress(
    archive: Archive | str | os.PathLike[str],
    out: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write images of an archive as files below a folder, under their names.

    A file has the pixels that the archive holds, exactly, and the ICC profile of the original. Up
    to 256 colours make an indexed PNG, others one in true colour; more than 3 channels a TIFF. A
    PNG of 8 bits has the EXIF data and the resolution too; of others they are in
    `Archive.metadata`.

    Parameters
    ----------
    archive : Archive, or the path of one
    out : folder, which is made where it is not there
    names : images to write; by default all. Patterns such as ``'beach/*'`` are taken too.
    overwrite : whether files that are there are replaced

    Returns
    -------
    list of Path
        Of the files, each of which is there only when it is whole.

    Raises
    ------
    DataError
        When there is no image of a name.
    OutputExistsError
        When there is a file already.
    """
    opened = archive if isinstance(archive, Archive) else Archive(archive)
    files = files_of(opened, Path(out), opened.chosen(names))
    if not overwrite:
        for file in files.values():
            if file.exists():
                raise OutputExistsError(
                    f"{file} exists; name another folder, or overwrite what is there "
                    "(--overwrite, overwrite=True)."
                )
    for name, file in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{hashlib.sha256(os.fsencode(file.name)).hexdigest()}.partial")
        try:
            partial.write_bytes(encoded(opened, name, file.suffix))
            partial.rename(file)
        finally:
            partial.unlink(missing_ok=True)
    return list(files.values())


def files_of(archive: Archive, folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The file of each image: its name with the suffix of what is written.

    Raises
    ------
    DataError
        For names that lead out of the folder, which only a forged archive holds.
    """
    paths = _paths(archive)
    files = {}
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive:
            raise DataError(f"the image {name!r} would be written outside of {folder}.")
        file = files[name] = folder / paths[name]
        if not file.parent.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{file} is outside of {folder}, by a link; name another folder.")
    return files


def _paths(archive: Archive) -> dict[str, str]:
    """Below a folder, a path for each image of an archive: none of two, none a folder of another.

    Whichever images are wanted, each has the same.
    """
    first = {place.stack: name for name, place in archive.places.items()}
    of = {s: ".png" if archive.n_colours(n) in (1, 3) else ".tif" for s, n in first.items()}
    stems = Counter(str(PurePosixPath(name).with_suffix("")) for name in archive)
    folders = {str(parent) for name in archive for parent in PurePosixPath(name).parents}
    paths: dict[str, str] = {}
    taken: set[str] = set()
    for name, place in archive.places.items():
        suffix, stem = of[place.stack], str(PurePosixPath(name).with_suffix(""))
        path = f"{stem if stems[stem] == 1 else name}{suffix}"
        while path in taken or path in folders:
            path += suffix
        taken.add(path)
        paths[name] = path
    return paths


def encoded(archive: Archive, name: str, suffix: str) -> bytes:
    """The bytes of a file with the pixels of an image."""
    metadata, profile = archive.metadata(name), archive.profile(name)
    pixels = archive[name].values
    if suffix == ".tif":
        return _by_gdal(pixels, "GTiff", profile)
    if pixels.dtype.itemsize > 1 and pixels.shape[-1] > 1:
        return _by_gdal(pixels, "PNG", profile)
    beside: dict[str, Any] = {"icc_profile": profile} if profile else {}
    if "exif" in metadata:
        beside["exif"] = base64.b64decode(metadata["exif"])
    if "dpi" in metadata:
        beside["dpi"] = tuple(metadata["dpi"])
    if pixels.shape[-1] == 3 and archive.has_palette(name):
        palette = archive.palette(name)
        if len(palette) <= _INDEXED:
            return indexed_png(archive.codes(name), palette, **beside)
    plain = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return _png(need("PIL.Image", "images").fromarray(plain), **beside)


def indexed_png(codes: Array, palette: Array, **beside: Any) -> bytes:
    """A PNG of codes (y, x) below 256 and their palette (code, 3), uint8."""
    image = need("PIL.Image", "images").fromarray(codes.astype(np.uint8), "P")
    image.putpalette(palette.tobytes(), "RGB")
    return _png(image, **beside)


def _png(image: Any, **beside: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True, **beside)
    return out.getvalue()


def _by_gdal(pixels: Array, driver: str, profile: bytes | None) -> bytes:
    """Of bands, or of more than 8 bits in colour, which Pillow does not write."""
    memory = need("rasterio.io", "images of 16 bits").MemoryFile
    height, width, count = pixels.shape
    options: dict[str, Any] = {"compress": "deflate"} if driver == "GTiff" else {}
    if profile:
        options["SOURCE_ICC_PROFILE"] = base64.b64encode(profile).decode()
    with memory() as file, placeless():
        with file.open(
            driver=driver, height=height, width=width, count=count, dtype=pixels.dtype, **options
        ) as out:
            out.write(np.moveaxis(pixels, -1, 0))
        return bytes(file.read())
