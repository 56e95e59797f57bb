"""The app in a real browser; skipped where there is none."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rbgp_graphs as rg

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("dash", reason="dash is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]
#: axe-core is a development tool of its own; where it is installed, the pages go through it.
AXE = Path(os.environ.get("AXE_CORE", "node_modules/axe-core/axe.min.js"))
#: The aim is 0.3 s; a machine under test may be busy with other things.
PATIENCE_SECONDS = 3.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as tool:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def serve(app: Any) -> Iterator[str]:
    from rbgp_graphs.viz.dashboard.server import listen

    server = listen(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    yield from serve(rg.viz.app())


class Visit:
    """A visit of the app, with what went wrong and what was asked of the network."""

    def __init__(
        self, browser: Any, address: str, query: str = "", scheme: str = "light", width: int = 1280
    ) -> None:
        self.context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}
        )
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url, address))
        self.page.goto(address + query)
        self.wait(
            "document.querySelector('#pattern .imagelayer image, #pattern .heatmaplayer image')"
        )
        self.wait("document.querySelector('#figures')?.children.length")
        self.wait("document.querySelector('#verdict')?.children.length")
        # What is done while the page still draws can get lost.
        self.page.wait_for_load_state("networkidle")

    def _asked(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            self.foreign.append(url)

    def wait(self, condition: str) -> None:
        """Wait up to 30 s."""
        assert self.becomes(condition, seconds=30), f"{condition}; {self.complaints}"

    def becomes(self, condition: str, seconds: int) -> bool:
        """Wait for a condition; the policy of the page forbids playwright's own way."""
        for _ in range(50 * seconds):
            if self.page.evaluate(f"Boolean({condition})"):
                return True
            self.page.wait_for_timeout(20)
        return False

    def text(self, name: str) -> str:
        return str(self.page.evaluate(f"document.getElementById('{name}').innerText"))

    def close(self) -> None:
        assert self.complaints == []
        assert self.foreign == []
        self.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_page_fits_its_window_follows_the_theme_and_is_accessible(
    browser: Any, address: str, scheme: str, width: int
) -> None:
    visit = Visit(browser, address, "?cell=0,5", scheme, width)
    page = visit.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    drawn = page.evaluate(
        "getComputedStyle(document.querySelector('#pattern .main-svg')).background"
    )
    assert drawn.startswith("rgb(20, 23, 26)" if scheme == "dark" else "rgb(255, 255, 255)")
    # Every figure has a text and a table, every control a name, every id stands once.
    assert page.evaluate(
        """[...document.querySelectorAll('figure')].every(f =>
            f.querySelector('figcaption').innerText && f.querySelector('.description').innerText
            && f.querySelector('details table'))"""
    )
    nameless = page.evaluate(
        """[...document.querySelectorAll('input, button, a, [role=region]')].filter(e =>
            !(e.labels && e.labels.length) && !e.getAttribute('aria-label') &&
            !e.getAttribute('data-title') && !e.innerText && !e.closest('[hidden]')
        ).map(e => e.outerHTML)"""
    )
    assert nameless == []
    ids = page.evaluate("[...document.querySelectorAll('.app [id]')].map(e => e.id)")
    plotly = [name for name in ids if ids.count(name) > 1]
    assert plotly == []
    buttons = page.evaluate(
        "[...document.querySelectorAll('.modebar-btn')].map(b => b.getAttribute('data-title'))"
    )
    assert not [name for name in buttons if "share" in name.lower() or "cloud" in name.lower()]
    if AXE.is_file():
        found = visit.context.new_cdp_session(page).send(
            "Runtime.evaluate",
            {
                "expression": AXE.read_text("utf-8") + ";axe.run().then(r => JSON.stringify("
                "r.violations.map(v => [v.id, v.nodes[0].html])))",
                "awaitPromise": True,
                "returnByValue": True,
            },
        )
        assert json.loads(found["result"]["value"]) == []
    visit.close()


def test_a_slider_moved_by_keys_updates_every_figure_and_the_address(
    browser: Any, address: str
) -> None:
    visit = Visit(browser, address)
    page = visit.page
    before = {name: visit.text(name) for name in ("pattern-text", "numbers", "verdict", "figures")}
    source = "document.querySelector('#pattern .imagelayer image').getAttribute('href')"
    image = page.evaluate(source)
    page.evaluate("document.getElementById('zeros-slider').focus()")
    page.keyboard.press("ArrowLeft")
    for name, text in before.items():
        visit.wait(f"document.getElementById('{name}').innerText !== {json.dumps(text)}")
    visit.wait(f"{source} !== {json.dumps(image)}")
    assert page.url == address + "?sparsity=0.875"
    assert page.evaluate("document.getElementById('zeros').value") == "87.5"
    # And the button of the browser leads back.
    page.go_back()
    visit.wait("document.getElementById('zeros').value === '93.75'")
    visit.wait(f"document.getElementById('numbers').innerText === {json.dumps(before['numbers'])}")
    visit.close()


