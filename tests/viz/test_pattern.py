import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs import (
    RBGP4,
    BipartiteGraph,
    TensorProduct,
    complete,
    projective_plane,
    random_biregular,
    viz,
)
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, MissingDependencyError
from rbgp_graphs.testing.strategies import biregular_graphs, patterns
from rbgp_graphs.viz.raster import rasterize
from tests.viz.png_reader import read_image
from tests.viz.test_raster import averages, windows


def shrink(image: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Undo the enlargement of an image to the given number of pixels, checking it."""
    factors = [have // want for have, want in zip(image.shape, shape, strict=True)]
    small = image[:: factors[0], :: factors[1]]
    assert np.array_equal(np.kron(small, np.ones(factors, np.uint8)), image)
    return small


@given(st.data())
def test_cells_are_the_mask(data: st.DataObject) -> None:
    pattern = data.draw(patterns(max_side=3).filter(lambda p: max(p.shape) <= 128))
    rows, cols = (windows(data.draw, size) for size in pattern.shape)  # type: ignore[arg-type]
    figure = viz.pattern(pattern, rows, cols)
    cells = figure.data[0]
    assert cells.type == "heatmap"
    assert (cells.y0, cells.x0, cells.dy, cells.dx) == (rows[0], cols[0], 1, 1)
    assert np.array_equal(np.asarray(cells.z) == 2, pattern.mask()[slice(*rows), slice(*cols)])


@given(st.data())
def test_images_are_the_averages_of_the_mask(data: st.DataObject) -> None:
    sized = st.one_of(patterns(), biregular_graphs(max_side=60)).filter(lambda p: max(p.shape) > 32)
    subject: Any = data.draw(sized)
    is_graph = isinstance(subject, BipartiteGraph)
    mask = subject.biadjacency().toarray() if is_graph else subject.mask()
    rows, cols = (windows(data.draw, size) for size in subject.shape)  # type: ignore[arg-type]
    figure = viz.pattern(subject, rows, cols, max_pixels=16)
    raster = rasterize(subject, rows, cols, 16)
    steps, shape = (raster.row_step, raster.col_step), raster.density.shape
    if raster.is_exact:
        assert not figure.layout.images
        return
    (image,) = (image for image in figure.layout.images if image.name == "mask")
    # Pixels are whole steps from a multiple of the step, so that the first may begin outside.
    assert (image.y + 0.5) % steps[0] == 0
    assert (image.x + 0.5) % steps[1] == pytest.approx(0, abs=1e-4)
    assert (image.sizey, image.sizex) == (shape[0] * steps[0], shape[1] * steps[1])
    assert rows[0] - steps[0] < image.y + 0.5 <= rows[0]
    assert cols[0] - steps[1] < image.x + 0.5 <= cols[0] + 1e-4
    expected = averages(mask, raster.row_edges, raster.col_edges)
    top = max(expected.max(), min(1, 2 * expected.mean())) or 1
    drawn = shrink(read_image(image), shape) / 255 * top
    np.testing.assert_allclose(drawn, expected, atol=0.5 * top / 255 + 1e-12)


def test_the_image_of_tiles_lies_below_and_is_the_outer_graph() -> None:
    outer = random_biregular(16, 16, 4, rng=0)
    pattern = RBGP4(outer, (4, 4), projective_plane(3), (1, 1))
    below, above = viz.pattern(pattern, max_pixels=832 // 4).layout.images
    assert (below.name, above.name) == ("tiles", "mask")
    tiles = shrink(read_image(below), (208, 208))
    assert np.array_equal(tiles[::13, ::13], 255 * outer.biadjacency(np.uint8).toarray())
    assert np.array_equal(tiles, np.kron(tiles[::13, ::13], np.ones((13, 13), np.uint8)))
    # plotly.js shows only one of two images with the same place and size.
    assert (below.x, below.y) != (above.x, above.y)
    assert above.x - below.x < 1e-3


def test_a_tint_that_the_mask_covers_is_left_out_of_picture_and_legend() -> None:
    outer = random_biregular(16, 16, 4, rng=0)
    pattern = RBGP4(outer, (4, 4), projective_plane(3), (1, 1))
    # A pixel is a tile, and all tiles have the same share of nonzeros.
    figure = viz.pattern(pattern, max_pixels=16)
    assert [image.name for image in figure.layout.images] == ["mask"]
    (swatch,) = figure.select_traces(selector={"name": "tile that exists"})
    assert swatch.visible is False


def test_an_even_area_does_not_look_full() -> None:
    pattern = TensorProduct(complete(64, 64), projective_plane(2))
    figure = viz.pattern(pattern, max_pixels=64)
    (image,) = figure.layout.images
    # 3 of 7 cells of every pixel, on a scale that ends at 6 of 7.
    assert set(read_image(image).ravel()) == {round(255 / 2)}
    (scale,) = (t for t in figure.data if t.type == "scatter" and t.marker.showscale)
    assert scale.marker.colorbar.ticktext == ("0 %", f"{600 / 7:.4g} % nonzero")


def test_cells_tell_zeros_in_tiles_from_zeros_outside() -> None:
    outer, inner = projective_plane(2), projective_plane(3)
    figure = viz.pattern(TensorProduct(outer, inner))
    here = np.kron(outer.biadjacency(np.int8).toarray(), np.ones(inner.shape, np.int8))
    mask = np.kron(outer.biadjacency(np.int8).toarray(), inner.biadjacency(np.int8).toarray())
    assert np.array_equal(figure.data[0].z, here + mask)
    texts = np.array(figure.data[0].text)
    assert set(texts[here == 0]) == {"zero, there is no tile"}
    assert set(texts[(here == 1) & (mask == 0)]) == {"zero inside a tile"}
    assert set(texts[mask == 1]) == {"nonzero"}


def test_hover_texts_of_small_windows_name_the_place_in_every_factor() -> None:
    pattern = RBGP4(projective_plane(2), (2, 1), projective_plane(3), (1, 1))
    figure = viz.pattern(pattern, rows=(20, 40), cols=(10, 30))
    lines = figure.data[0].text[3][5].split("<br>")
    positions = pattern.factor_positions(23, 15)
    names = ("outer", "repeat", "inner", "block")
    assert lines[1:] == [
        f"{name}: vertices {u}, {v}" for name, (u, v) in zip(names, positions, strict=True)
    ]
    assert (lines[0] == "nonzero") == ((23, 15) in pattern)


def test_lines_stand_at_the_borders_of_the_parts() -> None:
    pattern = RBGP4(projective_plane(2), (2, 1), projective_plane(3), (3, 3))
    figure = viz.pattern(pattern, rows=(0, 90), cols=(30, 90))
    drawn = {
        trace.name: {y for x, y in zip(trace.x, trace.y, strict=True) if x == 29.5}
        for trace in figure.data
        if trace.type == "scatter" and trace.mode == "lines"
    }
    # Of each part, the lines that run from the left end of the window to the right one.
    assert drawn["tile, 78 × 39"] == {77.5}
    assert drawn["repeated part, 39 × 39"] == {38.5}
    assert drawn["dense block, 3 × 3"] == {y - 0.5 for y in range(3, 90, 3) if y % 39}


def test_lines_too_close_to_tell_apart_are_left_out() -> None:
    outer = random_biregular(500, 500, 5, rng=0)
    figure = viz.pattern(RBGP4(outer, (4, 4), projective_plane(3), (1, 1)))
    assert not [trace for trace in figure.data if trace.type == "scatter" and trace.mode == "lines"]


def test_row_0_is_at_the_top_and_cells_are_square() -> None:
    figure = viz.pattern(projective_plane(3))
    assert figure.layout.yaxis.range == (12.5, -0.5)
    assert figure.layout.xaxis.range == (-0.5, 12.5)
    assert figure.layout.yaxis.scaleanchor == "x"
    assert (figure.layout.yaxis.title.text, figure.layout.xaxis.title.text) == ("row", "column")


def test_masks_much_wider_than_high_fill_the_figure() -> None:
    assert viz.pattern(np.ones((2, 100), dtype=bool)).layout.yaxis.scaleanchor is None


def test_a_million_rows_and_columns_are_drawn_without_the_mask() -> None:
    outer, inner = random_biregular(1000, 1000, 100, rng=0), random_biregular(125, 125, 25, rng=1)
    pattern = RBGP4(outer, (4, 4), inner, (2, 2))
    assert pattern.shape == (1_000_000, 1_000_000)
    # The mask would take 116 GiB.
    whole = viz.pattern(pattern)
    near = viz.pattern(pattern, rows=(999_900, 1_000_000), cols=(123_400, 123_500))
    assert len(whole.to_json()) < 2_000_000
    for i, j in ((0, 0), (99, 99), (40, 60)):
        assert (near.data[0].z[i][j] == 2) == ((999_900 + i, 123_400 + j) in pattern)


def test_hover_of_an_image_tells_the_share_of_nonzeros() -> None:
    graph = random_biregular(480, 480, 48, rng=0)
    figure = viz.pattern(graph)
    (hover,) = (trace for trace in figure.data if trace.type == "heatmap")
    marks = np.arange(0, 481, 10)
    expected = averages(graph.biadjacency().toarray(), marks, marks)
    np.testing.assert_allclose(hover.z, expected, rtol=1e-6)
    assert hover.opacity == 0
    assert hover.x[0] == -0.5
    assert hover.x[-1] == 479.5


def test_text_and_table_say_what_the_figure_shows() -> None:
    meta = viz.pattern(projective_plane(3), rows=(0, 6)).layout.meta
    assert "Rows 0 to 5 and columns 0 to 12 of a mask of 13 × 13 cells" in meta["text"]
    assert f"{100 * 4 / 13:.7g} % of these cells are nonzero" in meta["text"]
    assert len(meta["rows"]) == 6
    assert len(meta["columns"]) == 9


@pytest.mark.parametrize(
    "convert", [np.asarray, sparse.csr_array, sparse.coo_matrix, np.ndarray.tolist]
)
def test_masks_of_any_kind_are_drawn_as_they_are(convert: Any) -> None:
    mask = np.random.default_rng(0).random((7, 9)) < 0.3
    assert np.array_equal(np.asarray(viz.pattern(convert(mask)).data[0].z) == 2, mask)


def test_a_graph_without_edges_is_drawn_empty() -> None:
    for size in (5, 500):
        figure = viz.pattern(BipartiteGraph.from_edges([], shape=(size, size)))
        assert "0 % of these cells" in figure.layout.meta["text"]


def test_the_dark_theme_differs_in_the_template_alone() -> None:
    pattern = RBGP4(projective_plane(2), (4, 1), projective_plane(3), (1, 1))
    light, dark = (viz.pattern(pattern, theme=theme).to_dict() for theme in ("light", "dark"))
    templates = [figure["layout"].pop("template") for figure in (light, dark)]
    assert templates[0] != templates[1]
    assert str(light) == str(dark)


def test_the_config_offers_no_upload() -> None:
    assert viz.CONFIG["showSendToCloud"] is False
    assert viz.CONFIG["displaylogo"] is False
    assert viz.CONFIG["plotlyServerURL"] == ""


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"rows": (0, 14)}, ArgumentError, "rows stop is 14, expected at most 13"),
        ({"cols": (5, 5)}, ArgumentError, "cols stop"),
        ({"max_pixels": 15}, ArgumentError, "max_pixels is 15, expected at least 16"),
        ({"max_pixels": 10**9}, ArgumentError, "max_pixels"),
        ({"max_pixels": 99.5}, ArgumentTypeError, "max_pixels"),
        ({"theme": "pink"}, ArgumentError, "theme is 'pink', expected 'light' or 'dark'"),
    ],
)
def test_bad_arguments_are_refused(arguments: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        viz.pattern(projective_plane(3), **arguments)


def test_without_plotly_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "rbgp-graphs\[viz\]"'):
        viz.pattern(complete(2, 2))


@pytest.mark.parametrize("name", ["rbgp_graphs.viz", "plotly.graph_objects"])
def test_importing_the_package_loads_no_plotly(name: str) -> None:
    code = f"import sys, {name}; print('plotly' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert answer.strip() == str(name.startswith("plotly"))
