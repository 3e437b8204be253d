"""Values of states as JSON and arrays, and the types that fields of a state accept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from streamkm.checkpoint import Generations, flatten, is_local, restore
from streamkm.checkpoint.content import checksum, packed, refuse_misplaced, unpacked
from streamkm.checkpoint.kinds import refuse_misfits
from streamkm.checkpointable import Checkpointable
from streamkm.errors import CheckpointError
from streamkm.rows.guarded import DurableFiles
from tests.checkpoint.test_states import alike

ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.zeros((0, 4), "u1"),
    np.array(7, ">i2"),
    np.array([True]),
]
PLAIN = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=3)
OTHERS = st.sampled_from([*ARRAYS, np.dtype("<f4"), np.dtype("u2")])
LONG = st.lists(st.integers(-9, 9), min_size=62, max_size=66).map(tuple)
VALUES = st.recursive(
    PLAIN | OTHERS | LONG, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=8
)


@settings(deadline=None, max_examples=60)
@given(VALUES)
def test_a_value_comes_back_from_json_and_bytes_with_its_type(value):
    arrays = []
    tree = json.loads(json.dumps(flatten(value, arrays), allow_nan=False))
    content, places = packed(arrays)
    assert len(content) == sum(each.nbytes for each in arrays)
    again = restore(tree, unpacked(content, json.loads(json.dumps(places))))
    assert alike(again, value)
    assert type(again) is type(value)


def test_long_tuples_of_whole_numbers_are_one_array():
    for n, stored in ((63, 0), (64, 1)):
        arrays = []
        flatten(tuple(range(n)), arrays)
        assert len(arrays) == stored
    arrays = []
    flatten((*range(63), True), arrays)
    assert arrays == []  # True would come back as 1


@given(st.integers(0, 47), st.integers(1, 255))
def test_a_changed_byte_or_place_changes_the_checksum(at, change):
    content, places = packed([np.arange(6.0)])
    before = checksum({"a": 1}, places, content)
    assert checksum({"a": 2}, places, content) != before
    assert checksum({"a": 1}, [places[0] | {"shape": [3, 2]}], content) != before
    content[at] ^= change
    assert checksum({"a": 1}, places, content) != before


@pytest.mark.parametrize("kind", ["path", "text", "store"])
def test_a_checkpoint_is_a_path_its_text_or_a_store(kind, tmp_path):
    where = {"path": tmp_path / "c", "text": str(tmp_path / "c"), "store": MemoryStore()}[kind]
    assert Generations(where).load() is None
    for number in range(1, 4):
        Generations(where).save({"a": number}, [np.full(2, number)])
    tree, (values,) = Generations(where, "r").load()
    assert (tree, values.tolist()) == ({"a": 3}, [3, 3])
    assert sorted(Generations(where, "r").group.group_keys()) == [
        "state-00000002",
        "state-00000003",
    ]
    assert is_local(where) == (kind != "store")
    assert isinstance(Generations(where).group.store, DurableFiles) == (kind != "store")
    if kind != "store":
        (tmp_path / "mine").write_text("a thesis")
        with pytest.raises(CheckpointError, match="mine is not a checkpoint; name another"):
            Generations(type(where)(tmp_path / "mine"))


def test_a_list_of_states_that_is_none_is_damage():
    store = MemoryStore()
    generations = Generations(store)
    for states in ("state-00000001", ["../x"], [1], {"a": 1}):
        generations.group.attrs["states"] = states
        with pytest.raises(CheckpointError, match="'states' of .* is no list of states"):
            Generations(store).load()


class Content:
    """Metadata of a stored array: its dtype, shape, size and number of stored chunks."""

    def __init__(self, nbytes, initialized=1, nchunks=1, dtype=np.uint8):
        self.dtype, self.shape, self.nbytes = np.dtype(dtype), (nbytes,), nbytes
        self.nchunks_initialized, self.nchunks = initialized, nchunks


def place(at, shape, dtype="<f8"):
    return {"at": at, "shape": shape, "dtype": dtype}


BIG = 2**26


@pytest.mark.parametrize(
    ("places", "content", "refused"),
    [
        ([], Content(0), None),
        ([place(0, [2, 3]), place(48, [1], "u1")], Content(49), None),
        ([place(0, [2, 3]), place(48, [])], Content(56), None),
        ([place(0, [2, 3])], Content(47), "the 48 bytes"),
        ([place(0, [2, 3])], Content(48, dtype=np.int8), "the 48 bytes"),
        ([place(8, [2, 3])], Content(48), "do not follow"),
        ([place(0, [2]), place(8, [1])], Content(24), "do not follow"),
        ([place(0, [-1])], Content(0), "do not follow"),
        ([place(0, [1.0])], Content(8), "do not follow"),
        ([place(0, [1], "O")], Content(8), "do not follow"),
        ([place(0, [BIG], "u1")], Content(BIG, 0), None),
        ([place(0, [BIG + 1], "u1")], Content(BIG + 1, 1, 2), "missing"),
        ([place(0, [BIG + 1], "u1")], Content(BIG + 1, 2, 2), None),
    ],
)
def test_a_content_that_cannot_be_that_of_the_arrays_is_refused(places, content, refused):
    if refused is None:
        refuse_misplaced(places, content)
        return
    with pytest.raises(ValueError, match=refused):
        refuse_misplaced(places, content)


@dataclass(frozen=True)
class Fields(Checkpointable):
    """A field for each kind of annotation."""

    number: float = 0.0
    whole: int = 0
    text: str = ""
    kind: Literal["a", "b"] = "a"
    maybe: int | None = None
    nothing: None = None
    pair: tuple[int, str] = (1, "x")
    many: tuple[float, ...] = ()
    floats: npt.NDArray[np.float64] | None = None
    array: npt.NDArray[Any] | None = None
    anything: Any = None
    flag: bool = False
    inner: Fields | None = None


FLOATS = np.zeros(2)
FIT = {
    "number": [1.5, 2],
    "whole": [3],
    "text": ["b"],
    "kind": ["b"],
    "maybe": [None, 4],
    "nothing": [None],
    "pair": [(2, "y")],
    "many": [(), (1.0,), (1.0, 2, 3.0)],
    "floats": [None, FLOATS],
    "array": [None, FLOATS, FLOATS.astype("i4")],
    "anything": [object, FLOATS, "text"],
    "flag": [True],
    "inner": [None, Fields()],
}
MISFIT = {
    "number": [None, "1", True],
    "whole": [1.0, True, None],
    "text": [None, 1],
    "kind": ["c", None],
    "maybe": [1.5, "1", False],
    "nothing": [0, ""],
    "pair": [(1,), (1, "x", 1), ("x", 1), [1, "x"], 1],
    "many": [("1",), (1.0, None), [1.0], 1.0],
    "floats": [FLOATS.astype("f4"), FLOATS.astype("i8"), 1.0],
    "array": [[1.0], 1.0],
    "flag": [1, None],
    "inner": [1, FLOATS],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n in FIT for v in FIT[n]])
def test_values_of_the_type_of_their_field_are_accepted(name, value):
    refuse_misfits(Fields(**{name: value}))


@pytest.mark.parametrize(("name", "value"), [(n, v) for n in MISFIT for v in MISFIT[n]])
def test_values_of_another_type_are_refused_by_name(name, value):
    with pytest.raises(TypeError, match=rf"Fields\.{name} is of type {type(value).__name__}, not"):
        refuse_misfits(Fields(**{name: value}))
