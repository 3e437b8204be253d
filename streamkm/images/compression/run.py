"""A run of compressing, step by step, and going on where an earlier run was killed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zarr

from streamkm.decoding.notices import Notice
from streamkm.errors import DamagedError, DataError, OutputExistsError
from streamkm.images.archive.archive import KIND
from streamkm.images.archive.layout import (
    FORMAT,
    coders_in,
    create_stack,
    finish_stack,
    unfinished,
    write_codebook,
    write_palettes,
    write_profiles,
)
from streamkm.images.coding.coder import Own, Shared
from streamkm.images.coding.encode import DAMAGED_IN, Encode, damaged_in
from streamkm.images.coding.patching import WritePatches, create_patches, rows_of
from streamkm.images.coding.stack import Batch, Stack, owners_of, stacks_of
from streamkm.images.coding.tables import Count, Tables
from streamkm.images.colour.palette import Palette
from streamkm.images.compression.catalogue import Look, shares, unique
from streamkm.images.compression.options import Options
from streamkm.images.compression.reads import Reader, Watch
from streamkm.images.compression.room import Room
from streamkm.images.sources.find import find_items
from streamkm.outputs import marks_of
from streamkm.rows import EVERY_CHUNK, MARK
from streamkm.versions import versions

_FORMAT = 2  # of what a run saves to be resumed: from 2 on, pixels are weighted by their opacity


class Run:
    """The steps of compressing; each is left out where an earlier run took it.

    Parameters
    ----------
    partial : Path, where the archive grows
    options : Options
    room : Room
    skip_bad : whether what is damaged is passed over
    watch : each is called with a `Progress`
    """

    def __init__(
        self, partial: Path, options: Options, room: Room, skip_bad: bool, watch: tuple[Watch, ...]
    ) -> None:
        self._partial, self._options, self._room = partial, options, room
        self._skip_bad, self._read = skip_bad, Reader(room, watch)
        self._bad: list[tuple[str, str]] = []
        self._notices: tuple[Notice, ...] = ()
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
        self._notices = seen.notices
        self._source_nbytes = seen.source_nbytes
        if not seen.headers:
            raise DataError(f"{' '.join(names[:3])}: there is no image in there that can be read.")
        self._stacks = stacks_of(seen.headers, self._options.per, self._options.patch)
        record: dict[str, Any] = {
            "options": self._options.record,
            "images": seen.digest,
            "format": _FORMAT,
        }
        left = marks_of(self._partial).get("compress")
        if left == record:
            return
        if left and not overwrite:
            raise OutputExistsError(
                f"a run before left {self._partial.name} here, begun {_difference(left, record)}. "
                "Give what was given then to go on with it, or pass --overwrite to begin anew."
            )
        # Its marks go first and come last: nobody goes on with what is half removed, or half there.
        (self._partial / "zarr.json").unlink(missing_ok=True)
        for path in self._partial.glob("*"):
            if path != spool:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        group = zarr.create_group(self._partial, attributes={"kind": KIND})
        write_profiles(self._partial, seen.profiles)
        group.update_attributes({"compress": record, "stores_all": True})

    def fit(self) -> None:
        """Find the palettes that images share, and codebooks."""
        if self._marked("fitted"):
            return
        counted = [s for s in self._stacks if not s.by_patches]
        saved = self._partial / "colours"
        if counted and self._options.per != "image" and not self._marked("counted"):
            tables_in_all = len({(s.kind, number) for s in counted for number in s.palettes})
            cells = self._room.cells_each(tables_in_all)
            count = Count(cells, self._room.image_nbytes, self._skip_bad)
            tables: Tables = self._read("colours", count, _batches(counted), saved)
            fitted: dict[str, list[Palette]] = {}
            for kind, number, colours in tables.parts:
                own, found = fitted.setdefault(kind, []), self._options.search(colours)
                own += [found] * (number + 1 - len(own))  # of a folder of damaged images, any
            for stack in counted:
                own = fitted.get(stack.kind, [])
                own += own[-1:] * (max(stack.palettes) + 1 - len(own))
            write_palettes(self._partial, fitted, owners_of(counted))
            self._mark("counted")
        shutil.rmtree(saved, ignore_errors=True)
        by_kind: dict[str, list[Stack]] = {}
        for stack in self._stacks:
            if stack.by_patches:
                by_kind.setdefault(stack.kind, []).append(stack)
        for kind, stacks in by_kind.items():
            if not self._marked(f"trained {kind}"):
                self._train(kind, stacks)
                self._mark(f"trained {kind}")
            shutil.rmtree(self._partial / "patches" / kind, ignore_errors=True)
        self._mark("fitted")

    def _train(self, kind: str, stacks: Sequence[Stack]) -> None:
        """Cut patches of all images of a kind, and find the codebook of those."""
        folder, patch = self._partial / "patches" / kind, self._options.patch
        if not self._marked(f"cutting {kind}"):
            create_patches(folder, stacks)
            self._mark(f"cutting {kind}")
        write = WritePatches(folder, patch, self._room.image_nbytes, self._skip_bad)
        self._read("patches", write, _batches(stacks), folder / "cut")
        limit, saved = self._room.limit, folder / "trained"
        rows, weights = rows_of(folder, stacks)
        codebook = self._options.train(rows, weights, limit, self._read.trained, saved)
        write_codebook(self._partial, kind, codebook, patch)

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
        for gone in ("spool", "patches"):
            shutil.rmtree(self._partial / gone, ignore_errors=True)
        for torn in self._partial.rglob("*.partial"):
            torn.unlink()  # Zarr writes beside, and renames
        group = zarr.open_group(self._partial, mode="r+")
        notices: list[Any] = [list(notice) for notice in self._notices]
        if self._marked("stores_all"):
            group.require_group(MARK).update_attributes(EVERY_CHUNK)
        group.attrs.put(
            {
                "kind": KIND,
                "format": FORMAT,
                "parameters": self._options.record,
                **({"notices": notices} if notices else {}),
                "skipped": [list(bad) for bad in sorted(set(self._bad))],
                "source_nbytes": self._source_nbytes,
                "versions": versions(),
            }
        )
        shutil.rmtree(self._partial / DAMAGED_IN, ignore_errors=True)

    def _marked(self, step: str) -> bool:
        return bool(marks_of(self._partial).get(step))

    def _mark(self, step: str) -> None:
        zarr.open_group(self._partial, mode="r+").update_attributes({step: True})


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The first thing in which two runs differ, in words."""
    for name, value in before["options"].items():
        if value != now["options"].get(name):
            return f"with {name} {value}, and now it is {now['options'].get(name)}"
    if before.get("format") != now["format"]:
        return "by another version of streamkm"
    return "of other images, or before they were written to"


def _batches(stacks: Sequence[Stack]) -> list[Batch]:
    return [batch for stack in stacks for batch in stack.batches()]
