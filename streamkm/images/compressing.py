"""``streamkm.images.compress``: from the names of files to an archive that is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import zarr

from streamkm.errors import DamagedError, DataError, OutputExistsError, StreamkmError
from streamkm.images.archive import KIND, Archive
from streamkm.images.catalogue import Look, shares, unique
from streamkm.images.coder import Own, Shared
from streamkm.images.encode import DAMAGED_IN, Encode, damaged_in
from streamkm.images.layout import (
    FORMAT,
    coders_in,
    create_stack,
    finish_stack,
    unfinished,
    write_codebook,
    write_palettes,
    write_profiles,
)
from streamkm.images.options import Options
from streamkm.images.palette import Palette
from streamkm.images.patching import WritePatches, create_patches, rows_of
from streamkm.images.reads import Reader, Watch
from streamkm.images.room import Room
from streamkm.images.sources import find_items
from streamkm.images.stack import Batch, Stack, owners_of, stacks_of
from streamkm.images.tables import Count, Tables
from streamkm.sizes import parse_bytes
from streamkm.stores import alone, check_output, marks_of, whole
from streamkm.versions import versions


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

    Headers are read first, so that what cannot be done is refused before any image is decoded.
    Then the pixels are read once for the palettes, unless each image gets its own, and once for the
    codes. A run that was killed leaves a hidden folder beside `out`, with which the same call goes
    on, to the same bytes.

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
    options = Options.of(
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
    room = Room.of(None if memory_limit is None else parse_bytes(memory_limit))
    options = replace(options, cells=room.cells)
    target = check_output(out, overwrite, names)
    with alone(target), whole(target, overwrite, "compress") as partial:
        run = _Run(partial, options, room, skip_bad, tuple(watch))
        try:
            run.begin(names, overwrite)
        except StreamkmError:
            if not marks_of(partial):  # nothing is there that another run could go on with
                shutil.rmtree(partial, ignore_errors=True)
            raise
        run.fit()
        run.encode()
        run.finish()
    return Archive(target)


class _Run:
    """What the steps of one run share; each is left out where an earlier run took it."""

    def __init__(
        self, partial: Path, options: Options, room: Room, skip_bad: bool, watch: tuple[Watch, ...]
    ) -> None:
        self._partial, self._options, self._room = partial, options, room
        self._skip_bad, self._read = skip_bad, Reader(room, watch)
        self._bad: list[tuple[str, str]] = []
        self._stacks: tuple[Stack, ...] = ()
        self._source_nbytes = 0

    def begin(self, names: list[str], overwrite: bool) -> None:
        """Read all headers; see whether this goes on with what an earlier run left."""
        for name in names:
            if marks_of(name).get("kind") == KIND:
                raise DataError(f"{name} is an archive already: decompress it first.")
        spool = self._partial / "spool"
        found = find_items(names, spool=spool, skip_bad=self._skip_bad)
        look = Look(self._room.image_nbytes, self._skip_bad)
        seen = unique(self._read.look(look, shares(found.items)), self._skip_bad)
        self._bad = [*found.left_out, *seen.bad]
        self._source_nbytes = seen.source_nbytes
        if not seen.headers:
            raise DataError(f"{' '.join(names[:3])}: there is no image in there that can be read.")
        self._stacks = stacks_of(seen.headers, self._options.per, self._options.patch)
        record = {"options": self._options.record, "images": seen.digest}
        left = marks_of(self._partial).get("compress")
        if left == record:
            return
        if left and not overwrite:
            raise OutputExistsError(
                f"a run before left {self._partial.name} here, begun {_difference(left, record)}. "
                "Give what was given then to go on with it, or pass --overwrite to begin anew."
            )
        for path in self._partial.glob("*"):
            if path != spool:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        zarr.create_group(self._partial, attributes={"kind": KIND, "compress": record})
        write_profiles(self._partial, seen.profiles)

    def fit(self) -> None:
        """Find the palettes that images share, and codebooks."""
        if self._marked("fitted"):
            return
        counted = [s for s in self._stacks if not s.by_patches]
        if counted and self._options.per != "image":
            tables_in_all = len({(s.kind, number) for s in counted for number in s.palettes})
            cells = self._room.cells_each(tables_in_all)
            count = Count(cells, self._room.image_nbytes, self._skip_bad)
            saved = self._partial / "colours"
            tables: Tables = self._read("colours", count, _batches(counted), saved)
            fitted: dict[str, list[Palette]] = {}
            for kind, number, colours in tables.parts:
                own, found = fitted.setdefault(kind, []), self._options.search(colours)
                own += [found] * (number + 1 - len(own))  # of a folder of damaged images, any
            for stack in counted:
                own = fitted.get(stack.kind, [])
                own += own[-1:] * (max(stack.palettes) + 1 - len(own))
            write_palettes(self._partial, fitted, owners_of(counted))
            shutil.rmtree(saved, ignore_errors=True)
        by_kind: dict[str, list[Stack]] = {}
        for stack in self._stacks:
            if stack.by_patches:
                by_kind.setdefault(stack.kind, []).append(stack)
        for kind, stacks in by_kind.items():
            folder, patch = self._partial / "patches", self._options.patch
            create_patches(folder, stacks)
            write = WritePatches(folder, patch, self._room.image_nbytes, self._skip_bad)
            self._read("patches", write, _batches(stacks))
            codebook = self._options.train(
                rows_of(folder, stacks), self._room.limit, self._read.trained
            )
            write_codebook(self._partial, kind, codebook, patch)
            shutil.rmtree(folder)
        self._mark("fitted")

    def encode(self) -> None:
        """Write the codes that are not there yet."""
        if not self._marked("laid_out"):
            for stack in self._stacks:
                create_stack(self._partial, stack, self._options.n_colors)
            self._mark("laid_out")
        shared = Shared(coders_in(self._partial, self._options.space))
        own = Own(self._options.search, self._room.cells, shared)
        coders = own if self._options.per == "image" else shared
        encode = Encode(
            self._partial, coders, self._options.dither, self._room.image_nbytes, self._skip_bad
        )
        missing = {stack.name: unfinished(self._partial, stack.name) for stack in self._stacks}
        batches = _batches(self._stacks)
        left = [batch for batch in batches if missing[batch.stack][batch.region].any()]
        if left:
            self._read("codes", encode, left)
        told = damaged_in(self._partial)
        if told and not self._skip_bad:  # an earlier run passed over them
            raise DamagedError(told[0][1])
        if len(told) == sum(len(stack.headers) for stack in self._stacks):
            raise DataError(f"no image could be decoded; the first of {len(told):,}: {told[0][1]}")
        self._bad += told

    def finish(self) -> None:
        """What is only for going on goes; the marks of an archive that is whole come last."""
        for stack in self._stacks:
            finish_stack(self._partial, stack.name)
        shutil.rmtree(self._partial / "spool", ignore_errors=True)
        for torn in self._partial.rglob("*.partial"):
            torn.unlink()  # Zarr writes beside, and renames
        group = zarr.open_group(self._partial, mode="r+")
        group.attrs.put(
            {
                "kind": KIND,
                "format": FORMAT,
                "parameters": self._options.record,
                "skipped": [list(bad) for bad in sorted(set(self._bad))],
                "source_nbytes": self._source_nbytes,
                "versions": versions(),
            }
        )
        shutil.rmtree(self._partial / DAMAGED_IN, ignore_errors=True)

    def _marked(self, step: str) -> bool:
        return bool(marks_of(self._partial).get(step))

    def _mark(self, step: str) -> None:
        zarr.open_group(self._partial, mode="r+").attrs.update({step: True})


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The first thing in which two runs differ, in words."""
    for name, value in before["options"].items():
        if value != now["options"].get(name):
            return f"with {name} {value}, and now it is {now['options'].get(name)}"
    return "of other images, or before they were written to"


def _batches(stacks: Sequence[Stack]) -> list[Batch]:
    return [batch for stack in stacks for batch in stack.batches()]
