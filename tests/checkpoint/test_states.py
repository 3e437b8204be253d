"""A state that is saved and loaded is equal to the original."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace

import numpy as np
import pytest
import zarr

from streamkm.checkpoint import Generations, flatten, load_saved
from streamkm.checkpointable import CLASSES, Checkpointable
from streamkm.errors import CheckpointError, CheckpointWarning
from streamkm.fitting import first_state, fit, saving
from streamkm.rows import Budget, open_rows
from streamkm.updates import AcceleratedUpdate, StopRules

RULES = StopRules(max_iter=4, tol=0)


def alike(a, b):
    """Whether two values are equal to the bit, including arrays."""
    if is_dataclass(a) and not isinstance(a, type):
        return type(a) is type(b) and all(
            alike(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)
        )
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    return a == b or (a != a and b != b)  # NaN equals NaN


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)


@pytest.fixture
def rows(tmp_path, blobs, small_blocks, no_table):
    zarr.create_array(tmp_path / "x", data=blobs, chunks=(300, 6))
    rows = open_rows(tmp_path / "x", budget=Budget(fits=True, summaries=1))
    assert rows.plan.n_blocks > 16
    return rows


def keep(where, rows, state, **changed):
    """Save a state, like a run that ends there."""
    with saving.checkpointing(where, rows, {"n_clusters": 5} | changed) as kept:
        assert kept.save(state)


def states(rows, init, seeds=(1,), **options):
    options = {"update": AcceleratedUpdate(RULES)} | options
    state = first_state(rows, 5, init, list(seeds), **options)
    return [state, *fit(rows, state, wave=8)]


def test_going_on_from_any_state_of_any_seeding_gives_the_same_bits(rows, tmp_path, seeding_method):
    found = states(rows, seeding_method)
    assert any(state.folded for state in found)
    for number, state in enumerate(found[:-1]):
        if number % 3 and number < len(found) - 2:  # each kind of saving takes a tenth of a second
            continue
        where = tmp_path / f"ckpt-{number}"
        keep(where, rows, state)
        saved = load_saved(Generations(where, "r"))
        assert alike(saved.state, state)
        *_, last = fit(rows, saved.state, wave=64)
        assert alike(last, found[-1])


@dataclass(frozen=True)
class Rates(Checkpointable):
    base: np.ndarray


@dataclass(frozen=True)
class Undeclared:
    base: np.ndarray


def test_a_helper_dataclass_is_saved_and_restored_or_refused_by_name_when_it_is_saved(
    rows, tmp_path
):
    state = states(rows, "random")[0]
    declared = replace(state, extra_statistics=(Rates(np.arange(3.0)),))
    keep(tmp_path / "c", rows, declared)
    assert alike(load_saved(Generations(tmp_path / "c", "r")).state, declared)
    with pytest.raises(
        CheckpointError, match=r"test_states\.Undeclared cannot be saved in a checkpoint"
    ):
        keep(tmp_path / "d", rows, replace(state, extra_statistics=(Undeclared(np.arange(3.0)),)))


def test_a_class_with_the_name_of_another_is_refused_with_the_name_of_the_other():
    @dataclass(frozen=True)
    class Assigned:
        base: int = 0

    with pytest.raises(CheckpointError, match=r"because streamkm\.passes\.lloyd\.Assigned has the"):
        flatten(Assigned(), [])


def test_several_restarts_that_are_halved_and_lloyd_alone(rows, tmp_path):
    for options in (
        {"seeds": (1, 2, 3, 4), "halving": True},
        {"update": AcceleratedUpdate(RULES, settles=False)},
    ):
        found = states(rows, "random", **options)
        for number in (0, len(found) // 2, len(found) - 2):
            where = tmp_path / f"{len(options)}-{number}"
            keep(where, rows, found[number])
            *_, last = fit(rows, load_saved(Generations(where, "r")).state)
            assert alike(last, found[-1])


def test_a_table_of_distinct_rows_is_kept_too(tmp_path, pixels, small_blocks):
    zarr.create_array(tmp_path / "x", data=pixels // 64, chunks=(2000, 3))
    rows = open_rows(tmp_path / "x", budget=Budget(fits=True, summaries=1))
    found = states(rows, "coreset")
    assert found[-1].table is not None
    keep(tmp_path / "c", rows, found[len(found) // 2])
    *_, last = fit(rows, load_saved(Generations(tmp_path / "c", "r")).state)
    assert alike(last, found[-1])


def test_only_the_last_two_states_are_kept(rows, tmp_path):
    for state in states(rows, "random")[:5]:
        keep(tmp_path / "c", rows, state)
    group = zarr.open_group(tmp_path / "c")
    assert sorted(group.group_keys()) == ["state-00000004", "state-00000005"]
    assert group.attrs["removed"] == ["state-00000003"]  # a save does not look for older ones


def test_a_save_that_a_signal_interrupts_is_not_written_over(tmp_path, monkeypatch):
    """Because Zarr's thread may still be writing it."""
    saves, arrays = Generations(tmp_path / "c"), [np.arange(3.0)]
    saves.save({"n": 1}, arrays)
    with monkeypatch.context() as here:

        def interrupted(*_, **__):
            raise KeyboardInterrupt

        here.setattr(zarr.Group, "create_array", interrupted)
        with pytest.raises(KeyboardInterrupt):
            saves.save({"n": 2}, arrays)
    late = zarr.open_group(tmp_path / "c" / "state-00000002")
    late.create_array("content", data=np.zeros(3))
    saves.save({"n": 3}, arrays)
    assert Generations(tmp_path / "c").load()[0] == {"n": 3}
    assert np.array_equal(late["content"][...], np.zeros(3))
    saves.save({"n": 4}, arrays)
    names = sorted(zarr.open_group(tmp_path / "c").group_keys())
    assert names == ["state-00000003", "state-00000004"]


