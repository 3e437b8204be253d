"""Outputs: checks before any work, complete or absent under their names, and reading."""

from streamkm.outputs.atomic import alone, recover, whole, whole_file
from streamkm.outputs.attributes import number, plain
from streamkm.outputs.check import (
    File,
    Folder,
    Kept,
    Output,
    Store,
    check_outputs,
    check_store,
    local,
    refuse_in_a_store,
    refuse_overlap,
)
from streamkm.outputs.labels import create_labels
from streamkm.outputs.marks import (
    ARCHIVE,
    INGEST,
    LABELS,
    MODEL,
    SWEEP,
    fit_of,
    kind_of,
    marks_of,
    zarr_around,
)
from streamkm.outputs.places import Place, overlap, place_of

__all__ = [
    "ARCHIVE",
    "INGEST",
    "LABELS",
    "MODEL",
    "SWEEP",
    "File",
    "Folder",
    "Kept",
    "Output",
    "Place",
    "Store",
    "alone",
    "check_outputs",
    "check_store",
    "create_labels",
    "fit_of",
    "kind_of",
    "local",
    "marks_of",
    "number",
    "overlap",
    "place_of",
    "plain",
    "recover",
    "refuse_in_a_store",
    "refuse_overlap",
    "whole",
    "whole_file",
    "zarr_around",
]
