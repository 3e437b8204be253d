"""The HTML of objects in notebooks: well formed, with the facts, and safe with any names."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import streamkm
from streamkm.html_repr import colour_row, html_repr, rows_table
from streamkm.images import Archive, Palette, compress
from streamkm.models.facts import CLUSTERS
from streamkm.rows.formats.npy import NpyArray
from streamkm.rows.variables import Variables

HOSTILE = "<script>alert('x')</script>&amp;\u202e\udcff\x00"
_KNOWN = {"div", "style", "pre", "table", "thead", "tbody", "tr", "th", "td", "bdi", "span", "br"}


class Page(HTMLParser):
    """Checks that every tag is closed in order and of the renderer; collects the texts."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.found = [], [], text
        text.encode()  # a page is UTF-8
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert tag in _KNOWN
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] not in ("style", "pre"):
            self.texts.append(data)


def cells(thing):
    return Page(thing._repr_html_()).texts


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for name, value in (("<b>.png", 40), ("x & y.png", 200)):
        pixels = np.full((8, 9, 3), value, np.uint8)
        pixels[:4] = 0
        Image.fromarray(pixels).save(folder / name)
    compress(str(folder / "*.png"), folder / "a.zarr", 2)
    return Archive(folder / "a.zarr")


def test_hostile_text_has_no_effect():
    page = html_repr(
        HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, rows_table([HOSTILE], [[HOSTILE]], below=HOSTILE)
    )
    shown = [text for text in Page(page).texts if "alert" in text]
    assert len(shown) == 6
    assert all(text.startswith("<script>alert('x')</script>&amp;") for text in shown)
    assert "\\udcff" in shown[0]


def test_styles_are_needed_to_see_more_than_the_text():
    """A notebook that is not trusted removes them."""
    page = html_repr("Model", "<Model: 2 clusters>", {})
    assert "<pre class='streamkm-text'>&lt;Model: 2 clusters&gt;</pre>" in page
    assert "<div class='streamkm-repr' style='display:none'>" in page
    assert ".streamkm-repr { display: block !important;" in page


def test_a_model_has_its_facts_and_clusters():
    model = streamkm.Model(
        np.array([[280.25, 0.5], [300.0, 0.1]]),
        inertia=12.5,
        stop_reason="nothing moved",
        bytes_read=2048,
        n_passes=3,
        counts=np.array([30.0, 10.0]),
        features=["t2m", "<i>"],
        units=["K", "1"],
        names=[HOSTILE, None],
        parameters={"data": "<x>.zarr", "n_clusters": 2, "mask": None},
    )
    found = cells(model)
    for text in ("2 x 2", "12.5", "3 (2.0 KiB)", "t2m [K]", "<i>", "280.2", "75.0%", "30"):
        assert text in found
    assert "data=<x>.zarr, n_clusters=2" in found
    assert "transparent 33.3%" in model._repr_html_()  # bars are relative to the largest
    assert "<script" not in model._repr_html_()


def test_a_large_model_is_shown_in_part():
    model = streamkm.Model(np.zeros((CLUSTERS + 3, 40)))
    assert "and 3 more clusters and 32 more features" in cells(model)
    assert len(model._repr_html_()) < 30_000


def test_an_archive_has_its_palette_and_images(archive):
    found = cells(archive)
    for text in ("2 in 1 size and kind", "<b>.png", "x & y.png", "9 x 8", "PSNR [dB]", "rgb"):
        assert text in found
    for colour in archive.palette("<b>.png"):
        assert f"background:#{bytes(colour).hex()}" in archive._repr_html_()


def test_colours_that_are_no_colours_of_a_screen_are_left_out():
    assert "#0aff00" in colour_row("", [(10, 255, 0)])
    assert "#070707" in Palette(np.array([[7]], "u1"))._repr_html_()
    assert "#0102ff" in Palette(np.array([[0x100, 0x2FF, 0xFFFF]], "u2"))._repr_html_()
    bands = Palette(np.zeros((3, 5), "u1"))
    assert "streamkm-colour'" not in bands._repr_html_()
    assert "3 of 5 channels, uint8" in cells(bands)


def test_a_partition_has_its_sizes(tmp_path):
    x = np.arange(12.0).reshape(6, 2)
    parts = streamkm.partition(x[[0, 5]], x, tmp_path / "p.zarr")
    found = cells(parts)
    assert "6 of 2 features, float64" in found
    assert [found[found.index("share") + n] for n in (1, 2, 3)] == ["0", "3", "50.0%"]


def test_arrays_in_files_have_their_chunks(tmp_path):
    np.save(tmp_path / "<x>.npy", np.zeros((300, 4), np.float32))
    found = cells(streamkm.open_array(tmp_path / "<x>.npy"))
    for text in (f"{tmp_path}/<x>.npy", "(300, 4)", "float32, 4.7 KiB decoded"):
        assert text in found


def test_chunks_of_several_sizes_are_counted(tmp_path):
    table = pa.table({"a": np.arange(130.0), "b": np.zeros(130)})
    with pq.ParquetWriter(tmp_path / "x.parquet", table.schema) as writer:
        for start, n in ((0, 100), (100, 10), (110, 10), (120, 10)):
            writer.write_table(table.slice(start, n))
    assert "4 of at most 100 x 2, 1.6 KiB each" in cells(
        streamkm.open_array(tmp_path / "x.parquet")
    )


def test_several_variables_are_one_array(tmp_path):
    import zarr

    group = zarr.create_group(tmp_path / "c.zarr")
    for name in ("<t>", "p"):
        values = np.zeros((6, 8), "f4")
        group.create_array(name, data=values, chunks=(3, 8), dimension_names=("y", "x"))
    array = streamkm.open_array(tmp_path / "c.zarr", ["<t>", "p"])
    assert isinstance(array, Variables)
    found = cells(array)
    for text in ("(y: 6, x: 8, 2)", "2 of 3 x 8 x 2, 192 B each", "<t>, p"):
        assert text in found
    assert repr(array) == "<Variables: <t>, p, shape (6, 8, 2), float32>"


def test_a_forecast_reads_nothing_and_has_units(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros((4000, 8), np.float32))
    monkeypatch.delattr(NpyArray, "read")
    cost = streamkm.forecast(tmp_path / "x.npy", 5, memory_limit="1GiB", labels=True)
    assert (cost["rows"], cost["bytes_a_read"]) == (4000, 128_000)
    assert cost["projected_memory_bytes"] <= cost["memory_limit_bytes"] == 2**30
    found = cells(cost)
    assert found[found.index("memory limit") + 1] == "1.0 GiB"
    assert "memory limit: 1.0 GiB" in repr(cost)
    with pytest.raises(streamkm.errors.MemoryLimitError, match="Raise the limit"):
        streamkm.forecast(tmp_path / "x.npy", memory_limit="1MiB")


def test_a_password_in_an_address_is_not_shown():
    address = "https://me:secret@host/x.zarr"
    page = html_repr("Array", f"<Array {address}>", {"path": address})
    assert "secret" not in page
    assert page.count("https://me:***@host/x.zarr") == 2
