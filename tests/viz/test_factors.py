from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from rbgp_graphs import RBGP4, TensorProduct, complete, projective_plane, random_biregular, viz
from rbgp_graphs.errors import ArgumentTypeError
from rbgp_graphs.testing.strategies import patterns


def heatmaps(figure: Any) -> list[Any]:
    return [trace for trace in figure.data if trace.type == "heatmap"]


@settings(max_examples=12)
@given(patterns())
def test_panels_are_the_factors_and_the_parts_they_fill(pattern: TensorProduct) -> None:
    mask = pattern.mask()
    figure = viz.factors(pattern)
    panels = heatmaps(figure)
    assert len(panels) == 2 * len(pattern.factors)
    for k, factor in enumerate(pattern.factors):
        left, right = panels[2 * k], panels[2 * k + 1]
        assert np.array_equal(np.asarray(left.z) > 0, factor.biadjacency().toarray())
        if max(pattern.shape) > 128:
            continue
        rows = slice(int(right.y[0] + 0.5), int(right.y[-1] + 0.5))
        cols = slice(int(right.x[0] + 0.5), int(right.x[-1] + 0.5))
        assert np.array_equal(np.asarray(right.z) > 0, mask[rows, cols])
    # The frame in each part is the window that the next row draws.
    for k, panel in enumerate(panels[3::2], start=1):
        (frame,) = (t for t in figure.data if t.type == "scatter" and t.xaxis == f"x{2 * k}")
        assert (min(frame.x), max(frame.x)) == (panel.x[0], panel.x[-1])
        assert (min(frame.y), max(frame.y)) == (panel.y[0], panel.y[-1])


def test_large_parts_are_exact_averages() -> None:
    outer = random_biregular(64, 64, 8, rng=0)
    pattern = RBGP4(outer, (4, 1), projective_plane(3), (1, 1))
    whole = heatmaps(viz.factors(pattern))[1]
    share = np.asarray(whole.customdata)
    areas = np.outer(np.diff(whole.y), np.diff(whole.x))
    assert (share * areas).sum() == pytest.approx(pattern.nnz, rel=1e-5)


def test_the_table_counts_what_each_factor_fills() -> None:
    pattern = RBGP4(projective_plane(2), (4, 1), projective_plane(3), (2, 2))
    rows = viz.factors(pattern).layout.meta["rows"]
    assert [row[0] for row in rows] == ["outer", "repeat", "inner", "block"]
    assert [row[5] for row in rows] == [
        "the whole pattern: 728 × 182",
        "one tile: 104 × 26",
        "one repeated part: 26 × 26",
        "one dense block: 2 × 2",
    ]
    assert rows[2][1:4] == ["13 × 13", "52", "4, 4"]


def test_a_graph_has_no_factors() -> None:
    with pytest.raises(ArgumentTypeError, match="p is a BipartiteGraph"):
        viz.factors(complete(2, 2))
