"""The record of a run: when two runs are the same, and how a difference is named."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import zarr

from streamkm.checkpoint import (
    Generations,
    Record,
    Saved,
    difference,
    load_saved,
    may_resume,
)
from streamkm.errors import CheckpointError, CheckpointWarning, OutputExistsError

RECORD = Record(
    "fit",
    asked={"n_clusters": 5, "init": "random", "nodata": None},
    data={"shape": [100, 6], "data": {"chunks": 4, "times": "0123456789abcdef"}},
    free={"max_iter": 10},
    versions={"numpy": "2.1"},
)


def test_a_record_equals_itself_after_it_was_stored():
    stored = Record.from_json(json.loads(json.dumps(RECORD.to_json(), allow_nan=False)))
    assert stored == RECORD
    assert difference(stored, RECORD) is None


DIFFERENCES = [
    ({"kind": "sweep"}, "kind", "it was a fit, is now a sweep"),
    ({"asked": {**RECORD.asked, "n_clusters": 6}}, "asked", "n_clusters was 5, is now 6"),
    ({"asked": {**RECORD.asked, "nodata": 0}}, "asked", "nodata was None, is now 0"),
    ({"asked": {"n_clusters": 5}}, "asked", "init was random, is now None"),
    ({"asked": {**RECORD.asked, "init": {}}}, "asked", "init was random, is now {}"),
    ({"asked": {**RECORD.asked, "space": "oklab"}}, "asked", "space was None, is now oklab"),
    ({"data": {**RECORD.data, "shape": [9, 6]}}, "data", "shape was [100, 6], is now [9, 6]"),
    ({"versions": {"numpy": "2.2"}}, "versions", "numpy was 2.1, is now 2.2"),
]


@pytest.mark.parametrize(("changed", "part", "sentence"), DIFFERENCES)
def test_each_key_that_differs_is_named(changed, part, sentence):
    found = difference(RECORD, replace(RECORD, **changed))
    assert (found.part, found.sentence) == (part, sentence)


def test_a_key_within_a_key_is_named_and_a_digest_is_not_printed():
    changed = {"chunks": 4, "times": "fedcba9876543210"}
    found = difference(RECORD, replace(RECORD, data={**RECORD.data, "data": changed}))
    assert found.sentence == "data times changed"


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        ([{"name": "a", "bytes": 1}, {"name": "c", "bytes": 2}], "files 2 name was b, is now c"),
        ([{"name": "a", "bytes": 1}, {"name": "b", "bytes": 3}], "files b bytes was 2, is now 3"),
        ([{"name": "a", "bytes": 1}], "the number of files was 2, is now 1"),
        ([], "the number of files was 2, is now 0"),
    ],
)
def test_an_entry_of_a_list_is_named(now, sentence):
    before = replace(RECORD, data={"files": [{"name": "a", "bytes": 1}, {"name": "b", "bytes": 2}]})
    assert difference(before, replace(before, data={"files": now})).sentence == sentence


@pytest.mark.parametrize(
    "changed", [{"free": {"max_iter": 20}}, {"free": {}}, {"seconds": 9.0, "runs": 3}]
)
def test_what_may_differ_does_not_count(changed):
    assert difference(RECORD, replace(RECORD, **changed)) is None


def test_a_difference_of_versions_is_the_last_that_is_named():
    changed = replace(RECORD, versions={}, asked={**RECORD.asked, "n_clusters": 6})
    assert difference(RECORD, changed).part == "asked"


def test_runs_that_resume_one_another_share_an_identity():
    again = replace(RECORD, identity="other").resuming(replace(RECORD, seconds=7.0, runs=2))
    assert (again.identity, again.seconds, again.runs) == (RECORD.identity, 7.0, 3)


def test_a_state_is_saved_beside_its_record(tmp_path):
    state = (1, "two", np.arange(3.0))
    Saved(RECORD, state).save(Generations(tmp_path / "c"))
    found = load_saved(Generations(tmp_path / "c", "r"))
    assert found.record == RECORD
    assert found.state[:2] == state[:2]
    assert np.array_equal(found.state[2], state[2])


def test_checkpoints_of_another_version_are_refused_with_a_fix(tmp_path):
    Generations(tmp_path / "old").save({"record": {"versions": {"streamkm": "0.3"}}}, [])
    with pytest.raises(CheckpointError, match=r"which streamkm 0\.3.* wrote .*Use that version"):
        load_saved(Generations(tmp_path / "old", "r"))
    Generations(tmp_path / "other").save({"record": {}}, [])
    with pytest.raises(CheckpointError, match=r"which streamkm of another version wrote \("):
        load_saved(Generations(tmp_path / "other", "r"))
    zarr.open_group(tmp_path / "old").attrs["format"] = 1
    with pytest.raises(CheckpointError, match="format 1, .* name another checkpoint"):
        Generations(tmp_path / "old")


def test_an_output_is_resumed_by_the_same_run_and_discarded_only_where_allowed(tmp_path):
    other = replace(RECORD, asked={**RECORD.asked, "n_clusters": 6})
    assert may_resume(RECORD, replace(RECORD, identity="again"), tmp_path, overwrite=False)
    assert not may_resume(None, RECORD, tmp_path, overwrite=False)
    assert not may_resume(RECORD, other, tmp_path, overwrite=True)
    with pytest.raises(OutputExistsError, match=r"n_clusters was 5, is now 6\. .*overwrite=True"):
        may_resume(RECORD, other, tmp_path, overwrite=False)


def test_an_output_of_other_versions_is_resumed_with_a_warning(tmp_path):
    other = replace(RECORD, versions={**RECORD.versions, "numpy": "1.0"})
    with pytest.warns(CheckpointWarning, match=r"numpy was .*, is now 1\.0\)"):
        assert may_resume(RECORD, other, tmp_path, overwrite=False)
