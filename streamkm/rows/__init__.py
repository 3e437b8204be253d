"""Rows of every kind of data, and the plan of their blocks."""

from streamkm.rows.batches import in_batches
from streamkm.rows.block import Block, Tile, read_only
from streamkm.rows.by_name import name_in
from streamkm.rows.checked import checked_sizes
from streamkm.rows.damaged import RESTORE, damage
from streamkm.rows.dask_rows import DaskRows
from streamkm.rows.exact import cast
from streamkm.rows.fingerprint import fingerprint, is_conclusive
from streamkm.rows.formats.base import FileArray
from streamkm.rows.kinds import is_a
from streamkm.rows.layout import Layout
from streamkm.rows.lost import (
    EVERY_CHUNK,
    MARK,
    lacks_chunks,
    record_whole,
    refuse_incomplete,
    refuse_lost,
    storing_all,
)
from streamkm.rows.machine import memory_here
from streamkm.rows.matching import reordering
from streamkm.rows.memory import PROCESS_NBYTES, Budget, Room
from streamkm.rows.missing import Missing
from streamkm.rows.names import Named, column_names
from streamkm.rows.nodata import missing_in
from streamkm.rows.open import Rows, in_plan, may_have_gaps, may_lack, open_rows
from streamkm.rows.opened import rows_in_memory
from streamkm.rows.plan import BlockPlan
from streamkm.rows.scaling import Scaling, Shifted, Standardised, UnitLength, among, check_digits
from streamkm.rows.seen import Seen, seen_of
from streamkm.rows.seen_files import SeenFile, SeenFiles, seen_files_of
from streamkm.rows.seen_store import Changes, Piece, SeenStore, Span
from streamkm.rows.sliced import Sliced
from streamkm.rows.stored import StoredRows
from streamkm.rows.tables import is_table, lazy_numbers, numbers
from streamkm.rows.units import refuse_other_units
from streamkm.rows.variables import Variables

__all__ = [
    "EVERY_CHUNK",
    "MARK",
    "PROCESS_NBYTES",
    "RESTORE",
    "Block",
    "BlockPlan",
    "Budget",
    "Changes",
    "DaskRows",
    "FileArray",
    "Layout",
    "Missing",
    "Named",
    "Piece",
    "Room",
    "Rows",
    "Scaling",
    "Seen",
    "SeenFile",
    "SeenFiles",
    "SeenStore",
    "Shifted",
    "Sliced",
    "Span",
    "Standardised",
    "StoredRows",
    "Tile",
    "UnitLength",
    "Variables",
    "among",
    "cast",
    "check_digits",
    "checked_sizes",
    "column_names",
    "damage",
    "fingerprint",
    "in_batches",
    "in_plan",
    "is_a",
    "is_conclusive",
    "is_table",
    "lacks_chunks",
    "lazy_numbers",
    "may_have_gaps",
    "may_lack",
    "memory_here",
    "missing_in",
    "name_in",
    "numbers",
    "open_rows",
    "read_only",
    "record_whole",
    "refuse_incomplete",
    "refuse_lost",
    "refuse_other_units",
    "reordering",
    "rows_in_memory",
    "seen_files_of",
    "seen_of",
    "storing_all",
]
