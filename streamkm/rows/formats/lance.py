"""Lance datasets on this machine, read by pylance in parts of their fragments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamkm.files.find import File, need
from streamkm.rows.formats.tables import TableFormat

_VERSIONS = "_versions"
_ROWS = 8192  # of a part of a fragment
_LAST = 2**64 - 1  # newer names of manifests count down from it


@dataclass(frozen=True)
class Lance(TableFormat):
    """Lance, whose file is the manifest of a version; a later version is another dataset."""

    def schema(self, file: File) -> Any:
        return _opened(file).schema

    def lengths(self, file: File) -> list[int]:
        return [rows for _, _, rows in _parts(_opened(file))]

    def lacks(self, file: File, columns: Sequence[str]) -> bool:
        return False  # known only when values are read

    def batches(self, file: File, group: int, columns: Sequence[str], rows: int) -> Iterator[Any]:
        data = _opened(file)
        number, first, count = next(part for at, part in enumerate(_parts(data)) if at == group)
        yield from (
            data.get_fragments()[number]
            .scanner(columns=list(columns), offset=first, limit=count, batch_size=min(rows, count))
            .to_batches()
        )


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


def _parts(data: Any) -> Iterator[tuple[int, int, int]]:
    """Yield the number of the fragment, the first row and the number of rows of each part."""
    for number, fragment in enumerate(data.get_fragments()):
        n = fragment.count_rows()
        for first in range(0, n, _ROWS):
            yield number, first, min(_ROWS, n - first)
