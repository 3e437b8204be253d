"""A store that fails while its lock is taken or released."""

from __future__ import annotations

import pytest
from zarr.storage import MemoryStore

from streamkm.checkpoint.locked import locked
from streamkm.errors import CheckpointError, CheckpointWarning, LockedError


class StoreError(Exception):
    """An error of an object store, which has no base class that is known here."""


class Failing(MemoryStore):
    """A store in which the lock cannot be read or written once it is broken."""

    broken = False

    async def get(self, key, *more, **options):
        self._refuse(key)
        return await super().get(key, *more, **options)

    async def set(self, key, value, **options):
        self._refuse(key)
        await super().set(key, value, **options)

    def _refuse(self, key):
        if self.broken and "lock" in key:
            raise StoreError("connection closed")


def test_a_lock_that_cannot_be_released_is_a_warning():
    store = Failing()
    with pytest.warns(CheckpointWarning, match=r"connection closed.*in 10 min"), locked(store):
        store.broken = True
    store.broken = False
    with pytest.raises(LockedError), locked(store):  # until this process has ended
        pass


def test_a_lock_that_cannot_be_taken_is_one_error():
    store = Failing()
    store.broken = True
    with pytest.raises(CheckpointError, match="connection closed"), locked(store):
        pass
