"""The report in a real browser; skipped where there is none."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs import RBGP4, TensorProduct, design_space, projective_plane, random_biregular, viz
from rbgp_graphs.testing.strategies import bipartite_graphs, patterns
from rbgp_graphs.viz.layers import zoom_looks
from rbgp_graphs.viz.level_lines import add_lines
from rbgp_graphs.viz.page import read_asset
from rbgp_graphs.viz.raster import rasterize
from rbgp_graphs.viz.zoom import zoom_data
from tests.viz.test_raster import averages, windows

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: Holds once every figure is drawn in the dark theme.
IS_DARK = (
    "[...document.querySelectorAll('.plot .main-svg:first-child')].every("
    "svg => getComputedStyle(svg).background.startsWith('rgb(20, 23, 26)'))"
)
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
    """Wait up to 60 s; the policy of the page forbids playwright's own way, which uses eval."""
    end = time.monotonic() + 60
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(100)


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
        self.page.set_default_timeout(60_000)
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


def test_axe_finds_nothing_to_complain_about(browser: Any, tmp_path: Path) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    # A small pattern has every section, and few marks in its figures.
    small = RBGP4(projective_plane(2), (2, 1), projective_plane(2), (1, 2))
    page = Visit(browser, viz.report(small, tmp_path / "small.html").as_uri(), "light", 1280).page
    # What can be opened is checked too.
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    found = axe.Axe().run(page)
    assert found.response["testEngine"]["name"] == "axe-core"
    assert found.violations_count == 0, found.generate_report()
    # The other theme differs in colours alone.
    page.emulate_media(color_scheme="dark")
    wait_for(page, IS_DARK)
    found = axe.Axe().run(page, options={"runOnly": ["color-contrast"]})
    assert found.response["passes"]
    assert found.violations_count == 0, found.generate_report()
    # It would have told.
    page.evaluate(
        """() => document.querySelectorAll('h2').forEach(each => {
            each.style = 'color: #888888; background: #999999';
        })"""
    )
    found = axe.Axe().run(page, context="h2")
    assert [each["id"] for each in found.response["violations"]] == ["color-contrast"]
    page.close()


def test_the_images_of_tiles_and_mask_are_both_drawn(browser: Any, address: str) -> None:
    page = Visit(browser, address, "light", 1280).page
    images = page.evaluate(
        "document.querySelector('.plot.square').querySelectorAll('.imagelayer image')"
    )
    assert len(images) == 2
    page.close()


def test_the_theme_follows_the_reader_and_no_button_uploads(browser: Any, address: str) -> None:
    page = Visit(browser, address, "light", 1280).page
    page.emulate_media(color_scheme="dark")
    wait_for(page, IS_DARK)
    buttons = page.evaluate(
        "[...document.querySelectorAll('.modebar-btn')].map(b => b.getAttribute('data-title'))"
    )
    assert "Reset axes" in buttons
    assert not [name for name in buttons if "share" in name.lower() or "cloud" in name.lower()]
    page.close()


@pytest.fixture(scope="module")
def script(browser: Any) -> Iterator[Any]:
    """An empty page with the script of the figures."""
    page = browser.new_page()
    page.add_script_tag(content=read_asset("figures.js"))
    yield page
    page.close()


@st.composite
def patterns_with_all_levels(draw: st.DrawFn) -> RBGP4:
    """Draw patterns with missing tiles, zeros in tiles, and blocks; some of them twisted."""
    outer = projective_plane(2)
    sides = st.integers(2, 3)
    inner = random_biregular(4, 4, draw(sides), rng=0)
    shifts = draw(st.none() | st.lists(st.integers(0, 3), min_size=21, max_size=21))
    repeat, block = (draw(sides), draw(sides)), (draw(sides), draw(sides))
    return RBGP4(outer, repeat, inner, block, shifts=shifts)


