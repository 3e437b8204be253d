"""Rows of arrays that can be sliced, such as Zarr and NumPy arrays, read block by block."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import call as call_on
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, ReadError
from streamkm.rows.base import ArrayRows
from streamkm.rows.block import Block
from streamkm.rows.chunks import read, unreadable
from streamkm.rows.formats.decoded import stored_in
from streamkm.rows.kinds import is_a
from streamkm.rows.nodata import as_meant
from streamkm.rows.on_disk import Mapped
from streamkm.rows.plan import BlockPlan
from streamkm.rows.variables import Variables

_LABEL_NBYTES = 8  # an array of int32, as for an array in memory, and its parts
_WAITS = (0.1, 0.4, 1.6)  # seconds before a failed read is retried

Call = Callable[[Block], Any]
Graph = dict[Any, Any]
Beside = tuple[AnyArray | None, ...]


@dataclass(frozen=True)
class StoredRows(ArrayRows):
    """Rows of an array that is sliced for every block.

    Parameters
    ----------
    array : zarr.Array, Variables, or an array in memory or in a file that can be sliced
    layout : Layout
    plan : BlockPlan of whole chunks or shards of a Zarr array
    weights, mask : arrays of the row shape that slice like `array`, or None
    stays_here : whether the rows belong to this process and are not sent to a cluster
    fits_in_memory : whether all blocks may be cached in this process beside the work of a fit
    ahead : number of blocks that are read while the cores compute others
    """

    stays_here: bool = False
    fits_in_memory: bool = False
    ahead: int = 0

    @property
    def for_answers(self) -> StoredRows:
        """The same rows in blocks that per-row answers can be written in."""
        return self

    @property
    def cached(self) -> bool:
        """Whether every block is in memory, so that a pass over them is not a read."""
        return False

    @property
    def in_memory(self) -> bool:
        return isinstance(self.array, np.ndarray)

    @property
    def resident_nbytes(self) -> int:
        """Bytes of the input and of a memory map's labels that are in this process anyway."""
        arrays = (self.array, *self.beside)
        labels = _LABEL_NBYTES * self.layout.n_rows if isinstance(self.array, Mapped) else 0
        return labels + sum(_held_nbytes(a) for a in arrays if isinstance(a, np.ndarray))

    @property
    def cached_nbytes(self) -> int:
        """Bytes of all blocks; the last blocks of an array may contain whole chunks."""
        if self.in_memory:
            return self.resident_nbytes
        beside = sum(a.dtype.itemsize for a in self.beside)
        stored = self.array.shards or self.array.chunks or (1,) * len(self.array.shape)
        whole = math.prod(-(-n // s) * s for n, s in zip(self.array.shape, stored, strict=True))
        return int(whole * self.layout.block_dtype.itemsize + self.layout.n_rows * beside)

    def in_plan(self, plan: BlockPlan) -> StoredRows:
        """The same rows in the blocks of another plan."""
        return replace(self, plan=plan)

    def block(self, number: int) -> Block:
        """Read one block.

        Raises
        ------
        ReadError
            With the block, its rows and the stored chunk that failed.
        """
        return self.block_beside(number, self.beside_of(number))

    def beside_of(self, number: int) -> Beside:
        """Return the weights and mask of a block if in memory, so that only these are sent."""
        region = self.plan.region(number)
        weights, mask = (
            a[region] if isinstance(a, np.ndarray) else None for a in (self.weights, self.mask)
        )
        return weights, mask

    @property
    def to_send(self) -> StoredRows:
        """Return the rows without weights and mask that are in memory."""
        weights, mask = (
            None if isinstance(a, np.ndarray) else a for a in (self.weights, self.mask)
        )
        return replace(self, weights=weights, mask=mask)

    def block_beside(self, number: int, beside: Beside) -> Block:
        """Read one block; its weights and mask may be given."""
        region = self.plan.region(number)
        try:
            values = _patiently(self.array, self.layout.full_region(region))
            values = as_meant(values, self.layout.dtype)
            weights, mask = (
                sent if sent is not None or a is None else _patiently(a, region)
                for sent, a in zip(beside, (self.weights, self.mask), strict=True)
            )
        except DataError:  # a value that the common dtype of several variables cannot represent
            raise
        except Exception as error:
            raise ReadError(self._failure(number, region, error)) from error
        return Block.cut(self.layout, self.plan, number, values, weights, mask)

    def _failure(self, number: int, region: tuple[slice, ...], error: Exception) -> str:
        rows = ", ".join(f"{s.start}:{s.stop}" for s in region)
        culprit = self._unreadable_chunk(region)
        return (
            f"block {number} (rows {rows}) could not be read{culprit}: "
            f"{type(error).__name__}: {error}. Restore that part of the store, or fit a "
            "copy without it."
        )

    def _unreadable_chunk(self, region: tuple[slice, ...]) -> str:
        full = self.layout.full_region(region)
        several = isinstance(self.array, Variables)
        for array, own in self.array.parts(full) if several else [(self.array, full)]:
            stored = stored_in(array)
            if is_a(stored, "zarr.Array") and (key := unreadable(stored, own)):
                return f", chunk {key} of {stored.store_path}"
        return ""

    def graph(self, call: Call, name: str, numbers: Sequence[int]) -> tuple[Graph, list[Any]]:
        """Return tasks that read these blocks and call `call` on each, and their keys."""
        source = f"{name}-rows"
        question, graph = in_graph(call, name)
        keys: list[Any] = [(f"{name}-block", number) for number in numbers]
        if self.in_memory:  # views in this process; other processes receive only their rows
            for key in keys:
                graph[key] = (call_on, question, self.block(key[1]))
            return graph, keys
        graph[source] = self.to_send
        for key in keys:
            beside = self.beside_of(key[1])
            graph[key] = (_read_and_call, question, source, key[1], *beside)
        return graph, keys


def in_graph(call: Call, name: str) -> tuple[Any, Graph]:
    """Return what the tasks of a graph refer to for a call, and the part of the graph that has it.

    A future needs no key: the value of a key is sent to each worker again in every graph.
    """
    if hasattr(call, "key"):
        return call, {}
    question = f"{name}-pass"
    return question, {question: call}


def _patiently(array: Any, region: tuple[slice, ...]) -> AnyArray:
    """Read a region, with retries for temporary failures of networks and object stores."""
    for wait in _WAITS:
        try:
            return read(array, region)
        except (FileNotFoundError, ValueError, RuntimeError):
            raise  # missing or undecodable data: retries would not help
        except Exception:  # every kind of store has its own errors
            time.sleep(wait)
    return read(array, region)


def _held_nbytes(array: AnyArray) -> int:
    """Return the bytes of an array; axes along which a view repeats its values take none."""
    lengths = zip(array.shape, array.strides, strict=True)
    n_values: int = math.prod(n for n, stride in lengths if stride)
    return array.itemsize * n_values


def _read_and_call(call: Call, rows: StoredRows, number: int, *beside: Any) -> Any:
    return call(rows.block_beside(number, beside))
