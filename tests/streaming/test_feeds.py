"""Feeds: the same batches give the same model through Python, a pipe or stores."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import threading
import time
from contextlib import suppress

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm import StreamingKMeans
from streamkm.checkpoint import flatten, restore
from streamkm.cli import main
from streamkm.errors import DataError, LeftOutWarning
from streamkm.ingesting.ahead import ahead
from streamkm.ingesting.pipes import PipeOptions, arriving
from streamkm.ingesting.registry import KindOptions
from streamkm.runs.feeding import Feeding, Folding
from streamkm.runs.feeds import Arrived, skipping
from streamkm.runs.options import DataOptions
from streamkm.runs.stream import StreamOptions
from tests.conftest import mixture
from tests.passes.contract import same

X = np.asarray(mixture(2000, 3, 4, seed=5), np.float64)
BATCH = 300  # does not divide the rows
ASKED = ("-k", 4, "--summary-size", 200, "--batch", BATCH)


def npy(x, parts=3):
    out = io.BytesIO()
    for part in np.array_split(x, parts):
        np.save(out, part)
    return out.getvalue()


def csv(x):
    return pd.DataFrame(x, columns=list("abc")).to_csv(index=False).encode()


def arrow(x, parts=4):
    out, schema = io.BytesIO(), pa.schema([(name, pa.float64()) for name in "abc"])
    with pa.ipc.new_stream(out, schema) as writer:
        for part in np.array_split(x, parts):
            writer.write_batch(pa.record_batch([pa.array(c) for c in part.T], schema=schema))
    return out.getvalue()


def run(*words, data=b"", code=0):
    said = CliRunner().invoke(main, ["stream", *map(str, words)], input=data)
    assert said.exit_code == code, said.output
    return said.output


def piped(data, target, *words, **options):
    run("-", *ASKED, "-o", target, *words, data=data, **options)
    return streamkm.load(target)


def equal(a, b):
    assert a.n_rows_seen_ == b.n_rows_seen_
    assert np.array_equal(a.cluster_centers_, b.cluster_centers_)
    assert np.array_equal(a.counts_, b.counts_)
    return True


@pytest.fixture(scope="module")
def want():
    """The model of `partial_fit` of the batches."""
    model = StreamingKMeans(4, summary_size=200, random_state=0)
    for start in range(0, len(X), BATCH):
        model.partial_fit(X[start : start + BATCH])
    return model


@pytest.mark.parametrize("write", [npy, csv, arrow])
def test_a_pipe_gives_the_model_of_its_batches(write, want, tmp_path):
    model = piped(write(X), tmp_path / "m")
    assert equal(model, want)
    names = getattr(model, "feature_names_in_", np.array([]))
    assert names.tolist() == ([] if write is npy else list("abc"))


def test_stores_of_the_batches_give_the_same_model(want, tmp_path):
    paths = [tmp_path / f"x{start:04d}" for start in range(0, len(X), BATCH)]
    for path, start in zip(paths, range(0, len(X), BATCH), strict=True):
        zarr.create_array(path, data=X[start : start + BATCH], chunks=(100, 3))
    run(*paths, *ASKED[:4], "-o", tmp_path / "m")
    assert equal(streamkm.load(tmp_path / "m"), want)


def items():
    """Rows as arrays and lists of any size, one of which the iterator uses again."""
    own = np.empty((7, 3))
    for start in range(0, 700, 7):
        own[...] = X[start : start + 7]
        yield own
    yield X[700:1500].tolist()
    yield from np.array_split(X[1500:], 3)


def tables():
    for start, kind in zip(
        range(0, len(X), 400), [pd, pl, pa.table, pa.record_batch, pd], strict=1
    ):
        columns = dict(zip("abc", X[start : start + 400].T, strict=True))
        yield kind(columns) if callable(kind) else kind.DataFrame(columns)


@pytest.mark.parametrize("feed", [items, tables])
def test_iterators_are_consumed_in_the_same_batches(feed, want):
    async def rows():
        for item in feed():
            yield item

    fresh = [StreamingKMeans(4, summary_size=200, random_state=0) for _ in range(2)]
    assert equal(fresh[0].consume(feed(), batch_rows=BATCH), want)
    assert equal(asyncio.run(fresh[1].consume_async(rows(), batch_rows=BATCH)), want)
    assert hasattr(fresh[1], "feature_names_in_") == (feed is tables)


def test_rows_before_the_failure_of_an_iterator_are_in_the_model():
    def failing():
        yield X[:250]
        raise RuntimeError("lost")

    model = StreamingKMeans(4)
    with pytest.raises(RuntimeError, match="lost"):
        model.consume(failing())
    assert model.n_rows_seen_ == 250
    with pytest.raises(DataError, match="2 features"):
        model.consume([X[:5], X[:5, :2]])
    assert model.n_rows_seen_ == 255


def read(data, n=2**20, **options):
    """The rows that are read from a pipe that gives at most n bytes at once."""

    class Slow(io.RawIOBase):
        at = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            some = data[self.at : self.at + min(n, len(buffer))]
            buffer[: len(some)] = some
            self.at += len(some)
            return len(some)

    pieces = list(arriving(Slow(), PipeOptions(**options)))
    return np.concatenate([piece.rows for piece in pieces])


@pytest.mark.parametrize("n", [1, 13, 1000])
@pytest.mark.parametrize("write", [npy, csv, arrow])
def test_the_rows_of_a_pipe_do_not_depend_on_how_its_bytes_arrive(write, n):
    assert np.array_equal(read(write(X[:40]), n), X[:40])


def test_text_without_a_header_and_of_some_columns():
    text = b"1;2;x\n\n3;4;y\n5;;z"
    with pytest.warns(LeftOutWarning, match="not numbers: f2"):
        rows = read(text, 3, kind=KindOptions(no_header=True, delimiter=";"))
    assert np.array_equal(rows, [[1, 2], [3, 4], [5, np.nan]], equal_nan=True)
    rows = read(b"a,b\r\n1,2\r\n3,4\r\n", kind=KindOptions(columns=["b"]), dtype=np.dtype("u1"))
    assert rows.dtype == np.uint8
    assert rows.tolist() == [[2], [4]]


def test_arrays_of_any_shape_and_vectors_of_arrow_are_rows():
    cube = np.arange(24, dtype=">i2").reshape(2, 3, 4)
    assert read(npy(cube, 2), 5).tolist() == cube.reshape(-1, 4).tolist()
    out, table = io.BytesIO(), pa.table({"id": ["a", "b"], "v": [[1.0, 2.0], [3.0, 4.0]]})
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    assert read(out.getvalue()).tolist() == [[1, 2], [3, 4]]


ROWS, WIDE = npy(X[:9], 1), npy(X[:3, :2], 1)
MISTAKES = [
    (b"", (), "standard input is empty"),
    (b"a,b\n", (), "standard input has no rows"),
    (npy(X[:0], 1), (), "standard input has no rows"),
    (ROWS + WIDE, (), "after 9 rows of 3 features there is one of 2"),
    (ROWS[:-3], (), "array 1 of standard input is shorter than its header says"),
    (npy(np.asfortranarray(X[:9]), 1), (), "Fortran order"),
    (csv(X[:9]) + b"1,2\n", (), "Row #11: Expected 3 columns, got 2: 1,2"),
    (csv(X[:9]) + b"1,2,high\n", (), "column 'c': Row #11: .* invalid value 'high'"),
    (b"a,b,c\n1,2,3\n4,5,low", ("--columns", "a,c"), "column 'c': Row #3: .* invalid value 'low'"),
    (b"1,2\n3,4\n", (), "begins with numbers .* pass --no-header"),
    (b"a,b\r1,2\r3,4\r", (), r"end in CR without LF.* tr '\\r' '\\n'"),
    (b"1,2\r3,4\r5,6\n", ("--no-header",), "end in CR without LF"),
    (b"a,b\n1,\n3,4\n", (), "column 'b' has no value in the first row"),
    (
        csv(X[:9]) + b"1,nan,3\n",
        (),
        r"Error: standard input: .* row 9\. Leave them out by --nodata",
    ),
    (b"a,b\n" + b"1" * 2**22 + b"1,2\n", (), "standard input has a row of more than 4"),
    (arrow(X[:9])[:-90], (), "is no Arrow stream after 7 rows"),
    (b"PAR1" + bytes(40), (), "is Parquet"),
    (bytes(40), (), "not known from its first bytes: pass --format"),
    (bytes(40), ("--format", "npy"), "is not an npy file"),
    (ROWS, ("--dtype", "uint8"), "uint8 cannot represent"),
    (npy(X[:3], 1), (), "there are 3 rows, fewer than the 4 clusters"),
]


@pytest.mark.parametrize(("data", "words", "why"), MISTAKES)
def test_a_mistake_is_one_error(data, words, why, tmp_path):
    said = run("-", *ASKED, "-o", tmp_path / "m", *words, data=data, code=1)
    with pytest.raises(DataError, match=why):  # compares as a pattern
        raise DataError(said)
    assert said.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_options_that_exclude_each_other(tmp_path):
    out = ("-o", tmp_path / "m")
    assert "exclude each other" in run("-", "x", *ASKED, *out, code=2)
    assert "--format is not for --watch" in run(
        "--watch", tmp_path, "--format", "npy", *ASKED, *out, code=2
    )
    assert "--feature-dim is not for -" in run("-", "--feature-dim", "x", *ASKED, *out, code=2)
    checked = ("--checkpoint", tmp_path / "c")
    assert "needs --skip-rows seen" in run("-", *checked, *ASKED, *out, code=2)
    assert "--refine is not for -" in run("-", "--refine", 1, *ASKED, *out, code=2)
    assert "--batch is for feeds" in run("x", *ASKED, *out, code=2)
    assert "or --watch" in run(*ASKED[:4], *out, code=2)


def test_a_feed_resumes_after_every_piece_with_the_same_bits(want):
    folding = Folding(StreamOptions(4, 200), DataOptions(None), BATCH)

    def feed(n):
        return [Arrived(part, "feed") for part in np.array_split(X, n)]

    feeding = Feeding(feed(47), folding)
    saved = []
    for _ in feeding:
        arrays = []
        tree = json.loads(json.dumps(flatten(feeding.saved, arrays)))
        saved.append(restore(tree, arrays))
        assert feeding.so_far.counted.rows == saved[-1].n_rows
    assert len(saved) >= 50
    for state in saved:
        rest = skipping(feed(5), state.n_rows, state.checksum)
        again = Feeding(rest, folding, state)
        list(again)
        assert same(again.state.summary, feeding.state.summary)
    assert np.array_equal(feeding.so_far.draws, want._summary.draws)


def test_a_source_is_read_at_most_two_pieces_ahead():
    given = []

    def source(ended):
        for number in range(10):
            given.append(number)
            yield Arrived(X[number : number + 1], "feed")

    feed = ahead(source)
    assert next(feed).rows.shape == (1, 3)
    time.sleep(0.1)
    assert len(given) <= 3
    assert sum(event is not None for event in feed) == 9


@pytest.fixture
def stopped(tmp_path):
    """Stop a command that waits for more rows, when the model of those before is written."""

    def stop(number, *words, code):
        ours, theirs = os.pipe()
        with os.fdopen(ours, "rb") as pipe, os.fdopen(theirs, "wb") as producer:
            producer.write(csv(X[:1000]))
            producer.flush()

            def end():
                for _ in range(1000):
                    with suppress(Exception):  # there is none yet, or it is being replaced
                        if streamkm.load(tmp_path / "m").n_rows_seen_ == 1000:
                            break
                    time.sleep(0.01)
                os.kill(os.getpid(), number)

            ending = threading.Thread(target=end)
            ending.start()
            said = run(
                "-", *ASKED, "-o", tmp_path / "m", "--every", "0s", *words, data=pipe, code=code
            )
            ending.join()
        early = streamkm.load(tmp_path / "m")
        assert early.n_rows_seen_ == 1000
        return said

    return stop


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_feed_with_the_model_so_far(number, code, stopped, tmp_path):
    assert f"written: {tmp_path / 'm'}; no other" in stopped(number, code=code)
    assert not any(thread.name == "streamkm-feed" for thread in threading.enumerate())


def test_a_stopped_feed_resumes_with_the_same_bits(stopped, want, tmp_path):
    checked = ("--checkpoint", tmp_path / "c", "--skip-rows", "seen")
    said = stopped(signal.SIGTERM, *checked, code=75)
    assert f"stopped (SIGTERM) after 1,000 rows, and {tmp_path / 'm'} is the model of these" in said
    again = ("-", *ASKED, "-o", tmp_path / "m", *checked)
    assert "does not begin with the 1,000 rows" in run(*again, data=csv(X[::-1]), code=1)
    assert "ended after 900 rows" in run(*again, data=csv(X[:900]), code=1)
    assert "batch was 300, is now 7" in run(*again, "--batch", 7, data=csv(X), code=1)
    info = CliRunner().invoke(main, ["info", str(tmp_path / "c")]).output
    assert "1,000" in info
    assert "standard input" in info
    assert "after 1,000 rows" in run(*again, data=csv(X))
    assert equal(streamkm.load(tmp_path / "m"), want)


def test_a_signal_before_the_first_rows_is_resumed_with_a_checkpoint(tmp_path):
    words = ("-", *ASKED, "-o", tmp_path / "m", "--checkpoint", tmp_path / "c", "--skip-rows", 0)
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as pipe, os.fdopen(theirs, "wb"):

        def end():  # when the feed is being read
            while not any(thread.name == "streamkm-feed" for thread in threading.enumerate()):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)

        ending = threading.Thread(target=end)
        ending.start()
        said = run(*words, data=pipe, code=75)
        ending.join()
    assert said == "stopped (SIGTERM); run the same command to resume.\n"
    run(*words, data=npy(X))
    assert streamkm.load(tmp_path / "m").n_rows_seen_ == len(X)


def test_an_input_that_continues_is_folded_from_its_first_row(want, tmp_path):
    words = ("--checkpoint", tmp_path / "c", "--skip-rows", 0)
    cut = 4 * BATCH  # the last batch of an input that ends is folded as it is
    piped(csv(X[:cut]), tmp_path / "m", *words)
    assert equal(piped(csv(X[cut:]), tmp_path / "m", *words), want)


def test_a_run_after_a_bad_row_resumes_with_the_batches_before(want, tmp_path):
    bad = np.insert(X, 1000, np.nan, axis=0)
    words = ("-", *ASKED, "-o", tmp_path / "m", "--checkpoint", tmp_path / "c")
    words = (*words, "--skip-rows", "seen")
    assert "so far; the first is row 1000." in run(*words, data=npy(bad, 40), code=1)
    assert not (tmp_path / "m").exists()
    words = (*words, "--nodata", "nan")
    assert "after 900 rows" in run(*words, data=npy(bad, 40))
    assert streamkm.load(tmp_path / "m").n_rows_seen_ == len(X)


def test_columns_of_an_input_that_continues_are_found_by_name(want, tmp_path):
    words = (*ASKED, "--checkpoint", tmp_path / "ckpt", "--skip-rows", 0, "-o", tmp_path / "m")
    run("-", *words, data=csv(X[:900]))
    rest = pd.DataFrame(X[900:], columns=list("abc"))
    said = run("-", *words, data=b"p,q,r\n1,2,3\n", code=1)
    assert "has no column 'a'; it has ['p', 'q', 'r']" in said
    run("-", *words, data=rest[["c", "a", "b"]].to_csv(index=False).encode())
    assert np.array_equal(streamkm.load(tmp_path / "m").cluster_centers_, want.cluster_centers_)
