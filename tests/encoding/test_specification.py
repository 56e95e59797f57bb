"""The specification is enough to read a file: an independent reader gets the same matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_array_equal

import rbgp_graphs as rg
from rbgp_graphs.encoding import dumps
from rbgp_graphs.testing.strategies import bipartite_graphs, lifts, patterns
from tests.encoding.independent_reader import read


@pytest.mark.parametrize(
    "graph",
    [
        rg.complete(2, 5),
        rg.lps(3, 5),
        rg.lps(5, 7),
        rg.lps(7, 5, allow_small=True),
        rg.lps(13, 5, allow_small=True),
        rg.lps(3, 11),
        rg.lps(3, 5).T,
        rg.array_code(3, 7),
        rg.projective_plane(3),
        rg.projective_plane(4),
        rg.affine_plane(3),
        rg.affine_plane(4),
        rg.affine_plane(9).T,
        rg.chiu(3),
        rg.chiu(17),
        rg.margulis_gabber_galil(3),
        rg.margulis_gabber_galil(8),
        rg.field_lift(5, 3, 2, 2),
        rg.field_lift(8, 5, 2, 4),
        rg.field_lift(9, 9),
        rg.field_lift(4, 3, 2, 3).T,
        rg.abelian_cover([2, 3], [[[1, 0, 1, 0, 0, 1], [0, 1, 1, 0, 1, 0]]]),
        rg.abelian_cover([], [[[1], [0]], [[0], [1]]]),
        rg.random_lift(rg.array_code(3, 2), k=3, rng=0),
        rg.BipartiteGraph.from_edges([(0, 70), (2, 3)], shape=(3, 80)),
    ],
    ids=repr,
)
def test_graphs_are_read_the_same(graph: rg.BipartiteGraph) -> None:
    matrix, values, _ = read(dumps(graph))
    assert values is None
    assert_array_equal(matrix, graph.biadjacency(np.int64).toarray())


@given(lifts(max_levels=3))
def test_lifts_are_read_the_same(graph: rg.BipartiteGraph) -> None:
    assert_array_equal(read(dumps(graph))[0], graph.biadjacency(np.int64).toarray())


@given(bipartite_graphs())
def test_written_out_graphs_are_read_the_same(graph: rg.BipartiteGraph) -> None:
    assert_array_equal(read(dumps(graph))[0], graph.biadjacency(np.int64).toarray())


@settings(max_examples=50)
@given(patterns(max_side=3))
def test_patterns_and_values_are_read_the_same(pattern: rg.TensorProduct) -> None:
    values = np.arange(pattern.nnz, dtype=np.float32).reshape(pattern.rows, -1)
    matrix, dense, _ = read(dumps(pattern, values))
    assert_array_equal(matrix, pattern.mask())
    assert_array_equal(dense, pattern.to_csr(values).toarray())
