"""Images of an archive that a task checks, or writes as files."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from pathlib import Path

from streamkm.images.archive.archive import Archive
from streamkm.images.archive.metadata import parsed
from streamkm.images.coding.encode import Written
from streamkm.images.export.as_file import as_file
from streamkm.images.export.place import beside_png
from streamkm.images.export.window import Window


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


def portions_of(archive: Archive, files: dict[str, Path], part: Window | None) -> list[Portion]:
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
            if file.suffix == ".png" and (place := beside_png(content, metadata, self.window)):
                _write(file.with_name(f"{file.name}.aux.xml"), place.encode())
            _write(file, content)
        return Written()


def _write(file: Path, content: bytes) -> None:
    """Write a file, which appears when it is complete."""
    # Unique to this task, because Dask repeats a task if it loses contact with a worker.
    partial = file.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        partial.write_bytes(content)
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
