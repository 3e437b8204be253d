"""The steps of a run of `compress`, which resumes a killed run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zarr

from streamkm.checkpoint import Record, may_resume
from streamkm.decoding.notices import Notice
from streamkm.errors import DamagedImagesError, DataError
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
from streamkm.images.codebook.training import fit_codebook
from streamkm.images.coding.coder import OwnCoders, SharedCoders
from streamkm.images.coding.encode import DAMAGED_IN, Encode, Written, damaged_in
from streamkm.images.coding.patching import WritePatches, create_patches, rows_of
from streamkm.images.coding.stack import Stack, batches_of, owners_of, stacks_of
from streamkm.images.coding.tables import Count, Tables
from streamkm.images.colour.palette import Palette
from streamkm.images.compression.catalogue import unique
from streamkm.images.compression.memory import ImageMemory
from streamkm.images.compression.options import CompressOptions
from streamkm.images.compression.reads import Reader
from streamkm.images.sources import search_items
from streamkm.outputs import ARCHIVE, marks_of
from streamkm.outputs.sealing import seal
from streamkm.progress import PhaseCallback, tracked
from streamkm.rows import EVERY_CHUNK, MARK, damage
from streamkm.versions import versions

_FORMAT = 2  # format of a partial archive; from 2 on, pixels are weighted by opacity


class Run:
    """The steps of compressing; a step that an earlier run finished is skipped.

    Parameters
    ----------
    partial : Path of the unfinished archive
    options : CompressOptions
    memory : ImageMemory
    skip_bad : whether damaged images are skipped
    watch : each is called with a `Progress`
    """

    def __init__(
        self,
        partial: Path,
        options: CompressOptions,
        memory: ImageMemory,
        skip_bad: bool,
        watch: tuple[PhaseCallback, ...],
    ) -> None:
        self._partial, self._options, self._memory = partial, options, memory
        self._skip_bad = skip_bad
        self._read = Reader(memory, watch, options.srgb, options.frames)
        self._bad: list[tuple[str, str]] = []
        self._notices: tuple[Notice, ...] = ()
        self._stacks: tuple[Stack, ...] = ()
        self._source_nbytes = 0

    def open(self, names: list[str], overwrite: bool) -> None:
        """Read all headers; resume an earlier run, or start an archive."""
        for name in names:
            if marks_of(name).get("kind") == ARCHIVE:
                raise DataError(f"{name} is already an archive; decompress it first.")
        spool = self._partial / "spool"
        found = search_items(names, spool)
        catalogue = unique(self._read.catalogue(found.items))
        if not self._skip_bad:
            found.refuse(names, catalogue.bad)
        found.refuse_none(names)
        self._bad = [*found.left_out, *catalogue.bad]
        self._notices = catalogue.notices
        self._source_nbytes = catalogue.source_nbytes
        if not catalogue.headers:
            raise DataError(f"no readable image was found in {' '.join(names[:3])}.")
        self._stacks = stacks_of(catalogue.headers, self._options.per, self._options.patch)
        if self._options.colours is not None:
            self._given()  # raises an error for images that it does not suit
        images = {"number of images": len(catalogue.headers), "images": catalogue.digest}
        asked = {**self._options.record, "format of the run": _FORMAT}
        record = Record("compress", asked, images, versions=versions())
        left = marks_of(self._partial).get("record")
        before = Record.from_json(left) if left else None
        if may_resume(before, record, self._partial, overwrite):
            return
        # The marks are removed first and written last, so that no run resumes half an archive.
        (self._partial / "zarr.json").unlink(missing_ok=True)
        for path in self._partial.glob("*"):
            if path != spool:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        group = zarr.create_group(self._partial, attributes={"kind": ARCHIVE})
        write_profiles(self._partial, catalogue.profiles)
        group.update_attributes({"record": record.to_json(), "stores_all": True})

    def fit(self) -> None:
        """Find the palettes that images share, and the codebooks."""
        if self._marked("fitted"):
            return
        if self._options.colours is not None:
            write_palettes(self._partial, self._given(), owners_of(self._stacks))
            self._mark("fitted")
            return
        counted = [s for s in self._stacks if not s.by_patches]
        counts = counted and self._options.per != "image" and not self._marked("counted")
        tables = self._count(counted) if counts else None
        by_kind: dict[str, list[Stack]] = {}
        for stack in self._stacks:
            if stack.by_patches and not self._marked(f"trained {stack.kind}"):
                by_kind.setdefault(stack.kind, []).append(stack)
        bad = list(tables.bad) if tables else []
        for kind, stacks in by_kind.items():
            bad += self._cut(kind, stacks)
        self._refuse(bad)
        if tables:
            self._search(tables, counted)
            self._mark("counted")
        shutil.rmtree(self._partial / "colours", ignore_errors=True)
        for kind, stacks in by_kind.items():
            self._train(kind, stacks)
            self._mark(f"trained {kind}")
        shutil.rmtree(self._partial / "patches", ignore_errors=True)
        self._mark("fitted")

    def _given(self) -> dict[str, list[Palette]]:
        """Return the palette that is given, for each kind of image."""
        bands = next((stack.name for stack in self._stacks if stack.by_patches), None)
        if bands is not None:
            raise DataError(f"images of bands ({bands}) have no palette: leave them out.")
        first = {stack.kind: stack.headers[0] for stack in self._stacks}
        options = self._options
        return {k: [options.given(h.channels, h.dtype)] for k, h in first.items()}

    def _count(self, stacks: Sequence[Stack]) -> Tables:
        """Count the colours of all images that have palettes."""
        tables_in_all = len({(s.kind, number) for s in stacks for number in s.palettes})
        count = Count(self._memory.cells_each(tables_in_all), self._memory.image_nbytes)
        found: Tables = self._read("colours", count, batches_of(stacks), self._partial / "colours")
        return found

    def _search(self, tables: Tables, stacks: Sequence[Stack]) -> None:
        """Search the palette of each table."""
        fitted: dict[str, list[Palette]] = {}
        for kind, number, colours in tracked(
            tables.parts, "palettes", "palettes", self._read.watch
        ):
            own, found = fitted.setdefault(kind, []), self._options.search(colours)
            own += [found] * (number + 1 - len(own))  # for folders without valid images
        for stack in stacks:
            own = fitted.get(stack.kind, [])
            own += own[-1:] * (max(stack.palettes) + 1 - len(own))
        write_palettes(self._partial, fitted, owners_of(stacks))

    def _cut(self, kind: str, stacks: Sequence[Stack]) -> tuple[tuple[str, str], ...]:
        """Extract the patches of all images of a kind; return the images that are bad."""
        folder = self._partial / "patches" / kind
        if not self._marked(f"cutting {kind}"):
            create_patches(folder, stacks)
            self._mark(f"cutting {kind}")
        write = WritePatches(folder, self._options.patch, self._memory.image_nbytes)
        written: Written = self._read("patches", write, batches_of(stacks), folder / "cut")
        return written.bad

    def _train(self, kind: str, stacks: Sequence[Stack]) -> None:
        """Train the codebook of a kind on its patches."""
        folder, options = self._partial / "patches" / kind, self._options
        rows, weights = rows_of(folder, stacks)
        codebook = fit_codebook(
            rows,
            options.n_colors,
            sample_weight=weights,
            stages=options.stages,
            until_psnr=options.quality,
            memory_limit=self._memory.limit,
            seed=options.seed,
            watch=[self._read.report_training],
            saved=folder / "trained",
        )
        write_codebook(self._partial, kind, codebook, options.patch)

    def encode(self) -> None:
        """Write the codes that are still missing."""
        if not self._marked("laid_out"):
            for stack in self._stacks:
                create_stack(self._partial, stack, self._options.n_colors)
            self._mark("laid_out")
        with damage(str(self._partial)):
            shared = SharedCoders(coders_in(self._partial, self._options.space))
            missing = {stack.name: unfinished(self._partial, stack.name) for stack in self._stacks}
        own = OwnCoders(self._options.search, self._memory.cells, shared)
        coders = own if self._options.per == "image" else shared
        encode = Encode(self._partial, coders, self._options.dither, self._memory.image_nbytes)
        batches = batches_of(self._stacks)
        left = [batch for batch in batches if missing[batch.stack][batch.region].any()]
        if left:
            self._read("codes", encode, left)
        damaged = damaged_in(self._partial)
        self._refuse(damaged)  # also those that an earlier run skipped
        if len(damaged) == sum(len(stack.headers) for stack in self._stacks):
            first = damaged[0][1]
            raise DataError(
                f"none of {len(damaged):,} images could be decoded; the first error: {first}"
            )
        self._bad += damaged

    def _refuse(self, bad: Sequence[tuple[str, str]]) -> None:
        """Raise an error for images that a whole read could not decode, unless bad are skipped."""
        if bad and not self._skip_bad:
            raise DamagedImagesError(bad)

    def finish(self) -> None:
        """Delete files that only resuming needs, then write the marks of a complete archive."""
        with damage(str(self._partial)):
            for stack in self._stacks:
                finish_stack(self._partial, stack.name)
        for gone in ("spool", "patches"):
            shutil.rmtree(self._partial / gone, ignore_errors=True)
        for torn in self._partial.rglob("*.partial"):
            torn.unlink()  # Zarr writes to a file beside the chunk, and renames it
        group = zarr.open_group(self._partial, mode="r+")
        notices: list[Any] = [list(notice) for notice in self._notices]
        if self._marked("stores_all"):
            group.require_group(MARK).update_attributes(EVERY_CHUNK)
        group.attrs.put(
            {
                "kind": ARCHIVE,
                "format": FORMAT,
                "parameters": self._options.record,
                **({"notices": notices} if notices else {}),
                "skipped": [list(bad) for bad in sorted(set(self._bad))],
                "source_nbytes": self._source_nbytes,
                "versions": versions(),
            }
        )
        shutil.rmtree(self._partial / DAMAGED_IN, ignore_errors=True)
        seal(self._partial, values=False)

    def _marked(self, step: str) -> bool:
        return bool(marks_of(self._partial).get(step))

    def _mark(self, step: str) -> None:
        zarr.open_group(self._partial, mode="r+").update_attributes({step: True})
