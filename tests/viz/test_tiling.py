from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs import RBGP4, complete, projective_plane, random_biregular, viz
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.testing.strategies import rbgp4_patterns
from rbgp_graphs.viz.tile_steps import tile_steps


@given(rbgp4_patterns(), st.data())
def test_numbers_are_those_of_the_mask(pattern: RBGP4, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, pattern.outer.left - 1))
    columns, itemsize = data.draw(st.integers(1, 8)), data.draw(st.sampled_from([1, 2, 4, 8]))
    steps = tile_steps(pattern, row, columns, itemsize)
    height, width = pattern.tile_shape
    band = pattern.mask()[row * height : (row + 1) * height]
    by_tile = band.reshape(height, -1, width).transpose(1, 0, 2)
    present = np.flatnonzero(by_tile.any(axis=(1, 2)))
    assert steps.tiles == tuple(present)
    for tile in by_tile[present]:
        assert steps.value_bytes == tile.sum() * itemsize
        assert (tile.sum(axis=1) == steps.tile_row_degree).all()
        assert (tile.sum(axis=0) == steps.tile_col_degree).all()
        # Every row of X that a tile loads is used.
        assert tile.any(axis=0).all()
        assert steps.operand_bytes == width * columns * itemsize
    assert steps.step_flops * len(present) == 2 * band.sum() * columns
    assert steps.loaded_bytes(0) == steps.table_bytes == 4 * pattern.inner.num_edges
    assert steps.dense_flops == 2 * band.size * columns
    operand = pattern.cols * columns * itemsize
    assert steps.dense_bytes == band.size * itemsize + operand
    moved = steps.loaded_bytes(len(present)) + steps.result_bytes
    assert steps.intensity == pytest.approx(2 * band.sum() * columns / moved)


def corner(trace: Any) -> list[tuple[float, float]]:
    """Return the centres of the squares that a trace marks, as (row, column)."""
    if trace.x == (None,):
        return []
    x, y = (np.array(axis, dtype=float).reshape(-1, 6)[:, 0] for axis in (trace.x, trace.y))
    return [(b + 0.5, a + 0.5) for a, b in zip(x, y, strict=True)]


def test_each_frame_marks_the_tile_of_its_step_and_those_before() -> None:
    pattern = RBGP4(random_biregular(8, 16, 4, rng=0), (4, 1), projective_plane(2), (1, 1))
    figure = viz.tiling(pattern, row=3, cols=128)
    tiles = pattern.outer.neighbors(3).tolist()
    assert [frame.name for frame in figure.frames] == ["1", "2", "3", "4"]
    steps = tile_steps(pattern, 3, 64, 4)
    for k, frame in enumerate(figure.frames):
        done, now, x_done, x_now, output, *bars = frame.data
        assert corner(now) == [(3, tiles[k])]
        assert corner(done) == [(3, tile) for tile in tiles[:k]]
        assert corner(x_now) == [(tiles[k], 0)]
        assert corner(x_done) == [(tile, 0) for tile in tiles[:k]]
        assert corner(output) == [(3, 0)]
        assert 1024 * sum(bar.x[0] for bar in bars) == steps.loaded_bytes(k + 1)
        assert 1024 * sum(bar.x[1] for bar in bars) == steps.dense_bytes
        assert f"Step {k + 1} of 4</b>, tile (3, {tiles[k]})" in frame.layout.annotations[0].text
    assert [trace.x for trace in figure.data[-8:]] == [t.x for t in figure.frames[0].data]
    assert [len(stop.args[0]) for stop in figure.layout.sliders[0].steps] == [1] * 4


def test_of_many_steps_some_are_shown_the_first_and_the_last_among_them() -> None:
    pattern = RBGP4(complete(2, 1000), (1, 1), projective_plane(2), (1, 1))
    figure = viz.tiling(pattern)
    names = [int(frame.name) for frame in figure.frames]
    assert (names[0], names[-1], len(names)) == (1, 1000, 40)
    assert figure.layout.meta["rows"][-1][0] == "1,000"


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"row": 7}, ArgumentError, "row is 7, expected at most 6"),
        ({"tile_cols": 0}, ArgumentError, "tile_cols is 0"),
        ({"cols": 63}, ArgumentError, "cols is 63, expected at least 64"),
        ({"itemsize": 3}, ArgumentError, "itemsize is 3, expected one of 1, 2, 4, 8"),
        ({"itemsize": 4.0}, ArgumentTypeError, "itemsize"),
    ],
)
def test_bad_arguments_are_refused(arguments: Any, error: Any, match: str) -> None:
    pattern = RBGP4(projective_plane(2), (4, 1), projective_plane(2), (1, 1))
    with pytest.raises(error, match=match):
        viz.tiling(pattern, **arguments)


def test_only_rbgp4_has_tiles() -> None:
    with pytest.raises(ArgumentTypeError, match="p is a BipartiteGraph, expected an RBGP4"):
        viz.tiling(complete(2, 2))
