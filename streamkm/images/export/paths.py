"""Paths of the files of images, from their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from streamkm.errors import DataError
from streamkm.files.names import wrong_with
from streamkm.images.archive.archive import Archive
from streamkm.images.export.as_file import suffix_of
from streamkm.images.export.placing import check_places
from streamkm.outputs import refuse_in_a_store


def files_of(archive: Archive, folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Return the path of the file of each image: its name with the suffix of the file.

    Raises
    ------
    DataError
        For names that point outside the folder or are invalid, which only a forged archive has, and
        for files that cannot all be written there.
    """
    for name in archive:
        wrong = wrong_with(name)
        if wrong:
            raise DataError(f"the image {name!r} would be written outside of {folder}: {wrong}.")
    paths = _paths(archive)
    files = {name: folder / paths[name] for name in names}
    check_places(folder, files)
    for parent in {file.parent for file in files.values()}:
        refuse_in_a_store(parent, parent)
    for file in files.values():
        if not file.parent.resolve().is_relative_to(folder.resolve()):
            raise DataError(
                f"{file} lies outside of {folder} because of a link; name another folder."
            )
    return files


def _paths(archive: Archive) -> dict[str, str]:
    """Return a distinct path for each image of an archive, none of them a folder of another.

    The paths do not depend on the selection of images.
    """
    first = {place.stack: name for name, place in archive.places.items()}
    suffixes = {stack: suffix_of(archive, name) for stack, name in first.items()}
    stems = Counter(str(PurePosixPath(name).with_suffix("")) for name in archive)
    folders = {str(parent) for name in archive for parent in PurePosixPath(name).parents}
    paths: dict[str, str] = {}
    taken: set[str] = set()
    for name, place in archive.places.items():
        suffix, stem = suffixes[place.stack], str(PurePosixPath(name).with_suffix(""))
        path = f"{stem if stems[stem] == 1 else name}{suffix}"
        while path in taken or path in folders:
            path += suffix
        taken.add(path)
        paths[name] = path
    return paths