def test_an_address_restores_everything_and_downloads_what_it_shows(
    browser: Any, address: str, tmp_path: Path
) -> None:
    query = (
        "?rows=256&cols=512&sparsity=0.75&row-group=2&shown-rows=0:64&shown-cols=64:128"
        "&cell=3,70&view=tiling&step=1"
    )
    visit = Visit(browser, address, query)
    page = visit.page
    pattern = rg.design(256, 512, 0.75, row_group=2, device="default")
    values = page.evaluate(
        """Object.fromEntries(['rows', 'cols', 'zeros', 'group', 'row-range', 'col-range',
            'cell-row', 'cell-col', 'step'].map(n => [n, document.getElementById(n).value]))"""
    )
    assert list(values.values()) == ["256", "512", "75", "2", "0:64", "64:128", "3", "70", "1"]
    drawn = page.evaluate(
        "document.querySelector('#pattern .js-plotly-plot')._fullData[0].z.map(r => [...r])"
    )
    assert np.array_equal(np.array(drawn) == 2, pattern.mask()[:64, 64:128])
    assert ("is nonzero" in visit.text("cell")) == ((3, 70) in pattern)
    assert page.url == address + query
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Pattern (.rbgp)").click()
    waiting.value.save_as(tmp_path / "pattern.rbgp")
    assert rg.load(tmp_path / "pattern.rbgp").obj == pattern
    visit.close()


@pytest.mark.parametrize("side", [16384, 1 << 20])
def test_a_zoom_comes_back_soon(browser: Any, address: str, side: int) -> None:
    sparsity = 0.9375 if side < 1 << 20 else 1 - 2.0**-10
    visit = Visit(browser, address, f"?rows={side}&cols={side}&sparsity={sparsity}&view=graphs")
    page = visit.page
    times = []
    for k in range(6):
        start = side // 4 + 7 * side // 64 * (k % 2)
        stop = start + (side >> (3 + k))
        # A drag while the page still draws the last one is lost, as it is for a person.
        for _ in range(3):
            before = time.perf_counter()
            page.evaluate(
                """([start, stop]) => window.Plotly.relayout(
                    document.querySelector('#pattern .js-plotly-plot'), {
                    'xaxis.range': [start - 0.5, stop - 0.5],
                    'yaxis.range': [stop - 0.5, start - 0.5]}).then(() => null)""",
                [start, stop],
            )
            if visit.becomes(
                "document.getElementById('pattern-text').innerText"
                f".startsWith('Rows {start:,} to')",
                seconds=10,
            ):
                break
        else:
            raise AssertionError(f"the zoom to row {start} did not come; {visit.complaints}")
        times.append(time.perf_counter() - before)
    print(f"zoom at {side:,}: median {statistics.median(times):.3f} s, {times}")
    assert statistics.median(times) < PATIENCE_SECONDS
    visit.close()


def test_everything_can_be_done_with_the_keyboard(browser: Any, address: str) -> None:
    visit = Visit(browser, address, "?rows=64&cols=64&sparsity=0.75")
    page = visit.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to the pattern"
    page.keyboard.press("Enter")
    for name, done in (
        ("Zoom in", "document.getElementById('row-range').value === '16:48'"),
        ("Factors", "document.getElementById('figures').innerText.includes('which tiles exist')"),
    ):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.innerText") == name:
                break
        assert page.evaluate("document.activeElement.innerText") == name
        page.keyboard.press("Enter")
        visit.wait(done)
    page.get_by_label("Row", exact=True).focus()
    page.keyboard.type("20")
    page.keyboard.press("Tab")
    page.keyboard.type("21")
    page.keyboard.press("Enter")
    visit.wait("document.getElementById('cell').innerText.includes('Row 20, column 21')")
    assert page.url.partition("#")[0].endswith(
        "&shown-rows=16:48&shown-cols=16:48&cell=20,21&view=factors"
    )
    visit.close()


def test_a_file_is_opened_and_a_damaged_one_explained(
    browser: Any, address: str, tmp_path: Path
) -> None:
    visit = Visit(browser, address, "?rows=64&cols=64&sparsity=0.75&view=graphs")
    page = visit.page
    rg.save(tmp_path / "good.rbgp", rg.projective_plane(3))
    name = "<img src=x onerror=alert(1)>.rbgp"
    (tmp_path / name).write_bytes(b"nothing")
    chooser = page.locator("#open input[type=file]")
    chooser.set_input_files(tmp_path / name)
    visit.wait("document.getElementById('notice').innerText.includes('still shows')")
    assert page.locator("#notice img").count() == 0
    chooser.set_input_files(tmp_path / "good.rbgp")
    visit.wait("document.getElementById('headline').innerText.includes('13\\u00a0×\\u00a013')")
    visit.wait("document.querySelector('#figures .live')")
    assert visit.text("notice") == ""
    visit.wait("location.search.includes('source=z.')")
    again = Visit(browser, address, page.url.removeprefix(address))
    assert again.text("headline") == visit.text("headline")
    again.close()
    visit.close()


def test_an_absurd_range_in_an_address_is_explained(browser: Any, address: str) -> None:
    visit = Visit(browser, address, "?shown-rows=0:999999999&view=graphs")
    assert "the nearest range is 0:1,024" in visit.text("notice")
    assert "1,024" in visit.text("headline")
    visit.close()
