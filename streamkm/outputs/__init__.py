"""Outputs: checks before any work, complete or absent under their names, and reading."""

from streamkm.outputs.atomic import (
    alone,
    discard,
    partial_of,
    partials_of,
    progress_of,
    recover,
    whole,
)
from streamkm.outputs.atomic_files import whole_file, whole_file_of_store
from streamkm.outputs.attributes import number, plain
from streamkm.outputs.check import check_outputs, check_store, refuse_overlap
from streamkm.outputs.destinations import (
    CheckpointOutput,
    File,
    Folder,
    LabelFile,
    ParquetFolder,
    Store,
    label_output,
)
from streamkm.outputs.label_files import LabelFormat, label_format
from streamkm.outputs.label_store import DataArrayLabels, LabelGrid, LabelStore, PlainLabels
from streamkm.outputs.marks import (
    ARCHIVE,
    INGEST,
    KEEP,
    LABELS,
    MODEL,
    PARTITION,
    QUANTIZER,
    SWEEP,
    fit_of,
    kind_of,
    mark_folder,
    marks_of,
)
from streamkm.outputs.places import place_of, relation
from streamkm.outputs.writable import local, refuse_in_a_store

__all__ = [
    "ARCHIVE",
    "INGEST",
    "KEEP",
    "LABELS",
    "MODEL",
    "PARTITION",
    "QUANTIZER",
    "SWEEP",
    "CheckpointOutput",
    "DataArrayLabels",
    "File",
    "Folder",
    "LabelFile",
    "LabelFormat",
    "LabelGrid",
    "LabelStore",
    "ParquetFolder",
    "PlainLabels",
    "Store",
    "alone",
    "check_outputs",
    "check_store",
    "discard",
    "fit_of",
    "kind_of",
    "label_format",
    "label_output",
    "local",
    "mark_folder",
    "marks_of",
    "number",
    "partial_of",
    "partials_of",
    "place_of",
    "plain",
    "progress_of",
    "recover",
    "refuse_in_a_store",
    "refuse_overlap",
    "relation",
    "whole",
    "whole_file",
    "whole_file_of_store",
]