def flip(path):
    data = bytearray(path.read_bytes())
    at = len(data) // 2
    while path.suffix == ".json" and not data[at : at + 1].isalpha():
        at += 1  # the last digit of a float may not change its value
    data[at] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("part", ["content/c/0", "zarr.json"])
def test_a_flipped_byte_goes_back_one_state_and_two_are_refused(rows, tmp_path, part):
    found = states(rows, "random")
    for state in found[-3:-1]:
        keep(tmp_path / "c", rows, state)
    flip(tmp_path / "c" / "state-00000002" / part)
    with pytest.warns(CheckpointWarning, match="state-00000002 .* is damaged"):
        saved = load_saved(Generations(tmp_path / "c", "r"))
    assert alike(saved.state, found[-3])
    with saving.checkpointing(tmp_path / "c", rows, {"n_clusters": 5}) as kept:
        with pytest.warns(CheckpointWarning):
            kept.resume()
        kept.save(found[-1])
    # The damaged state does not count as one of the two.
    assert sorted(zarr.open_group(tmp_path / "c").group_keys()) == [
        "state-00000001",
        "state-00000003",
    ]
    for name in ("state-00000001", "state-00000003"):
        flip(tmp_path / "c" / name / part)
    reading = Generations(tmp_path / "c", "r")
    with pytest.raises(CheckpointError, match="intact"), pytest.warns(CheckpointWarning):
        load_saved(reading)


def test_a_flipped_byte_in_the_groups_own_metadata_is_mended(rows, tmp_path):
    found = states(rows, "random")
    for state in found[-3:-1]:
        keep(tmp_path / "c", rows, state)
    root = tmp_path / "c" / "zarr.json"
    root.write_bytes(root.read_bytes().replace(b'"attributes"', b'"attributes', 1))
    with pytest.warns(CheckpointWarning, match=r"zarr\.json is damaged"):
        generations = Generations(tmp_path / "c")
    assert alike(load_saved(generations).state, found[-2])


def test_half_a_state_is_none(rows, tmp_path):
    """A kill leaves a state that is written but not referenced."""
    found = states(rows, "random")
    keep(tmp_path / "c", rows, found[3])
    before = (tmp_path / "c" / "zarr.json").read_bytes()
    keep(tmp_path / "c", rows, found[4])
    (tmp_path / "c" / "zarr.json").write_bytes(before)
    (tmp_path / "c" / "state-00000002" / "zarr.json").unlink()
    assert alike(load_saved(Generations(tmp_path / "c", "r")).state, found[3])
    keep(tmp_path / "c", rows, found[5])
    assert alike(load_saved(Generations(tmp_path / "c", "r")).state, found[5])


def test_what_is_no_checkpoint_is_left_alone(rows, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    zarr.create_group(tmp_path / "group")
    for name in ("mine", "group"):
        with pytest.raises(CheckpointError, match="not a"):
            keep(tmp_path / name, rows, states(rows, "random")[0])
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(CheckpointError, match="not a streamkm checkpoint"):
        Generations(tmp_path / "nothing", "r")


def test_states_of_a_version_with_other_fields_are_refused_by_name(rows, tmp_path, monkeypatch):
    keep(tmp_path / "c", rows, states(rows, "random")[0])
    monkeypatch.delitem(CLASSES, "Trajectory")
    with pytest.raises(CheckpointError, match=r"which streamkm 0\.\d.* wrote"):
        load_saved(Generations(tmp_path / "c", "r"))
