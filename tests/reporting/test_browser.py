"""Pages in a headless Chromium: no error, no request, and no violation that axe finds."""

from __future__ import annotations

import os
import shutil
import threading

import numpy as np
import pytest

import streamkm
from streamkm.checkpoint import Generations, Saved, load_saved
from streamkm.reporting import watch
from tests.reporting.conftest import HOSTILE

api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
PHONE, DESKTOP = {"width": 390, "height": 800}, {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("there is no Chromium")
    with api.sync_playwright() as play:
        made = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def tab(browser):
    """An empty page, with the messages of its console and the addresses that it asks for."""
    context = browser.new_context(bypass_csp=True, viewport=PHONE)
    made = context.new_page()
    made.said, made.asked = [], []
    made.on("console", lambda message: made.said.append(message.text))
    made.on("pageerror", lambda error: made.said.append(str(error)))
    made.on("request", lambda request: made.asked.append(request.url))
    yield made
    context.close()


def violations(tab):
    """What axe finds on light and on dark paper, on a phone."""
    found = []
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        found += [(scheme, each["id"]) for each in axe.Axe().run(tab).response["violations"]]
    return found


@pytest.mark.parametrize("name", ["rows", "sweep.zarr", "archive.zarr"])
def test_a_page_is_accessible_fits_a_phone_and_stays_within_itself(name, files, tab):
    page = files[name]
    tab.goto(page.as_uri())
    assert violations(tab) == []
    for size in (PHONE, DESKTOP):
        tab.set_viewport_size(size)
        assert tab.evaluate("document.documentElement.scrollWidth") == size["width"]
    assert tab.said == []
    assert {url for url in tab.asked if not url.startswith("data:")} == {page.as_uri()}
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the contents"
    if name == "rows":
        assert tab.locator("td", has_text="<script>").inner_text().startswith(HOSTILE[:25])
        ink = "getComputedStyle(document.querySelector('svg text')).fill"
        assert tab.evaluate(ink) == "rgb(232, 234, 237)"  # the scheme is dark


# Rules of JupyterLab 4.6 for the HTML of outputs.
LAB = """
:not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon :is(td, th, tr) { text-align: right; }
.jp-RenderedHTMLCommon :is(td, th, tr) { vertical-align: middle; padding: 0.5em; }
.jp-RenderedHTMLCommon tbody tr:nth-child(odd) { background: rgb(1, 1, 1); }
.jp-RenderedHTMLCommon tbody tr:nth-child(even) { background: rgb(2, 2, 2); }
"""
STYLES = """cells => [...document.querySelectorAll(cells)].map(cell => [
  getComputedStyle(cell).textAlign, getComputedStyle(cell.parentElement).backgroundColor])"""


def test_the_html_of_objects_has_its_own_styles_in_jupyterlab(tab):
    page = streamkm.Model(np.eye(2), counts=np.ones(2))._repr_html_()
    tab.set_content(f"<style>{LAB}</style><div class='jp-RenderedHTMLCommon'>{page}</div>")

    def styles(cells):
        return set(map(tuple, tab.evaluate(STYLES, cells)))

    assert styles(".streamkm-facts :is(th, td)") == {("left", "rgba(0, 0, 0, 0)")}
    assert styles(".streamkm-rows td") == {("right", "rgba(0, 0, 0, 0)")}
    assert styles(".streamkm-rows tbody th") == {("left", "rgba(0, 0, 0, 0)")}


def test_a_page_that_is_served_shows_the_next_state_without_being_loaded_again(
    folder, tab, tmp_path
):
    last = load_saved(Generations(folder / "fit.ckpt", "r"))
    waiting = type(last.state)(**{**vars(last.state), "trajectories": last.state.trajectories[:1]})
    running = Generations(tmp_path / "run.ckpt")
    Saved(last.record, waiting).save(running)
    with watch.server(tmp_path / "run.ckpt", every=0.05) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            tab.goto(watch.address(server))
            assert tab.locator("tbody th").all_inner_texts() == ["restart 0"]
            tab.evaluate("window.kept = true")
            assert violations(tab) == []
            last.save(running)
            tab.locator("tbody th", has_text="restart 1").wait_for(timeout=20_000)
            assert tab.evaluate("window.kept")
        finally:
            server.shutdown()
            thread.join()
    tab.get_by_text("The page is no longer served; this is the last state.").wait_for()
    assert {os.path.dirname(url) for url in tab.asked} == {watch.address(server).rstrip("/")}
