"""``rbgp show``: the picture shows what is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rbgp_graphs as rg
from rbgp_graphs.cli.picture import draw
from rbgp_graphs.testing.strategies import patterns
from tests.cli.running import Files, document, rbgp

HALVES = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
SHADES = " ░▒▓█"


def body(lines: list[str]) -> list[str]:
    """Return what stands inside the frame."""
    return [line[1:-1] for line in lines if line[0] in "│|"]


@given(patterns(max_side=6), st.data())
def test_half_blocks_are_the_cells(pattern: rg.TensorProduct, data: st.DataObject) -> None:
    windows = []
    for size in pattern.shape:
        start = data.draw(st.integers(0, size - 1))
        windows.append((start, data.draw(st.integers(start + 1, min(size, start + 70)))))
    (top, bottom), (first, last) = windows
    picture = draw(pattern, (top, bottom), (first, last), columns=72)
    assert picture.is_exact
    cells = np.array([[HALVES[char] for char in line] for line in body(picture.lines())])
    drawn = cells.transpose(0, 2, 1).reshape(-1, last - first)
    expected = pattern.mask()[top:bottom, first:last]
    np.testing.assert_array_equal(drawn[: bottom - top], expected)
    assert not drawn[bottom - top :].any()
    # The same in ASCII, a character for a cell.
    marks = [[char == "@" for char in line] for line in body(picture.lines(ascii_only=True))]
    np.testing.assert_array_equal(marks, expected)


@given(patterns(max_side=6), st.integers(4, 20))
def test_shades_are_the_shares_of_nonzeros(pattern: rg.TensorProduct, columns: int) -> None:
    picture = draw(pattern, (0, pattern.rows), (0, pattern.cols), columns)
    lines = body(picture.lines())
    assert max(map(len, lines)) <= columns + 1
    if picture.is_exact:
        return
    raster, mask = picture.raster, pattern.mask()
    means = np.array(
        [
            [mask[a:b, c:d].mean() for c, d in zip(*ends(raster.col_edges), strict=True)]
            for a, b in zip(*ends(raster.row_edges), strict=True)
        ]
    )
    levels = np.array([[SHADES.index(char) for char in line] for line in lines])
    assert levels.shape == means.shape
    # A shade stands for a quarter of the largest share, rounded up; empty is empty.
    quarters = 4 * means / means.max()
    assert (levels >= quarters - 1e-6).all()
    assert (levels < quarters + 1).all()


def ends(edges: np.ndarray) -> tuple[list[int], list[int]]:
    return edges[:-1].tolist(), edges[1:].tolist()


def test_a_huge_pattern_is_drawn_without_its_mask(files: Files) -> None:
    outer = rg.random_biregular(1000, 1000, 8, rng=0)
    pattern = rg.RBGP4(outer, (10, 1), rg.complete(100, 1000), (1, 1))
    assert pattern.shape == (10**6, 10**6)
    lines = draw(pattern, (0, 10**6), (0, 10**6), 72).lines()
    assert max(map(len, lines)) <= 80
    rg.save("huge.rbgp", pattern)
    result = rbgp("show", "huge.rbgp", "--rows", "999990:", "--cols", ":20")
    assert result.exit_code == 0
    assert "rows 999990:1000000, columns 0:20; each half block is one cell" in result.stdout


def test_the_document_holds_the_shares(files: Files) -> None:
    found = document("show", "pattern.rbgp", "--rows", "0:8", "--cols", "4:")["picture"]
    assert found["row_edges"] == [*range(9)]
    assert (found["col_edges"][0], found["col_edges"][-1]) == (4, 100)
    density = np.array(found["density"])
    assert density.shape == (8, len(found["col_edges"]) - 1)
    share = (density * np.diff(found["col_edges"])).sum() / (8 * 96)
    assert share == pytest.approx(files.pattern.mask()[:8, 4:].mean())


@pytest.mark.parametrize(
    ("option", "window", "message"),
    [
        ("--rows", "0:201", "--rows stop is 201, expected at most 200"),
        ("--rows", "200:", "--rows start is 200, expected at most 199"),
        ("--cols", "5:5", "--cols stop is 5, expected at least 6"),
        ("--cols", "-3:5", "--cols start is -3, expected at least 0"),
        ("--cols", "5", "'5' is not a range such as 0:64, 100: or :64"),
        ("--rows", "a:b", "is not a range"),
        ("--rows", "1:2:3", "is not a range"),
    ],
)
def test_a_window_that_does_not_fit_is_refused(
    option: str, window: str, message: str, files: Files
) -> None:
    result = rbgp("show", "pattern.rbgp", option, window)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_a_graph_without_cells_has_no_picture(shape: tuple[int, int], files: Files) -> None:
    empty = rg.BipartiteGraph.from_edges(np.empty((0, 2), int), shape=shape)
    rg.save("empty.rbgp", empty)
    assert document("show", "empty.rbgp")["picture"] is None
    assert rbgp("show", "empty.rbgp").exit_code == 0


def test_a_graph_without_edges_is_an_empty_picture(files: Files) -> None:
    empty = rg.BipartiteGraph.from_edges(np.empty((0, 2), int), shape=(200, 300))
    rg.save("empty.rbgp", empty)
    lines = body([line for line in rbgp("show", "empty.rbgp").stdout.splitlines() if line])
    assert len(lines) > 10
    assert {char for line in lines for char in line} == {" "}


def test_the_page_is_written(files: Files) -> None:
    result = rbgp("show", "pattern.rbgp", "--html", "page.html")
    assert result.exit_code == 0
    assert "page       page.html" in result.stdout
    assert "<html" in Path("page.html").read_text(encoding="utf-8")[:200]


def test_without_plotly_the_page_leads_to_exit_code_4(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(*_: object, **__: object) -> None:
        raise rg.MissingDependencyError('run: pip install "rbgp-graphs[viz]"')

    monkeypatch.setattr(rg.viz, "report", report)
    result = rbgp("show", "pattern.rbgp", "--html", "page.html")
    assert (result.exit_code, result.stdout) == (4, "")
    assert 'pip install "rbgp-graphs[viz]"' in result.stderr
    assert document("show", "pattern.rbgp", "--html", "page.html")["exit_code"] == 4


def test_uneven_degrees_are_said(files: Files) -> None:
    rg.save("uneven.rbgp", rg.BipartiteGraph.from_edges([(0, 0), (0, 1), (1, 1)], shape=(2, 3)))
    assert "1 to 2 left, 0 to 2 right (not biregular)" in rbgp("show", "uneven.rbgp").stdout
    assert document("show", "uneven.rbgp")["degrees"] is None


def test_the_proofs_of_a_file_are_shown_within_80_columns(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    graph = rg.random_biregular(120, 40, 2, rng=1)
    found = rg.verify(graph, level="proved", two_sided=True).certificates
    rg.save("proved.rbgp", graph, certificates=found)
    assert "about whole; not checked here" in rbgp("show", "proved.rbgp").stdout
    result = rbgp("show", "proved.rbgp", "--certificate")
    text = " ".join(result.stdout.split())
    assert "certificate, whole not Ramanujan, both bounds, by two sided" in text
    assert "rbgp verify --stored does that" in text
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert document("show", "proved.rbgp")["certificates"] == ["whole"]
    data = document("show", "proved.rbgp", "--certificate")["certificates"]["whole"]
    assert data["proof"] == found[0].proof.to_dict()
    assert "none" in rbgp("show", "graph.rbgp", "--certificate").stdout
    assert document("show", "graph.rbgp", "--certificate")["certificates"] == {}
