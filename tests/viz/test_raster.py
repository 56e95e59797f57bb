from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs import RBGP4, BipartiteGraph, TensorProduct, complete, projective_plane
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.testing.strategies import (
    bipartite_graphs,
    biregular_graphs,
    factor_graphs,
    patterns,
)
from rbgp_graphs.viz.raster import (
    as_subject,
    as_window,
    levels,
    lines,
    pixel_step,
    rasterize,
    tiles,
)


def windows(draw: st.DrawFn, size: int) -> tuple[int, int]:
    start = draw(st.integers(0, size - 1))
    return start, draw(st.integers(start + 1, size))


def averages(
    mask: NDArray[np.bool_], rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Average a mask over rectangles, cell by cell."""
    result = np.empty((len(rows) - 1, len(cols) - 1))
    for y in range(len(rows) - 1):
        for x in range(len(cols) - 1):
            result[y, x] = mask[rows[y] : rows[y + 1], cols[x] : cols[x + 1]].mean()
    return result


@given(st.data())
def test_densities_are_the_averages_of_the_mask(data: st.DataObject) -> None:
    subject: Any = data.draw(st.one_of(patterns(), bipartite_graphs(min_side=1)))
    is_graph = isinstance(subject, BipartiteGraph)
    mask = subject.biadjacency().toarray() if is_graph else subject.mask()
    draw = data.draw
    rows, cols = (windows(draw, size) for size in subject.shape)  # type: ignore[arg-type]
    raster = rasterize(subject, rows, cols, draw(st.integers(1, 12)))
    assert (raster.row_edges[0], raster.row_edges[-1]) == rows
    assert (raster.col_edges[0], raster.col_edges[-1]) == cols
    expected = averages(mask, raster.row_edges, raster.col_edges)
    np.testing.assert_allclose(raster.density, expected, rtol=1e-12)


incomplete_graphs = biregular_graphs(max_side=5).filter(lambda graph: not graph.is_complete)


@given(incomplete_graphs, factor_graphs(), incomplete_graphs)
def test_the_tiles_are_the_cells_of_the_first_factor(
    first: BipartiteGraph, second: BipartiteGraph, third: BipartiteGraph
) -> None:
    pattern = TensorProduct(first, second, third)
    coarse = tiles(pattern)
    assert coarse is not None
    outer = first.biadjacency().toarray()
    height, width = (size // part for size, part in zip(pattern.shape, outer.shape, strict=True))
    assert np.array_equal(coarse.mask(), np.kron(outer, np.ones((height, width), bool)))
    assert not (pattern.mask() & ~coarse.mask()).any()


@given(
    st.integers(1, 10**6),
    st.lists(st.integers(1, 12), max_size=4),
    st.integers(1, 1000),
)
def test_a_pixel_is_large_enough_and_not_twice_too_large(
    span: int, ratios: list[int], max_pixels: int
) -> None:
    sizes = np.cumprod([1, *ratios]).tolist()[::-1]
    need = -(-span // max_pixels)
    step = pixel_step(span, sizes, max_pixels)
    assert need <= step <= 2 * need


def test_pixels_do_not_cut_blocks_where_that_is_cheap() -> None:
    # 768 pixels would cover 5 1/3 cells each, and cut the blocks of 8.
    assert pixel_step(4096, [128, 8, 1], 768) == 8
    assert pixel_step(4096, [128, 16], 768) == 8
    assert pixel_step(4096, [127], 768) == 6


def test_levels_are_named_with_their_sizes() -> None:
    pattern = RBGP4(projective_plane(2), (4, 2), projective_plane(3), (2, 3))
    found = [(level.name, level.rows, level.cols) for level in levels(pattern)]
    assert found == [("tile", 104, 78), ("repeated part", 26, 39), ("dense block", 2, 3)]


def test_levels_that_divide_nothing_are_left_out() -> None:
    pattern = RBGP4(projective_plane(2), (1, 1), projective_plane(3), (1, 1))
    assert [level.name for level in levels(pattern)] == ["tile"]
    assert levels(projective_plane(2)) == ()


def test_there_are_no_tiles_where_they_would_show_nothing() -> None:
    plane = projective_plane(2)
    assert tiles(plane) is None
    assert tiles(TensorProduct(complete(3, 3), plane)) is None
    assert tiles(TensorProduct(plane, complete(3, 3))) is None
    assert tiles(TensorProduct(plane, plane)) is not None


@given(st.data())
def test_lines_stand_between_parts_and_not_on_coarser_lines(data: st.DataObject) -> None:
    size, ratio = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 4))
    start, stop = windows(data.draw, 100)  # type: ignore[arg-type]
    places = lines((start, stop), size, size * ratio)
    inside = range(start + 1, stop)
    assert places.tolist() == [at for at in inside if at % size == 0 and at % (size * ratio)]


@pytest.mark.parametrize("window", [(0, 0), (3, 2), (-1, 2), (0, 8), (7, 8)])
def test_empty_and_outer_windows_are_refused(window: tuple[int, int]) -> None:
    with pytest.raises(ArgumentError, match="rows"):
        as_window("rows", window, 7)


@pytest.mark.parametrize("window", [3, (1, 2, 3), (0.0, 2), (False, True), "ab", (0, float("nan"))])
def test_windows_that_are_no_pairs_of_integers_are_refused(window: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="cols"):
        as_window("cols", window, 7)


@pytest.mark.parametrize("subject", [None, "mask.npz", b"", object()])
def test_what_is_no_mask_is_refused(subject: Any) -> None:
    with pytest.raises(ArgumentTypeError):
        as_subject(subject)


def test_masks_without_cells_and_masks_of_other_dimensions_are_refused() -> None:
    with pytest.raises(ArgumentError, match="at least one row"):
        as_subject(np.zeros((0, 3), dtype=bool))
    with pytest.raises(ArgumentError, match="dimensions"):
        as_subject(np.zeros(3, dtype=bool))
