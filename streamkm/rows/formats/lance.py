"""Lance datasets on this machine, read by pylance in parts of equal numbers of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamkm.files.find import File, need
from streamkm.rows.formats.tables import Batches, TableFormat, TableHead

_VERSIONS = "_versions"
_ROWS = 8192  # of a part
_LAST = 2**64 - 1  # newer names of manifests count down from it


@dataclass(frozen=True)
class Lance(TableFormat):
    """Lance, whose file is the manifest of a version; a later version is another dataset."""

    def head(self, file: File) -> TableHead:
        opened = _opened(file)
        n = opened.count_rows()
        lengths = [min(_ROWS, n - first) for first in range(0, n, _ROWS)]
        return TableHead(opened.schema, lengths)  # missing values are known only when they are read

    def batches(self, file: File, group: int, columns: Sequence[str], rows: int) -> Batches:
        size, first = min(rows, _ROWS), group * _ROWS
        part = _opened(file).scanner(list(columns), offset=first, limit=_ROWS, batch_size=size)
        yield from part.to_batches()


def manifest_in(folder: Path) -> Path | None:
    """Return the manifest of the latest version of the Lance dataset in a folder, or None."""
    if not (folder / _VERSIONS).is_dir():
        return None
    need("lance", "Lance datasets")
    found = [path for path in (folder / _VERSIONS).glob("*.manifest") if path.stem.isdigit()]
    return max(found, key=_version, default=None)


def _version(manifest: Path) -> int:
    number = int(manifest.stem)
    return _LAST - number if number > _LAST // 2 else number


def _opened(file: File) -> Any:
    manifest = Path(file.path)
    lance = need("lance", "Lance datasets")
    return lance.dataset(str(manifest.parent.parent), version=_version(manifest))
