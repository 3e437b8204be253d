"""States with a valid checksum that no run has written end in one error, before they are used."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

import streamkm
from streamkm.checkpoint import Generations
from streamkm.checkpoint.content import checksum
from streamkm.errors import CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore:stopped after max_iter")
X = np.random.default_rng(0).normal(size=(60, 3))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    data = zarr.create_array(folder / "x", data=X, chunks=(20, 3))
    fit(data, folder / "ckpt", 1)
    return data, folder / "ckpt"


def fit(data, where, max_iter):
    model = streamkm.KMeans(3, init="random", n_init=1, max_iter=max_iter, random_state=0)
    return model.set_params(checkpoint=where).fit(data)


def forge(where, change, content=None):
    """Change the facts of the last state, and its checksum."""
    file = sorted(where.glob("state-*/zarr.json"))[-1]
    metadata = json.loads(file.read_text())
    facts = metadata["attributes"]
    change(facts)
    chunk = file.parent / "content/c/0"
    values = np.frombuffer(chunk.read_bytes(), np.uint8).copy()
    if content is not None:
        content(values, facts)
        chunk.write_bytes(values.tobytes())
    facts["checksum"] = checksum(facts["tree"], facts["arrays"], values)
    file.write_text(json.dumps(metadata))


def state(facts):
    return facts["tree"]["state"]["with"]


def put(*path):
    """Return a change that sets the value at a path in the state to the last item."""

    def change(facts):
        *way, last, value = path
        node = state(facts)
        for key in way:
            node = node[key]
        node[last] = value

    return change


def other_rows(facts):
    state(facts)["plan"]["with"]["edges"]["tuple"][0] = {"tuple": [0, 20, 40]}


def not_finite(values, facts):
    trajectory = state(facts)["trajectories"]["tuple"][0]["with"]["state"]["with"]
    place = facts["arrays"][trajectory["centroids"]["array"]]
    values[place["at"] : place["at"] + 8] = np.frombuffer(np.float64(np.nan).tobytes(), "u1")


FORGED = {
    "a type": (put("n_rows", "many"), None, "FitState.n_rows is of type str"),
    "a class": (put("plan", None), None, "FitState.plan is of type NoneType"),
    "a dtype": (put("trajectories", {"tuple": [{"array": 0}]}), None, "trajectories is of type"),
    "an array": (put("reads", {"array": 10**6}), None, "IndexError"),
    "other rows": (other_rows, None, "cannot be that of a fit to these rows"),
    "no trajectories": (put("trajectories", {"tuple": []}), None, "cannot be that of a fit"),
    "NaN": (lambda facts: None, not_finite, "cannot be that of a fit"),
    "nothing": (lambda facts: facts["tree"].update(state=None), None, "cannot be that of a fit"),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_states_are_refused(name, made, tmp_path):
    data, where = made
    copy = tmp_path / "ckpt"
    copy.mkdir()
    for path in sorted(where.rglob("*")):
        place = copy / path.relative_to(where)
        place.mkdir() if path.is_dir() else place.write_bytes(path.read_bytes())
    change, content, message = FORGED[name]
    forge(copy, change, content)
    with pytest.raises(CheckpointError, match=message):
        fit(data, copy, 4)


@pytest.mark.parametrize("shape", [[10**12], [-1], [1, 10**6], "x"])
def test_sizes_of_arrays_are_compared_before_the_content_is_read(shape, tmp_path):
    generations = Generations(tmp_path / "ckpt")
    generations.save({"a": 1}, [np.ones(3)])
    forge(tmp_path / "ckpt", lambda facts: facts["arrays"][0].update(shape=shape))
    with (
        pytest.warns(UserWarning, match="is damaged"),
        pytest.raises(CheckpointError, match="no intact state"),
    ):
        Generations(tmp_path / "ckpt").load()


def test_the_intact_state_resumes(made):
    data, where = made
    whole = streamkm.KMeans(3, init="random", n_init=1, max_iter=4, random_state=0).fit(data)
    np.testing.assert_array_equal(fit(data, where, 4).cluster_centers_, whole.cluster_centers_)
