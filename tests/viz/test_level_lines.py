from typing import Any

import numpy as np
import plotly.graph_objects as go
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs import RBGP4, TensorProduct, projective_plane
from rbgp_graphs.testing.strategies import patterns
from rbgp_graphs.viz.level_lines import add_lines
from rbgp_graphs.viz.raster import levels, tiles
from tests.viz.test_raster import windows

Borders = set[tuple[int, int, str]]


def drawn_borders(trace: Any) -> Borders:
    """Return the cells (row, column, side) whose upper or left border a trace runs along."""
    found: Borders = set()
    points = list(zip(trace.x, trace.y, strict=True))
    for (x0, y0), (x1, y1), gap in zip(points[::3], points[1::3], points[2::3], strict=True):
        assert gap == (None, None)
        if y0 == y1:
            found |= {(round(y0 + 0.5), c, "up") for c in range(round(x0 + 0.5), round(x1 + 0.5))}
        else:
            assert x0 == x1
            found |= {(r, round(x0 + 0.5), "left") for r in range(round(y0 + 0.5), round(y1 + 0.5))}
    return found


def expected_borders(p: TensorProduct, number: int, rows: Any, cols: Any) -> Borders:
    """Return the borders between the parts of a level, cell by cell."""
    sizes = [(p.rows, p.cols), *((level.rows, level.cols) for level in levels(p))]
    (above_rows, above_cols), (part_rows, part_cols) = sizes[number : number + 2]
    exists = np.ones(p.shape, bool)
    if number and tiles(p) is not None:
        outer = p.factors[0].biadjacency().toarray()
        exists = np.kron(outer, np.ones(sizes[1], bool))
    found: Borders = set()
    for r in range(*rows):
        for c in range(*cols):
            if not exists[r, c]:
                continue
            if r > rows[0] and r % part_rows == 0 and r % above_rows:
                found.add((r, c, "up"))
            if c > cols[0] and c % part_cols == 0 and c % above_cols:
                found.add((r, c, "left"))
    return found


@given(st.data())
def test_lines_run_between_parts_and_inside_tiles_that_exist(data: st.DataObject) -> None:
    pattern = data.draw(patterns(max_side=3).filter(lambda p: max(p.shape) <= 60))
    rows, cols = (windows(data.draw, size) for size in pattern.shape)  # type: ignore[arg-type]
    figure = go.Figure()
    add_lines(figure, pattern, rows, cols, (99.0, 99.0))
    drawn = {trace.name: drawn_borders(trace) for trace in figure.data}
    for number, level in enumerate(levels(pattern)):
        name = f"{level.name}, {level.rows} × {level.cols}"
        assert drawn.get(name, set()) == expected_borders(pattern, number, rows, cols)


def test_a_level_is_left_out_whole_where_its_lines_would_be_close_in_one_direction() -> None:
    pattern = RBGP4(projective_plane(2), (2, 1), projective_plane(3), (1, 1))
    figure = go.Figure()
    add_lines(figure, pattern, (0, 182), (0, 91), (1.0, 0.6))
    # Tiles have 26 rows and 13 columns: 26 and 7.8 pixels.
    assert not figure.data
    add_lines(figure, pattern, (0, 182), (0, 91), (1.0, 0.7))
    assert [trace.name for trace in figure.data] == ["tile, 26 × 13"]
    add_lines(figure, pattern, (0, 182), (0, 91), (1.3, 1.3))
    # A repeated part is as wide as its tile, so that its height alone counts.
    assert [trace.name for trace in figure.data[1:]] == ["tile, 26 × 13", "repeated part, 13 × 13"]
