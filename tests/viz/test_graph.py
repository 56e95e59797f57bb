from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs import BipartiteGraph, TensorProduct, complete, projective_plane, viz
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.testing.strategies import bipartite_graphs
from rbgp_graphs.viz.alternative import action_of


def drawn_edges(figure: Any) -> list[tuple[int, int]]:
    """Read the edges back from the lines of a figure."""
    lines, _, left, right = figure.data
    number = [{y: k for k, y in enumerate(side.y)} for side in (left, right)]
    ends = np.array(lines.y, dtype=object).reshape(-1, 3)
    assert lines.x == (0, 1, None) * len(ends)
    return sorted((number[0][a], number[1][b]) for a, b, _ in ends)


@settings(max_examples=40)
@given(bipartite_graphs(min_side=1), st.sampled_from(["index", "spectral"]))
def test_lines_are_the_edges(graph: BipartiteGraph, order: Any) -> None:
    figure = viz.graph(graph, order)
    assert drawn_edges(figure) == [tuple(edge) for edge in graph.edges.tolist()]
    for side, size in zip(figure.data[2:], graph.shape, strict=True):
        # Every vertex has a place of its own.
        assert sorted(side.y) == pytest.approx((np.arange(size) + 0.5) / size, abs=1e-4)


@settings(max_examples=40)
@given(bipartite_graphs(min_side=1))
def test_texts_table_and_action_name_the_neighbors(graph: BipartiteGraph) -> None:
    figure = viz.graph(graph)
    action: Any = action_of(figure)
    rows = figure.layout.meta["rows"]
    for u in range(graph.left):
        expected = graph.neighbors(u).tolist()
        listed = ", ".join(map(str, expected))
        assert action["neighbors"][u] == expected
        assert rows[u] == [f"left {u}", str(len(expected)), listed]
        assert figure.data[2].customdata[u].startswith(f"left vertex {u}, degree {len(expected)}")
        assert figure.data[2].customdata[u].replace("<br>", " ").endswith(listed or "none")
    assert len(rows) == sum(graph.shape)


def test_the_spectral_order_draws_parts_apart() -> None:
    parts = np.kron(np.eye(2, dtype=bool), np.ones((6, 6), dtype=bool))
    parts[0, 11] = True
    shuffle = np.random.default_rng(0).permutation(12)
    figure = viz.graph(parts[shuffle][:, shuffle], "spectral")
    half = np.array(figure.data[2].y) < 0.5
    # Both parts are on one half each, up to which one is above.
    assert set(half[shuffle < 6]) != set(half[shuffle >= 6])
    assert len(set(half[shuffle < 6])) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((TensorProduct(complete(2, 2), complete(2, 2)),), ArgumentTypeError, "draw its factors"),
        ((complete(129, 1),), ArgumentError, "129 and 1 vertices"),
        ((complete(50, 50),), ArgumentError, "2500 edges"),
        ((projective_plane(2), "circle"), ArgumentError, "order is 'circle'"),
        (("plane",), ArgumentTypeError, "p is 'plane'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        viz.graph(*arguments)
