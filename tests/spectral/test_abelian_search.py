from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs.errors import ArgumentError, InfeasibleError
from rbgp_graphs.spectral import search_abelian_cover
from rbgp_graphs.spectral.bounds import trace_bound


def second(graph: Any) -> float:
    values = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
    return float(values[1]) if len(values) > 1 else 0.0


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([[[3]], [[2, 1], [1, 2]], [[2, 1, 1]], [[1], [2], [2]], [[2, 2], [2, 2]]]),
    st.sampled_from([(5,), (2, 2), (4,), (2, 3), (2, 4)]),
    st.integers(0, 2**32 - 1),
)
def test_the_cover_has_the_shape_and_the_value_that_is_said(
    weights: Any, orders: tuple[int, ...], seed: int
) -> None:
    base = np.array(weights)
    if len({*base.sum(axis=0)}) > 1 or len({*base.sum(axis=1)}) > 1:
        with pytest.raises(ArgumentError, match="not a biregular multigraph"):
            search_abelian_cover(weights, orders, rng=seed)
        return
    found = search_abelian_cover(weights, orders, steps=40, rng=seed)
    size = int(np.prod(orders))
    graph = found.graph
    assert graph.shape == (base.shape[0] * size, base.shape[1] * size)
    assert graph.degrees == (base[0].sum(), base[:, 0].sum())
    assert found.sigma2 == pytest.approx(second(graph), abs=1e-6)
    sums = graph.biadjacency(int).toarray().reshape(base.shape[0], size, base.shape[1], size)
    np.testing.assert_array_equal(sums[:, 0].sum(axis=2), base)
    again = search_abelian_cover(weights, orders, steps=40, rng=seed)
    assert again.graph == graph


def test_it_finds_the_difference_sets_that_meet_the_trace_bound() -> None:
    biplane = search_abelian_cover([[6]], [2, 2, 2, 2], steps=400)
    assert biplane.sigma2 == pytest.approx(2.0)
    assert trace_bound(16, 16, 6) == pytest.approx(2.0)
    best = min(search_abelian_cover([[3]], [7], steps=100, rng=seed).sigma2 for seed in range(3))
    assert best == pytest.approx(2**0.5)


def test_searching_goes_far_below_where_it_started() -> None:
    weights = np.ones((8, 8), dtype=int)
    tries = [search_abelian_cover(weights, [16], steps=0, rng=seed).ratio for seed in range(20)]
    found = search_abelian_cover(weights, [16], steps=1200, rng=1)
    assert found.ratio < min(tries) - 0.04


def test_a_full_block_has_nothing_to_move() -> None:
    found = search_abelian_cover([[4]], [4], steps=20)
    assert found.graph.is_complete
    assert found.sigma2 == pytest.approx(0.0, abs=1e-9)
    trivial = search_abelian_cover([[1, 1], [1, 1]], [], steps=20)
    assert trivial.graph.is_complete


@pytest.mark.parametrize(
    "weights", [[[1, 2]], [[0]], [[-1, 3], [3, -1]], [[1.0]], [1, 2], [], [[1, 1], [0, 2]]]
)
def test_weights_of_no_biregular_multigraph_are_refused(weights: Any) -> None:
    with pytest.raises(ArgumentError, match="weights"):
        search_abelian_cover(weights, [4])


def test_more_edges_than_a_block_holds_are_refused() -> None:
    with pytest.raises(InfeasibleError, match=r"weights holds 5.*room for 4 edges"):
        search_abelian_cover([[5]], [4])
    with pytest.raises(ArgumentError, match="steps is -1"):
        search_abelian_cover([[2]], [4], steps=-1)
