"""Rows whose decoded blocks stay in memory, so that a fit reads its data once."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from streamkm.rows.block import Block
from streamkm.rows.dask_rows import DaskRows
from streamkm.rows.stored import Call, Graph, StoredRows


@dataclass(frozen=True)
class KeptRows(StoredRows):
    """Stored rows whose blocks stay in this process once they were read.

    Another process is sent the stored rows alone: it reads for itself, and nothing counts as kept.
    """

    blocks: dict[int, Block] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, rows: StoredRows) -> KeptRows:
        return cls(*(getattr(rows, f.name) for f in fields(StoredRows)))

    @property
    def kept(self) -> bool:
        return len(self.blocks) == self.plan.n_blocks

    def block(self, number: int) -> Block:
        if number not in self.blocks:
            self.blocks[number] = super().block(number)
        return self.blocks[number]

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredRows, tuple(getattr(self, f.name) for f in fields(StoredRows))


@dataclass(frozen=True)
class PersistedRows(DaskRows):
    """Rows whose blocks stay on the workers of a cluster; `asked` holds a mark once they are."""

    asked: list[bool] = field(default_factory=list, repr=False, compare=False)

    @property
    def kept(self) -> bool:
        return bool(self.asked)

    def graph(self, call: Call, name: str, first: int, last: int) -> tuple[Graph, list[Any]]:
        self.asked.append(True)
        return super().graph(call, name, first, last)
