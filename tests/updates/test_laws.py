"""Every update satisfies the contract."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import ClassVar

import numpy as np
import pytest

import streamkm.updates
import tests.updates
from streamkm.fitting import iterate
from streamkm.passes import Assigned, Lloyd
from streamkm.updates import (
    AcceleratedUpdate,
    Batches,
    BoundedUpdate,
    CountedUpdate,
    LloydUpdate,
    LossesUpdate,
    MiniBatchUpdate,
    ObservedUpdate,
    ScatterUpdate,
    SphericalUpdate,
    Update,
)
from tests.updates.contract import N_BLOCKS, ROWS, RULES, START, UpdateContract, X, blocks_of, first


@dataclass(frozen=True)
class FewBlocksUpdate(LloydUpdate):
    """Lloyd's step on `most` blocks at a time."""

    most: int = 3

    never_rises: ClassVar[bool] = False

    def blocks(self, state):
        if state.evaluating:
            return None
        first = self.most * len(state.history)
        return tuple((first + at) % N_BLOCKS for at in range(self.most))


MONOTONE = (
    LloydUpdate(RULES),
    AcceleratedUpdate(RULES),
    AcceleratedUpdate(RULES, settles=False),
    CountedUpdate(RULES),
    SphericalUpdate(RULES),
    ScatterUpdate(RULES),
    LossesUpdate(RULES),
    ObservedUpdate(RULES),
)
FEW_BLOCKS = FewBlocksUpdate(RULES, relocate=False)


class TestUpdates(UpdateContract):
    updates = (
        *MONOTONE,
        FEW_BLOCKS,
        MiniBatchUpdate(RULES, batches=Batches(300, 1)),
        BoundedUpdate(RULES, min_size=230, max_size=250),
        BoundedUpdate(RULES, max_size=400, unit_length=True),
    )


def test_every_update_is_put_through_the_contract():
    def below(kind):
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    for package in (streamkm.updates, tests.updates):  # define all updates and their tests
        for module in iter_modules(package.__path__):
            import_module(f"{package.__name__}.{module.name}")
    concrete = {kind for kind in below(Update) if not inspect.isabstract(kind)}
    tested = {type(each) for kind in UpdateContract.__subclasses__() for each in kind.updates}
    assert concrete == tested


@pytest.mark.parametrize("update", MONOTONE)
def test_the_loss_never_rises_where_the_update_promises_so(update):
    assert update.never_rises
    best = iterate(ROWS, first(update)).best
    assert len(best.history) > 1
    losses = [*(step.inertia for step in best.history), best.inertia]
    for before, after, step in zip(losses, losses[1:], best.history, strict=False):
        assert step.relocated or after <= before * (1 + 1e-9)


def test_reads_of_some_blocks_are_counted_by_their_share():
    state = iterate(ROWS, first(FEW_BLOCKS))
    steps = len(state.best.history)
    assert state.n_passes == 1 + steps * 3 / N_BLOCKS  # one for the loss
    assert state.reads.bytes_read == X.nbytes + steps * 3 * X.nbytes // N_BLOCKS
    expected = START
    for n in range(steps):
        blocks = [(3 * n + at) % N_BLOCKS for at in range(3)]
        gathered = [Lloyd(expected)(block) for block in blocks_of(blocks)]
        expected = Assigned.combine(gathered).means(otherwise=expected)
    np.testing.assert_allclose(state.best.centroids, expected, rtol=1e-12)