@settings(max_examples=60)
@given(
    st.one_of(patterns(), patterns_with_all_levels(), bipartite_graphs(min_side=1, max_side=20)),
    st.data(),
)
def test_a_page_draws_the_mask_at_every_window_and_zoom(
    script: Any, subject: Any, data: st.DataObject
) -> None:
    is_product = isinstance(subject, TensorProduct)
    mask = subject.mask() if is_product else subject.biadjacency().toarray()
    rows, cols = (windows(data.draw, size) for size in subject.shape)  # type: ignore[arg-type]
    pixels = data.draw(st.integers(2, 24))
    packed = zoom_data(subject, rows, cols)
    assert packed is not None
    found = script.evaluate(
        """([data, rows, cols]) => {
            const shown = window.rbgpFigures.view(data, rows, cols);
            shown.density = shown.density.map(line => Array.from(line));
            return shown;
        }""",
        [{**packed, **zoom_looks(subject), "pixels": pixels}, rows, cols],
    )
    expected = rasterize(subject, rows, cols, pixels)
    assert found["rowEdges"] == expected.row_edges.tolist()
    assert found["colEdges"] == expected.col_edges.tolist()
    share = averages(mask, expected.row_edges, expected.col_edges)
    np.testing.assert_allclose(found["density"], share, atol=1e-12)


@settings(max_examples=40)
@given(st.one_of(patterns(), patterns_with_all_levels()), st.floats(0.5, 40), st.data())
def test_a_page_draws_the_lines_of_the_figure(
    script: Any, pattern: Any, side: float, data: st.DataObject
) -> None:
    rows, cols = (windows(data.draw, size) for size in pattern.shape)  # type: ignore[arg-type]
    zoom = zoom_data(pattern, rows, cols)
    assert zoom is not None
    found = script.evaluate(
        """([data, rows, cols, side]) => {
            window.rbgpFigures.view(data, rows, cols);
            return window.rbgpFigures.lines(data, rows, cols, [side, side]);
        }""",
        [{**zoom, **zoom_looks(pattern), "pixels": 64}, rows, cols, side],
    )
    expected = go.Figure()
    add_lines(expected, pattern, rows, cols, (side, side))
    assert len(found) == len(expected.data)
    for own, trace in zip(found, expected.data, strict=True):
        assert own["name"] == trace.name
        assert (tuple(own["x"]), tuple(own["y"])) == (trace.x, trace.y)
        assert own["line"]["width"] == pytest.approx(trace.line.width)


@pytest.fixture(scope="module")
def living(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, RBGP4]]:
    """A page with every figure that does something, and the pattern it is about."""
    outer, inner = random_biregular(64, 128, 16, rng=0), random_biregular(32, 32, 8, rng=1)
    shifts = np.arange(outer.num_edges) % 32
    pattern = RBGP4(outer, (4, 1), inner, (2, 4), shifts=shifts)
    space = design_space(30, 30, 0.5, device="default")
    path = viz.report(
        pattern,
        tmp_path_factory.mktemp("living") / "report.html",
        extra=[
            viz.Section("Graph", figure=viz.graph(projective_plane(2))),
            viz.Section("Candidates", figure=viz.design_space(space, pictures=64)),
        ],
    )
    assert pattern.shape == (16384, 16384)
    visit = Visit(browser, path.as_uri(), "light", 1280)
    visit.page.evaluate(
        """() => {
            window.plots = {};
            document.querySelectorAll('.plot').forEach(plot => {
                const figure = JSON.parse(document.getElementById(plot.dataset.figure).textContent);
                const kind = figure.action && figure.action.kind;
                if (kind) { window.plots[kind] = plot; }
            });
        }"""
    )
    yield visit.page, pattern
    assert visit.complaints == []
    visit.page.close()


def test_zooming_draws_single_cells(living: tuple[Any, RBGP4]) -> None:
    page, pattern = living
    row = 5000
    col = int(pattern.row(row)[3])
    rows, cols = (row - 20, row + 30), (col - 25, col + 25)
    page.evaluate(
        """([rows, cols]) => window.Plotly.relayout(window.plots.zoom, {
            'xaxis.range': [cols[0] - 0.5, cols[1] - 0.5],
            'yaxis.range': [rows[1] - 0.5, rows[0] - 0.5],
        }).then(() => null)""",
        [rows, cols],
    )
    wait_for(page, "Array.isArray(window.plots.zoom.data[0].text)")
    hover = page.evaluate(
        """() => {
            const hover = window.plots.zoom.data[0];
            return {
                x: hover.x, y: hover.y, text: hover.text, z: hover.z.map(l => Array.from(l)),
                images: window.plots.zoom.layout.images.map(i => [i.name, i.sizex, i.sizey]),
            };
        }"""
    )
    # The browser may show a little more to keep cells square.
    first_row, first_col = int(hover["y"][0] + 0.5), int(hover["x"][0] + 0.5)
    assert first_row <= rows[0] < rows[1] <= hover["y"][-1] + 0.5
    assert first_col <= cols[0] < cols[1] <= hover["x"][-1] + 0.5
    for i, line in enumerate(hover["z"]):
        for j, share in enumerate(line):
            cell = first_row + i, first_col + j
            assert share == (cell in pattern)
            parts = hover["text"][i][j].split("<br>")
            assert parts[0] == "row {}, column {}".format(*cell)
            assert (parts[1] == "nonzero") == (cell in pattern)
            named = zip(pattern.factor_names, pattern.factor_positions(*cell), strict=True)
            assert parts[2:] == [f"{name}: vertices {u}, {v}" for name, (u, v) in named]
    assert [name for name, *_ in hover["images"]] == ["tiles", "mask"]
    page.evaluate(
        """() => window.Plotly.relayout(window.plots.zoom, {
            'xaxis.range': [-0.5, 16383.5], 'yaxis.range': [16383.5, -0.5]}).then(() => null)"""
    )
    mask = "window.plots.zoom.layout.images.find(image => image.name === 'mask')"
    wait_for(page, f"{mask}.sizex >= 16384")


