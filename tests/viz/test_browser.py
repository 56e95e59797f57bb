"""The report in a real browser; skipped where there is none."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from rbgp_graphs import RBGP4, random_biregular, viz

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    outer, inner = random_biregular(32, 32, 8, rng=0), random_biregular(32, 32, 8, rng=1)
    figure = go.Figure(go.Bar(y=[1])).update_layout(title_text="</script><script>bad()")
    path: Path = viz.report(
        RBGP4(outer, (4, 1), inner, (1, 4)),
        tmp_path_factory.mktemp("browser") / "report.html",
        title="<img src=x onerror=bad()>",
        extra=viz.Section("Extra", "Text.", figure),
    )
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as tool:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def wait_for(page: Any, condition: str) -> None:
    """Wait up to 20 s; the policy of the page forbids playwright's own way, which uses eval."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(200)
    raise AssertionError(condition)


class Visit:
    """A visit of the page, with what went wrong and what was asked of the network."""

    def __init__(self, browser: Any, address: str, scheme: str, width: int) -> None:
        self.page = browser.new_page(
            color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True
        )
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)
        wait_for(
            self.page,
            "document.querySelectorAll('.plot .main-svg').length >= "
            "2 * document.querySelectorAll('.plot').length",
        )


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_offline_in_both_themes_and_widths(
    browser: Any, address: str, scheme: str, width: int
) -> None:
    visit = Visit(browser, address, scheme, width)
    page = visit.page
    assert visit.complaints == []
    outside = [url for url in visit.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert outside == []
    # Figures and tables scroll inside the page, the page itself does not.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    drawn = page.evaluate("getComputedStyle(document.querySelector('.plot .main-svg')).background")
    expected = "rgb(20, 23, 26)" if scheme == "dark" else "rgb(255, 255, 255)"
    assert drawn.startswith(expected)
    page.close()


def test_the_images_of_tiles_and_mask_are_both_drawn(browser: Any, address: str) -> None:
    page = Visit(browser, address, "light", 1280).page
    images = page.evaluate("document.querySelector('.plot').querySelectorAll('.imagelayer image')")
    assert len(images) == 2
    page.close()


def test_the_theme_follows_the_reader_and_no_button_uploads(browser: Any, address: str) -> None:
    page = Visit(browser, address, "light", 1280).page
    page.emulate_media(color_scheme="dark")
    wait_for(
        page,
        "getComputedStyle(document.querySelector('.plot .main-svg')).background"
        ".startsWith('rgb(20, 23, 26)')",
    )
    buttons = page.evaluate(
        "[...document.querySelectorAll('.modebar-btn')].map(b => b.getAttribute('data-title'))"
    )
    assert "Reset axes" in buttons
    assert not [name for name in buttons if "share" in name.lower() or "cloud" in name.lower()]
    page.close()
