"""Folders that `save_to_disk` of Hugging Face's datasets has written: Arrow streams and a list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from streamkm.errors import DataError

_STATE, _SPLITS = "state.json", "dataset_dict.json"


def shards_in(folder: Path) -> list[Path] | None:
    """Return the files of the dataset in a folder, in their order; None for another folder.

    Other files in the folder, such as those of an earlier dataset, do not belong to it.

    Raises
    ------
    DataError
        If the folder holds several splits, or its rows are a selection by indices.
    """
    if (folder / _SPLITS).is_file():
        splits = _read(folder / _SPLITS).get("splits", ())
        raise DataError(
            f"{folder} holds the splits {list(splits)} of a dataset: name one, such as "
            f"{folder / next(iter(splits), 'train')}."
        )
    if not (folder / _STATE).is_file():
        return None
    state = _read(folder / _STATE)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise DataError(
            f"{folder} selects rows by indices, which are not read in place: save "
            "dataset.flatten_indices()."
        )
    try:
        files = [folder / str(each["filename"]) for each in state["_data_files"]]
    except (KeyError, TypeError):
        return None
    lost = [file.name for file in files if file.parent != folder or not file.is_file()]
    if lost:
        raise DataError(f"{folder} lacks {lost[0]}, which {_STATE} names: copy it again.")
    return files or None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}
