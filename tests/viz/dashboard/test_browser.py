"""The app in a real browser; skipped where there is none."""

from __future__ import annotations

import json
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rbgp_graphs as rg

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
answers = pytest.importorskip("rbgp_graphs.viz.dashboard.answers", reason="dash is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]
#: A machine under test may be busy with other things.
PATIENCE_SECONDS = 60
VIEWS = ("spectrum", "factors", "graphs", "tiling", "space", "compare")
SMALL = "?rows=64&cols=64&sparsity=0.75"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as tool:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from rbgp_graphs.viz.dashboard.server import listen

    server = listen(rg.viz.app(), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let answers wait while it is not set."""
    opened, answer = threading.Event(), answers.answer
    opened.set()

    def late(*args: Any) -> Any:
        opened.wait()
        return answer(*args)

    monkeypatch.setattr(answers, "answer", late)
    yield opened
    opened.set()


class Visit:
    """A visit of the app, with what went wrong and what was asked of the network."""

    def __init__(
        self, browser: Any, address: str, query: str = "", scheme: str = "light", width: int = 1280
    ) -> None:
        self.context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}
        )
        self.context.set_default_timeout(1000 * PATIENCE_SECONDS)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url, address))
        self.page.goto(address + query)
        self.settle()

    def _asked(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            self.foreign.append(url)

    def wait(self, condition: str | Callable[[], Any]) -> None:
        """Wait for a condition; the policy of the page forbids playwright's own way."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not (condition() if callable(condition) else self.value(f"Boolean({condition})")):
            assert time.monotonic() < end, f"{condition}; {self.page.url}; {self.complaints}"
            self.page.wait_for_timeout(20)

    def settle(self) -> None:
        """Wait until every part shows what the state says."""
        self.wait(
            "document.querySelectorAll('[aria-busy=false]').length === 3 && "
            "document.querySelector('#pattern .main-svg') && "
            "document.querySelector('#verdict').children.length && "
            "document.querySelector('#figures').children.length"
        )

    def value(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def text(self, name: str) -> str:
        return str(self.value(f"document.getElementById('{name}').innerText"))

    def open(self, name: str, path: Path) -> None:
        with self.page.expect_file_chooser() as waiting:
            self.page.click(f"#{name}")
        waiting.value.set_files(path)

    def close(self) -> None:
        assert self.complaints == []
        assert self.foreign == []
        self.context.close()


def violations(page: Any) -> list[tuple[str, str]]:
    """Return what axe-core finds wrong: the rule and the first element."""
    found = axe.Axe().run(page).response["violations"]
    return [(each["id"], each["nodes"][0]["html"]) for each in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window_follows_the_theme_and_is_accessible(
    browser: Any, address: str, scheme: str
) -> None:
    visit = Visit(browser, address, SMALL + "&cell=0,5", scheme)
    page = visit.page
    # Every section once, and the page in both colours and widths.
    for width, views in ((1280, VIEWS if scheme == "light" else ["graphs"]), (390, ["compare"])):
        page.set_viewport_size({"width": width, "height": 900})
        visit.wait(f"document.querySelector('#pattern .main-svg').clientWidth <= {width}")
        for view in views:
            page.click(f"#view-{view}")
            visit.wait(f"document.querySelector('#figures [id^={view}-] .main-svg')")
            visit.settle()
            visit.wait(f"document.documentElement.scrollWidth <= {width}")
            # Every figure has a text and a table.
            assert visit.value(
                """[...document.querySelectorAll('figure')].every(f =>
                    f.querySelector('figcaption').innerText
                    && f.querySelector('.description').innerText
                    && f.querySelector('details table'))"""
            )
            assert violations(page) == []
    drawn = visit.value("getComputedStyle(document.querySelector('#pattern .main-svg')).background")
    assert drawn.startswith("rgb(20, 23, 26)" if scheme == "dark" else "rgb(255, 255, 255)")
    ids = visit.value("[...document.querySelectorAll('.app [id]')].map(e => e.id)")
    assert [name for name in ids if ids.count(name) > 1] == []
    buttons = visit.value(
        "[...document.querySelectorAll('.modebar-btn')].map(b => b.getAttribute('data-title'))"
    )
    assert buttons
    assert not [name for name in buttons if "share" in name.lower() or "cloud" in name.lower()]
    # The colours change with the system.
    page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
    other = "rgb(255, 255, 255)" if scheme == "dark" else "rgb(20, 23, 26)"
    for name in ("pattern", "figures"):
        visit.wait(
            f"[...document.querySelectorAll('#{name} .main-svg')].some("
            f"e => getComputedStyle(e).background.startsWith('{other}'))"
        )
    visit.settle()
    visit.close()


def test_a_report_is_accessible(browser: Any, tmp_path: Path) -> None:
    path = rg.viz.report(rg.design(16, 16, 0.5), tmp_path / "report.html")
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(".plot .main-svg >> nth=-1", timeout=1000 * PATIENCE_SECONDS)
    for scheme, width in (("light", 1280), ("dark", 1280), ("dark", 390), ("light", 390)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        assert violations(page) == []
    page.close()


def test_a_slider_moved_by_keys_updates_every_figure_and_the_address(
    browser: Any, address: str
) -> None:
    visit = Visit(browser, address)
    page = visit.page
    before = {name: visit.text(name) for name in ("pattern-text", "numbers", "verdict", "figures")}
    source = "document.querySelector('#pattern .imagelayer image').getAttribute('href')"
    image = visit.value(source)
    page.locator("#zeros-slider").focus()
    page.keyboard.press("ArrowLeft")
    for name, text in before.items():
        visit.wait(f"document.getElementById('{name}').innerText !== {json.dumps(text)}")
    visit.wait(f"{source} !== {json.dumps(image)}")
    visit.wait(lambda: page.url == address + "?sparsity=0.875")
    visit.wait("document.getElementById('zeros').value === '87.5'")
    # And the buttons of the browser lead back and forth.
    page.go_back()
    visit.wait("document.getElementById('zeros').value === '93.75'")
    visit.wait(f"document.getElementById('numbers').innerText === {json.dumps(before['numbers'])}")
    page.go_forward()
    visit.wait("document.getElementById('zeros').value === '87.5'")
    visit.settle()
    visit.close()


@pytest.mark.parametrize("view", VIEWS)
def test_a_slider_updates_the_figures_of_every_section(
    browser: Any, address: str, view: str
) -> None:
    visit = Visit(browser, address, f"{SMALL}&view={view}")
    before = visit.text("figures")
    visit.page.locator("#zeros-slider").focus()
    visit.page.keyboard.press("ArrowRight")
    visit.wait(f"document.getElementById('figures').innerText !== {json.dumps(before)}")
    visit.settle()
    visit.close()


def test_nothing_done_while_an_answer_is_under_way_is_lost(
    browser: Any, address: str, gate: threading.Event, tmp_path: Path
) -> None:
    (tmp_path / "damaged.rbgp").write_bytes(b"nothing")
    visit = Visit(browser, address, SMALL + "&view=compare")
    page = visit.page
    gate.clear()
    page.locator("#cols-slider").focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    for name in ("in", "in", "right", "peer-blocks", "peer-banded", "peer-blocks"):
        page.click(f"#{name}")
    visit.open("open", tmp_path / "damaged.rbgp")
    page.fill("#inspected", "30, 140")
    page.keyboard.press("Enter")
    assert page.url == address + SMALL + "&view=compare"
    gate.set()
    query = "?rows=64&cols=256&sparsity=0.75&shown-rows=24:40&shown-cols=128:192&cell=30,140"
    query += "&view=compare&peers=unstructured,blocks,banded"
    visit.wait(lambda: page.url == address + query)
    visit.wait("document.getElementById('cell').innerText.includes('Row 30, column 140')")
    assert "still shows" in visit.text("notice")
    visit.wait("document.querySelector('#figures [id^=compare-] .main-svg')")
    visit.settle()
    visit.close()


def test_a_control_is_not_set_under_the_hand_that_moves_it(
    browser: Any, address: str, gate: threading.Event
) -> None:
    visit = Visit(browser, address, SMALL)
    page = visit.page
    visit.value(
        """(() => { window.written = [];
            const value = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
            Object.defineProperty(HTMLInputElement.prototype, "value", {
                ...value, set(text) { window.written.push(this.id); value.set.call(this, text); },
            }); })()"""
    )
    page.locator("#zeros-slider").scroll_into_view_if_needed()
    box = page.locator("#zeros-slider").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.2 * box["width"], middle)
    gate.clear()
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], middle, steps=3)
    gate.set()
    page.mouse.move(box["x"] + 0.36 * box["width"], middle, steps=3)
    shown = float(visit.value("document.getElementById('zeros-slider').value"))
    visit.wait(f"document.getElementById('zeros').value === '{100 - 100 * 2**-shown:.12g}'")
    page.mouse.up()
    visit.settle()
    assert float(visit.value("document.getElementById('zeros-slider').value")) == shown
    assert "zeros-slider" not in visit.value("window.written")
    assert "zeros" in visit.value("window.written")
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
    visit.wait("document.getElementById('step').value === '1'")
    values = visit.value(
        """Object.fromEntries(['rows', 'cols', 'zeros', 'group', 'row-range', 'col-range',
            'inspected', 'step'].map(n => [n, document.getElementById(n).value]))"""
    )
    assert list(values.values()) == ["256", "512", "75", "2", "0:64", "64:128", "3, 70", "1"]
    drawn = visit.value("document.querySelector('#pattern')._fullData[0].z.map(r => [...r])")
    assert np.array_equal(np.array(drawn) == 2, pattern.mask()[:64, 64:128])
    assert ("is nonzero" in visit.text("cell")) == ((3, 70) in pattern)
    assert page.url == address + query
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Pattern (.rbgp)").click()
    waiting.value.save_as(tmp_path / "pattern.rbgp")
    assert rg.load(tmp_path / "pattern.rbgp").obj == pattern
    visit.close()


@pytest.mark.parametrize("side", [16384, 1 << 20])
def test_dragging_zooms_deeper_and_deeper(browser: Any, address: str, side: int) -> None:
    sparsity = 0.9375 if side < 1 << 20 else 1 - 2.0**-10
    visit = Visit(browser, address, f"?rows={side}&cols={side}&sparsity={sparsity}&view=graphs")
    page, times, last = visit.page, [], side
    for _ in range(4):
        text = visit.text("pattern-text")
        box = page.locator("#pattern .nsewdrag").bounding_box()
        x, y, width, height = (box[name] for name in ("x", "y", "width", "height"))
        page.mouse.move(x + 0.3 * width, y + 0.3 * height)
        page.mouse.down()
        page.mouse.move(x + 0.7 * width, y + 0.7 * height, steps=4)
        before = time.perf_counter()
        page.mouse.up()
        visit.wait(f"document.getElementById('pattern-text').innerText !== {json.dumps(text)}")
        times.append(time.perf_counter() - before)
        shown = visit.value("document.getElementById('row-range').value").split(":")
        # The square of the figure stays in the middle, and is about 0.4 as wide.
        assert 0.3 * last < int(shown[1]) - int(shown[0]) < 0.6 * last
        last = int(shown[1]) - int(shown[0])
        visit.settle()
    print(f"zoom at {side:,}: median {statistics.median(times):.3f} s, with words and tables")
    # Without a control key the wheel scrolls the page and leaves the figure alone.
    page.mouse.wheel(0, 100)
    visit.wait("window.scrollY > 0")
    page.keyboard.down("Control")
    page.mouse.wheel(0, 240)
    page.keyboard.up("Control")
    visit.wait(f"document.getElementById('row-range').value !== '{':'.join(shown)}'")
    wider = visit.value("document.getElementById('row-range').value").split(":")
    assert int(wider[1]) - int(wider[0]) > last
    visit.settle()
    visit.close()


def test_a_click_inspects_the_cell_under_the_pointer(browser: Any, address: str) -> None:
    visit = Visit(browser, address, "?rows=256&cols=256&sparsity=0.75")
    box = visit.page.locator("#pattern .nsewdrag").bounding_box()
    row, col = 201, 77
    visit.page.mouse.click(
        box["x"] + (col + 0.5) / 256 * box["width"], box["y"] + (row + 0.5) / 256 * box["height"]
    )
    visit.wait(f"document.getElementById('cell').innerText.includes('Row {row}, column {col}')")
    visit.settle()
    visit.close()


def test_everything_can_be_done_with_the_keyboard(browser: Any, address: str) -> None:
    visit = Visit(browser, address, SMALL)
    page = visit.page
    page.keyboard.press("Tab")
    assert visit.value("document.activeElement.innerText") == "Skip to the pattern"
    page.keyboard.press("Enter")
    for name, done in (
        ("Zoom in", "document.getElementById('row-range').value === '16:48'"),
        ("Factors", "document.getElementById('figures').innerText.includes('which tiles exist')"),
    ):
        for _ in range(60):
            page.keyboard.press("Tab")
            if visit.value("document.activeElement.innerText") == name:
                break
        assert visit.value("document.activeElement.innerText") == name
        page.keyboard.press("Enter")
        visit.wait(done)
    page.get_by_label("Row, column").focus()
    page.keyboard.type("20, 21")
    page.keyboard.press("Enter")
    visit.wait("document.getElementById('cell').innerText.includes('Row 20, column 21')")
    query = SMALL + "&shown-rows=16:48&shown-cols=16:48&cell=20,21&view=factors"
    visit.wait(lambda: page.url.partition("#")[0] == address + query)
    visit.settle()
    visit.close()


def test_a_file_is_opened_and_a_damaged_one_explained(
    browser: Any, address: str, tmp_path: Path
) -> None:
    visit = Visit(browser, address, SMALL + "&view=graphs")
    rg.save(tmp_path / "good.rbgp", rg.projective_plane(3))
    name = "<img src=x onerror=alert(1)>.rbgp"
    (tmp_path / name).write_bytes(b"nothing")
    visit.open("open", tmp_path / name)
    visit.wait("document.getElementById('notice').innerText.includes('still shows')")
    assert visit.page.locator("#notice img").count() == 0
    visit.open("open", tmp_path / "good.rbgp")
    visit.wait("document.getElementById('headline').innerText.includes('13\\u00a0×\\u00a013')")
    visit.wait("document.querySelector('#figures .live')")
    assert visit.text("notice") == ""
    visit.wait("location.search.includes('source=z.')")
    again = Visit(browser, address, visit.page.url.removeprefix(address))
    assert again.text("headline") == visit.text("headline")
    again.close()
    visit.close()


def test_a_server_that_is_gone_is_named_and_events_wait_for_it(browser: Any, address: str) -> None:
    visit = Visit(browser, address, SMALL)
    visit.context.set_offline(True)
    visit.page.click("#in")
    visit.wait("document.getElementById('notice').innerText.includes('did not answer')")
    visit.context.set_offline(False)
    visit.page.click("#in")
    visit.wait("document.getElementById('row-range').value === '24:40'")
    visit.wait("document.getElementById('notice').innerText === ''")
    visit.settle()
    visit.complaints.clear()
    visit.close()


def test_an_absurd_range_in_an_address_is_explained(browser: Any, address: str) -> None:
    visit = Visit(browser, address, "?shown-rows=0:999999999&view=graphs")
    assert "the nearest range is 0:1,024" in visit.text("notice")
    assert "1,024" in visit.text("headline")
    visit.wait(lambda: visit.page.url == address)
    visit.close()
