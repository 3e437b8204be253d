"""Photographs of one size, by Pillow: files, or members of tars."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.decoding.header import DAMAGE
from streamkm.errors import DataError
from streamkm.files.find import SUFFIXES, File, need
from streamkm.ingesting.source import Form, Piece, Stream

_CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}
_PLAIN = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "LA": "RGBA"}
_WITHOUT_LOSS = {("L", "RGB"), ("L", "RGBA"), ("RGB", "RGBA")}
Named = tuple[str, Callable[[], bytes]]


class Images(Stream):
    """Images one after another, upright as their EXIF orientation says.

    Parameters
    ----------
    files : images, or tars of images
    packed : whether they are tars
    skip_bad : whether to pass over images that are damaged
    skipped : those that a run before passed over
    """

    def __init__(
        self, files: Sequence[File], packed: bool, skip_bad: bool, skipped: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self._pillow, self._ops = need("PIL.Image", "images"), need("PIL.ImageOps", "images")
        self._files, self._packed, self._skip_bad = files, packed, skip_bad
        self._damage = (*DAMAGE, self._pillow.DecompressionBombError)
        self._mode = ""
        self._first, first = next(self._decoded(self._named()), ("", None))
        if first is None:
            raise DataError(f"{files[0].path} holds no image that can be read.")
        height, width, channels = first.shape
        self.skipped = list(skipped)
        self.form = Form(
            "pixels",
            ("image", "y", "x", "channel"),
            None if packed or skip_bad else len(files),
            first.shape,
            first.dtype,
            features=(3,),
            grain=(1, height, width, channels),
            attributes={"coordinates": "file"},
        )

    def pieces(self, start: int) -> Iterator[Piece]:
        named = self._named()
        for _ in range(start + len(self.skipped)):
            next(named, None)
        for name, values in self._decoded(named):
            if values.shape != self.form.row_shape:
                raise DataError(
                    f"{name} has shape {values.shape}, but the first image, {self._first}, "
                    f"{self.form.row_shape}: one store holds images of one size."
                )
            yield Piece(values[None], (name,))

    def _named(self) -> Iterator[Named]:
        """The name of each image, and what reads its bytes before the next is asked for."""
        if not self._packed:
            for file in self._files:
                yield file.path, partial(file.fs.cat_file, file.path)
            return
        for file in self._files:
            with file.open() as stream:
                try:
                    yield from _members(file, stream)
                except (tarfile.TarError, EOFError) as error:
                    raise DataError(f"{file.path} cannot be read as a tar: {error}.") from error

    def _decoded(self, named: Iterator[Named]) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
        for name, read in named:
            stored = read()
            try:
                values = self._pixels(name, stored)
            except DataError:
                raise
            except self._damage as error:
                if not self._skip_bad:
                    raise DataError(
                        f"{name} is damaged ({error}): mend or remove it, or pass --skip-bad."
                    ) from error
                self.skipped.append(name)
            else:
                yield name, values

    def _pixels(self, name: str, stored: bytes) -> npt.NDArray[np.uint8]:
        with self._pillow.open(io.BytesIO(stored)) as opened:
            upright: Any = self._ops.exif_transpose(opened)
        mode = upright.mode
        if mode == "P" and "transparency" in upright.info:
            mode = "RGBA"
        mode = _PLAIN.get(mode, mode)
        if mode not in _CHANNELS:
            raise DataError(f"{name} has mode {mode}; images are of 8 bits, in gray, RGB or RGBA.")
        self._mode = self._mode or mode
        if mode != self._mode and (mode, self._mode) in _WITHOUT_LOSS:
            mode = self._mode
        values = np.asarray(upright.convert(mode))
        return values.reshape(*values.shape[:2], _CHANNELS[mode])


def _members(file: File, stream: Any) -> Iterator[Named]:
    """The images in a tar, in its order; nothing is written to disk."""
    with tarfile.open(fileobj=stream, mode="r|*") as tar:
        for member in tar:
            base = member.name.rpartition("/")[2]
            if member.isfile() and base.lower().endswith(SUFFIXES["images"]) and base[0] != ".":
                content = tar.extractfile(member)
                assert content is not None
                yield f"{file.name}/{member.name}", content.read
            tar.members = []  # type: ignore[attr-defined]  # or a tar of millions is held as a list
