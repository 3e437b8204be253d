"""Small arrays beside the data of files, such as coordinates, held in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamkm.arrays import AnyArray
from streamkm.files.find import File
from streamkm.rows.formats.base import FileArray, Region


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class HeldArray(FileArray):
    """Values in memory, with the interface of an array in files."""

    values: AnyArray

    @classmethod
    def of(
        cls,
        files: tuple[File, ...],
        dims: tuple[str, ...],
        values: AnyArray,
        attributes: Mapping[str, Any],
    ) -> HeldArray:
        """Create it from values, of which objects are texts."""
        held = values.astype("T") if values.dtype == object else values
        return cls(
            files=files,
            shape=held.shape,
            dtype=held.dtype,
            dims=dims,
            attrs=attributes,
            values=held,
        )

    def read(self, region: Region) -> AnyArray:
        return self.values[region]
