"""A cell is explained by the edges of the factors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs import RBGP4, ArgumentError, BipartiteGraph, random_biregular
from rbgp_graphs.testing.strategies import bipartite_graphs, patterns
from rbgp_graphs.viz.dashboard.inspection import inspect


@settings(max_examples=60)
@given(patterns(), st.data())
def test_a_cell_is_nonzero_exactly_if_every_factor_has_its_edge(p: Any, data: Any) -> None:
    row = data.draw(st.integers(0, p.rows - 1))
    col = data.draw(st.integers(0, p.cols - 1))
    text, table = inspect(p, row, col)
    is_nonzero = bool(p.mask()[row, col])
    assert ("is nonzero" in text) == is_nonzero
    named = dict(zip(p.factor_names, p.factors, strict=True))
    edges = []
    for name, u, v, said, _ in table.rows:
        has = named[name].has_edge(int(u.replace(",", "")), int(v.replace(",", "")))
        assert said == ("yes" if has else "no")
        edges.append(has)
    assert all(edges) == is_nonzero


@pytest.mark.parametrize("side", ["left", "right"])
def test_shifts_are_named_and_undone(side: Any) -> None:
    outer, inner = random_biregular(4, 4, 2, rng=0), random_biregular(6, 6, 2, rng=1)
    p = RBGP4(outer, (1, 1), inner, (2, 2), np.arange(8) % 6, side)
    mask = p.mask()
    for row in range(0, p.rows, 3):
        for col in range(0, p.cols, 3):
            text, table = inspect(p, row, col)
            assert ("is nonzero" in text) == bool(mask[row, col])
            assert (f"shifts {side} vertices by" in table.rows[2][4]) == (table.rows[0][3] == "yes")


@given(bipartite_graphs(min_side=1))
def test_a_graph_has_one_row(graph: BipartiteGraph) -> None:
    text, table = inspect(graph, 0, 0)
    assert ("is nonzero" in text) == graph.has_edge(0, 0)
    assert len(table.rows) == 1


def test_a_cell_outside_is_refused() -> None:
    with pytest.raises(ArgumentError, match="row is 4, expected at most 3"):
        inspect(random_biregular(4, 4, 2, rng=0), 4, 0)