def test_vertices_show_their_neighbors(living: tuple[Any, RBGP4]) -> None:
    page, _ = living
    plane = projective_plane(2)
    told = "window.plots.neighbors.parentElement.querySelector('.live').textContent"
    # The line is there once the figure is drawn and has got its keys.
    wait_for(page, "window.plots.neighbors.tabIndex === 0")
    page.evaluate("window.plots.neighbors.focus()")
    page.keyboard.press("ArrowDown")
    expected = "left vertex 0: neighbours " + ", ".join(map(str, plane.neighbors(0).tolist()))
    wait_for(page, f"{told} === {expected!r}")
    wait_for(page, "String(window.plots.neighbors.data[1].x) === '0,1,,0,1,,0,1,'")
    heights = page.evaluate("window.plots.neighbors.data[3].y")
    ends = page.evaluate("window.plots.neighbors.data[1].y")[1::3]
    assert ends == [heights[v] for v in plane.neighbors(0).tolist()]
    page.keyboard.press("Escape")
    wait_for(page, told + ".startsWith('Point at a vertex')")
    place = page.evaluate(
        """() => {
            const plot = window.plots.neighbors, layout = plot._fullLayout;
            plot.scrollIntoView({ block: "center" });
            const box = plot.getBoundingClientRect(), heights = plot.data[3].y;
            return [
                box.left + layout.xaxis._offset + layout.xaxis.l2p(1),
                box.top + layout.yaxis._offset + layout.yaxis.l2p(heights[4]),
            ];
        }"""
    )
    page.mouse.move(place[0] - 2, place[1])
    page.mouse.move(*place)
    wait_for(page, told + ".startsWith('right vertex 4')")
    of_4 = ", ".join(map(str, plane.T.neighbors(4).tolist()))
    assert page.evaluate(told) == f"right vertex 4: neighbours {of_4}"


def test_the_slider_goes_through_the_steps(living: tuple[Any, RBGP4]) -> None:
    page, pattern = living
    slider = page.get_by_role("slider", name="Step")
    slider.wait_for()
    assert slider.get_attribute("max") == "15"
    slider.focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    caption = "window.plots.frames.layout.annotations[0].text"
    tile = int(pattern.outer.neighbors(0)[2])
    wait_for(page, f"{caption}.includes('Step 3 of 16</b>, tile (0, {tile})')")
    wait_for(page, "document.querySelector('input').getAttribute('aria-valuetext') === 'Step 3'")


def test_a_candidate_can_be_chosen(living: tuple[Any, RBGP4]) -> None:
    page, _ = living
    choice = page.get_by_role("combobox", name="Candidate")
    labels = choice.locator("option").all_text_contents()
    found = design_space(30, 30, 0.5, device="default")
    front = sorted((c for c in found if c.pareto), key=lambda c: c.seconds)
    assert len(labels) == len(front)
    for place in (0, len(front) - 1):
        choice.select_option(index=place)
        wait_for(page, f"window.plots.candidates.data[2].x[0] === {1e3 * front[place].seconds!r}")
        mask = front[place].build().mask().astype(int).tolist()
        cells = "window.plots.candidates.data[3].z.map(line => Array.from(line))"
        wait_for(page, f"JSON.stringify({cells}) === JSON.stringify({mask})")
