"""Files that arrive in a folder or bucket, found by listing it at intervals."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np

from streamkm.errors import DataError, LeftOutWarning
from streamkm.files.find import File, entries
from streamkm.ingesting.pipes import PipeOptions
from streamkm.ingesting.registry import KINDS, SourceRequest, kind_of
from streamkm.rows.formats.exact import converted
from streamkm.runs.feeds import Arrived, Event, FileEnd
from streamkm.warn import warn

_KINDS = ("csv", "npy", "npz", "parquet")
_NBYTES = 4 * 2**20  # of rows that are read at once
_TICK = 0.5  # seconds after which an event reports that nothing arrived


@dataclass
class Watched:
    """The files of a folder or bucket, in the order in which they are complete.

    A file is complete when two listings give the same size and time of change (or ETag). Files that
    are complete at the same listing are in the order of their names. A file is folded once.

    Parameters
    ----------
    where : str, path or URL of a folder, or a pattern
    options : PipeOptions; its format is not used
    interval : float, seconds between two listings
    idle : float or None
        Seconds without a new file after which the feed ends; None for never.
    folded : dict of str, names and stamps of the files that are folded already
    features : names of the columns of earlier files
    """

    where: str
    options: PipeOptions
    interval: float
    idle: float | None = None
    folded: dict[str, str] = field(default_factory=dict)
    features: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Event]:
        before: Mapping[str, File] | None = None
        last = time.monotonic()
        while True:
            found = self._listed(first=before is None)
            for name, file in found.items():
                if name not in self.folded and _same((before or {}).get(name), file):
                    yield from self._read(file)
                    last = time.monotonic()
            waiting = any(name not in self.folded for name in found)
            if self.idle is not None and not waiting and time.monotonic() - last >= self.idle:
                return
            before = found
            end = time.monotonic() + self.interval
            yield None
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(left, _TICK))
                yield None

    def _listed(self, first: bool) -> dict[str, File]:
        """Return the files that may be read, sorted by name."""
        try:
            fs, found, _ = entries(self.where)
        except DataError as error:
            if first:
                raise
            warn(f"{error} The next listing follows in {self.interval:g} s.", LeftOutWarning)
            return {}
        files, base = {}, fs._strip_protocol(self.where).rstrip("/") + "/"
        for name in sorted(found):
            file = File.from_info(fs, name, found[name])
            if found[name]["type"] != "file" or not file.size or not _is_wanted(name, base):
                continue
            files[name] = file
            if self.folded.get(name, stamp_of(file)) != stamp_of(file):
                warn(f"{name} changed after it was folded; it is not read again.", LeftOutWarning)
                self.folded[name] = stamp_of(file)
        return files

    def _read(self, file: File) -> Iterator[Event]:
        """Yield the rows of a file and its end; a file that changes is withdrawn and read later."""
        try:
            yield from self._rows(file)
        except (DataError, OSError):
            if not self._changed(file):
                raise
        changed = self._changed(file)
        if not changed:
            self.folded[file.path] = stamp_of(file)
        yield FileEnd(file.path, stamp_of(file), withdrawn=changed)

    def _rows(self, file: File) -> Iterator[Event]:
        name = kind_of(file.path)
        assert name is not None
        kind, own = KINDS[name], self.options.kind
        columns = (list(self.features) or own.columns) if "columns" in kind.options else None
        taken = {n: getattr(own, n) for n in kind.options if hasattr(own, n)}
        chosen = replace(type(own)(**taken), columns=columns)
        with closing(kind.reader(SourceRequest([file], self.options.dtype, chosen))) as source:
            form = source.form
            if "feature" in form.beside and not own.no_header:
                self.features = tuple(map(str, form.beside["feature"].values))
            inner = [slice(0, n) for n in form.row_shape]
            each = form.dtype.itemsize * int(np.prod(form.row_shape))
            step, start = max(1, _NBYTES // max(1, each)), 0
            while form.n is None or start < form.n:
                stop = start + step if form.n is None else min(start + step, form.n)
                values = source.read((slice(start, stop), *inner)).values
                rows = converted(values, self.options.dtype or values.dtype, file.path)
                yield Arrived(rows.reshape(-1, form.row_shape[-1]), file.path, self.features, True)
                start += len(values)
                if start < stop:
                    return

    def _changed(self, file: File) -> bool:
        try:
            file.fs.invalidate_cache()
            return not _same(file, File.from_info(file.fs, file.path, file.fs.info(file.path)))
        except OSError:
            return True  # it was moved or deleted


def stamp_of(file: File) -> str:
    """What changes when a file is written."""
    return f"{file.size} {file.stamp}"


def _same(before: File | None, now: File) -> bool:
    return before is not None and stamp_of(before) == stamp_of(now)


def _is_wanted(path: str, base: str) -> bool:
    """Whether a file has a known kind, and no part of its name below the base is hidden."""
    relative = path.removeprefix(base) if path.startswith(base) else path.rpartition("/")[2]
    hidden = any(part.startswith((".", "_")) for part in relative.split("/"))
    return not hidden and kind_of(path) in _KINDS
