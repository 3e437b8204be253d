"""Results of each kind, small, with names from hostile data."""

from __future__ import annotations

from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pytest
import zarr
from PIL import Image

import streamkm
from streamkm.images import compress
from tests.cli.test_cli import run
from tests.conftest import mixture

mpl.use("agg")
RESULTS = ("model.zarr", "sweep.zarr", "archive.zarr", "fit.ckpt")
HOSTILE = "<script>alert(1)</script> & \"quoted\" 'x' $\\frac{ \x1b[2J \u202e\U0001f30d"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with data, a model, a sweep, an archive, and the checkpoint of a fit."""
    place = tmp_path_factory.mktemp("results")
    x = mixture(600, 4, 3)
    zarr.create_array(place / "x.zarr", data=x, chunks=(100, 4))
    fit = ["--checkpoint", place / "fit.ckpt", "--n-init", 2, "--seed", 3, "--tol", "1e-9"]
    run("fit", place / "x.zarr", "-k", 3, "-o", place / "model.zarr", *fit, "--scale", "standard")
    many = ["--n-init", 2, "--validation", place / "x.zarr"]
    run("sweep", place / "x.zarr", "-k", "1:7:2", "-o", place / "sweep.zarr", *many)
    (place / "images").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b<i>&'"):
        pixels = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / "images" / f"{name}.png")
    compress(place / "images", place / "archive.zarr", 8)
    named = streamkm.KMeans(3, random_state=0)
    named.fit(x)
    named.cluster_names_ = np.array([HOSTILE, None, "water"], dtype=object)
    named.save(place / "named.zarr")
    return place


@pytest.fixture(scope="session")
def files(folder):
    """The page of each result, and of a model with data ('rows'), as a file."""
    made = {name: streamkm.report(folder / name, folder / f"{name}.html") for name in RESULTS}
    data = str(folder / "x.zarr")
    made["rows"] = streamkm.report(folder / "named.zarr", folder / "rows.html", data=data, n=2)
    return made


@pytest.fixture(scope="session")
def pages(files):
    """The texts of the files."""
    return {name: path.read_text("utf-8") for name, path in files.items()}


class Parsed(HTMLParser):
    """The elements of a page with their attributes, and their texts."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self._open = [], {}, []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open.append((tag, len(self.texts)))
        self.texts[len(self.texts)] = [tag, ""]

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for _, number in self._open:
            self.texts[number][1] += data

    def of(self, *tags):
        """The texts of the elements with these tags, in order."""
        return [text for tag, text in self.texts.values() if tag in tags]

    @property
    def facts(self):
        return dict(zip(self.of("dt"), self.of("dd"), strict=True))

    @property
    def rows(self):
        """The cells of the first table below its head, as lists."""
        cells, width = self.of("th", "td"), len(self.columns)
        body = cells[width:]
        return [body[at : at + width] for at in range(0, len(body), width)]

    @property
    def columns(self):
        """The heads of the columns of the tables."""
        scopes = [attributes["scope"] for tag, attributes in self.elements if tag == "th"]
        heads = zip(self.of("th"), scopes, strict=True)
        return [text for text, scope in heads if scope == "col"]
