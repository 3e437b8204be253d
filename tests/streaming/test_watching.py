"""Files that arrive in a folder: each is folded once, when it is complete, in a stated order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import streamkm
from streamkm import StreamingKMeans
from streamkm.cli import main
from streamkm.errors import LeftOutWarning
from streamkm.ingesting.pipes import PipeOptions
from streamkm.ingesting.watching import Watched
from streamkm.runs.feeding import Feeding, Folding
from streamkm.runs.feeds import Arrived, FileEnd
from streamkm.runs.options import DataOptions
from streamkm.runs.stream import StreamOptions
from tests.conftest import mixture

X = np.asarray(mixture(1600, 3, 4, seed=8), np.float64)
ASKED = ("-k", 4, "--summary-size", 200, "--batch", 300, "--watch-every", "0s", "--idle", "0s")


def write(path, rows):
    """Write rows in the format of the name of a file."""
    table = pd.DataFrame(rows, columns=list("abc"))
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".npz":
        np.savez(path, rows=rows)
    elif path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)


def watching(folder, *actions, during=None, **more):
    """The events of a folder; an action comes after each listing, `during` after the first rows."""
    watched, left = Watched(str(folder), PipeOptions(), 0.0, **more), list(actions)
    for event in watched:
        if event is not None:
            yield event
        if isinstance(event, Arrived) and during is not None:
            during()
            during = None
        if event is None and left:
            left.pop(0)()
        if not left:
            watched.idle = 0.0


def names_of(events):
    return [e.name.rpartition("/")[2] for e in events if isinstance(e, FileEnd) and not e.withdrawn]


def rows_of(events):
    return np.concatenate([e.rows for e in events if isinstance(e, Arrived)])


def test_a_file_is_read_when_two_listings_agree(tmp_path):
    def begin():
        (tmp_path / "x.csv").write_text("a,b\n1,2\n3,")

    def end():
        with (tmp_path / "x.csv").open("a") as file:
            file.write("4\n5,6\n")

    found = list(watching(tmp_path, begin, end))
    assert rows_of(found).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert names_of(found) == ["x.csv"]


def test_files_are_in_the_order_of_completion_and_then_of_names(tmp_path):
    def first():
        write(tmp_path / "b.npy", X[:2])

    def others():
        (tmp_path / "below").mkdir()
        write(tmp_path / "below" / "c.csv", X[2:3])
        write(tmp_path / "a.parquet", X[3:5])

    found = list(watching(tmp_path, first, lambda: None, others))
    assert names_of(found) == ["b.npy", "a.parquet", "c.csv"]
    assert np.array_equal(rows_of(found), X[[0, 1, 3, 4, 2]])


def test_hidden_temporary_and_empty_files_and_other_kinds_are_left_out(tmp_path):
    (tmp_path / "_temporary").mkdir()
    for name in (".x.csv", "_x.csv", "x.csv.part", "x.txt", "_temporary/x.csv", "x.csv~"):
        (tmp_path / name).write_text("a\n1\n")
    (tmp_path / "empty.csv").touch()
    assert list(watching(tmp_path)) == []


def test_a_file_is_read_once_also_if_it_changes_later(tmp_path):
    write(tmp_path / "x.csv", X[:2])

    def change():
        write(tmp_path / "x.csv", X[:3])

    with pytest.warns(LeftOutWarning, match="x.csv changed after it was folded"):
        found = list(watching(tmp_path, lambda: None, lambda: None, change, lambda: None))
    assert names_of(found) == ["x.csv"]
    assert len(rows_of(found)) == 2


def test_the_rows_of_a_file_that_changes_while_it_is_read_do_not_count(tmp_path):
    write(tmp_path / "a.npy", X[:100])
    write(tmp_path / "b.npy", X[100:200])

    feed = watching(tmp_path, during=lambda: write(tmp_path / "a.npy", X[:150]))
    feeding = Feeding(feed, Folding(StreamOptions(4, 50), DataOptions(None), 30))
    saved = {feeding.saved.n_rows for _ in feeding}
    assert saved == {0, 100, 250}  # rows of a file are saved at its end
    assert feeding.so_far.counted.rows == 250
    # The changed file comes later, because it was not complete.
    assert [name.rpartition("/")[2] for name, _ in feeding.state.files] == ["b.npy", "a.npy"]


def test_a_listing_that_fails_later_is_repeated(tmp_path):
    folder, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
    folder.mkdir()

    def away():
        folder.rename(elsewhere)

    def back():
        elsewhere.rename(folder)
        write(folder / "x.npy", X[:2])

    with pytest.warns(LeftOutWarning, match="The next listing follows"):
        found = list(watching(folder, away, lambda: None, back))
    assert names_of(found) == ["x.npy"]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    ends = zip(("a.csv", "b.npz", "c.parquet"), np.split(X, [500, 900]), strict=True)
    for name, rows in ends:
        write(made / name, rows)
    return made


def run(*words, code=0):
    said = CliRunner().invoke(main, ["stream", *map(str, words)])
    assert said.exit_code == code, said.output
    return said.output


def test_the_command_gives_the_model_of_the_batches_of_each_file_after_any_resume(folder, tmp_path):
    want = StreamingKMeans(4, summary_size=200, random_state=0)
    for first, last in [(0, 300), (300, 500), (500, 800), (800, 900)]:
        want.partial_fit(X[first:last])
    for first in range(900, 1600, 300):
        want.partial_fit(X[first : first + 300])
    last, later = folder / "c.parquet", tmp_path / "c.parquet"
    last.rename(later)
    words = ("--watch", folder, *ASKED, "-o", tmp_path / "m", "--checkpoint", tmp_path / "c")
    run(*words)
    assert streamkm.load(tmp_path / "m").n_rows_seen_ == 900
    wide = CliRunner(env={"COLUMNS": "400"})  # so that no path is broken
    said = wide.invoke(main, ["info", str(tmp_path / "c")]).output
    assert all(fact in said for fact in (str(folder), "900", "files"))
    later.rename(last)
    assert "after 900 rows" in run(*words)
    model = streamkm.load(tmp_path / "m")
    assert model.n_rows_seen_ == 1600
    assert np.array_equal(model.cluster_centers_, want.cluster_centers_)
    assert model.feature_names_in_.tolist() == list("abc")


def test_mistakes_of_a_watch(folder, tmp_path):
    out = ("-o", tmp_path / "m")
    assert "no such file or folder" in run("--watch", tmp_path / "no", *ASKED, *out, code=1)
    (folder / "d.csv").write_text("a,b,d\n1,2,3\n")
    assert "d.csv has no column 'c'" in run("--watch", folder, *ASKED, *out, code=1)
    (folder / "d.csv").write_text("c,b,a\n1,2,x\n")
    said = run("--watch", folder, *ASKED, *out, code=1)
    assert "d.csv" in said
    assert "invalid value 'x'" in said
    np.save(folder / "a0.npy", X[:9, :2])
    (folder / "d.csv").unlink()
    assert "a0.npy: after 500 rows of 3 features there is one of 2" in run(
        "--watch", folder, *ASKED, *out, code=1
    )
    assert not (tmp_path / "m").exists()
