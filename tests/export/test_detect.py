from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rbgp_graphs as rg
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.export import detect, read_mask, write
from rbgp_graphs.export.kronecker import Factorizations
from rbgp_graphs.export.shifted_tiles import twisted_factorization
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import bipartite_graphs, biregular_graphs, rbgp4_patterns


@given(rbgp4_patterns(twisted=False))
def test_every_pattern_is_found_again(pattern: RBGP4) -> None:
    mask = pattern.mask()
    graph = read_mask(mask)
    found = Factorizations(graph).all()
    assert found[0].index_bytes <= pattern.index_bytes
    for other in found:
        np.testing.assert_array_equal(other.mask(), mask)
    exact = detect(graph, nearest=False).pattern
    assert exact is None or exact.mask().tolist() == mask.tolist()


@given(rbgp4_patterns(twisted=True))
def test_every_twisted_pattern_is_found_again(pattern: RBGP4) -> None:
    mask = pattern.mask()
    graph = read_mask(mask)
    found = detect(graph, nearest=False)
    best = min(
        [*found.factorizations, *([found.pattern] if found.pattern else [])],
        key=lambda p: p.index_bytes,
    )
    np.testing.assert_array_equal(best.mask(), mask)
    shifted = twisted_factorization(graph, 10**9)
    if shifted is not None:
        np.testing.assert_array_equal(shifted.mask(), mask)


@given(bipartite_graphs(max_side=8))
def test_no_other_mask_is_taken_for_a_pattern(graph: BipartiteGraph) -> None:
    found = detect(graph, nearest=False)
    if found.pattern is not None:
        assert found.pattern.mask().tolist() == graph.biadjacency().toarray().tolist()
        assert found.distance == 0
    if graph.degrees is None:
        assert found.factorizations == ()
    assert found.density == graph.num_edges / max(1, graph.left * graph.right)


@given(biregular_graphs(max_side=4), biregular_graphs(max_side=4), st.data())
def test_the_split_that_made_a_product_is_among_those_found(
    outer: BipartiteGraph, inner: BipartiteGraph, data: Any
) -> None:
    pattern = RBGP4(outer, (1, 1), inner, (1, 1))
    graph = read_mask(pattern.mask())
    if rg.RBGP4(outer, (1, 1), inner, (1, 1)).block_shape != (1, 1):
        return
    block = detect(graph, nearest=False).block_shape
    if block == (1, 1):
        assert any(p.tile_shape == inner.shape for p in Factorizations(graph).all())


def sparse_factors() -> tuple[BipartiteGraph, BipartiteGraph]:
    return rg.array_code(3, 2), rg.array_code(5, 3)


@pytest.mark.parametrize("repeat", [(1, 1), (4, 1), (2, 3)])
@pytest.mark.parametrize("block", [(1, 1), (2, 2), (1, 4)])
def test_factors_that_are_no_products_are_found_exactly(repeat: Any, block: Any) -> None:
    pattern = RBGP4(*sparse_factors()[:1], repeat, sparse_factors()[1], block)
    found = detect(pattern)
    assert found.pattern == pattern
    assert found.row_group == pattern.row_group
    assert found.block_shape == block
    assert (found.nearest, found.distance) == (found.pattern, 0)


@pytest.mark.parametrize("inner", [rg.array_code(5, 3), rg.random_biregular(16, 16, 4, rng=1)])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("repeat", [(1, 1), (2, 1)])
def test_shifts_are_found_up_to_a_common_one(inner: Any, side: Any, repeat: Any) -> None:
    outer = rg.complete(4, 4)
    modulus = inner.left if side == "left" else inner.right
    shifts = np.random.default_rng(3).integers(0, modulus, outer.num_edges)
    pattern = RBGP4(outer, repeat, inner, (1, 2), shifts, side)
    found = detect(pattern).pattern
    assert found is not None
    assert found.is_twisted
    assert (found.shift_side, found.repeat.shape) == (side, repeat)
    assert found.outer == outer
    np.testing.assert_array_equal(found.mask(), pattern.mask())
    plain = detect(pattern, twisted=False, nearest=False).factorizations
    assert all(other.index_bytes > found.index_bytes for other in plain)


@pytest.mark.parametrize("flips", [1, 20])
def test_the_pattern_behind_a_damaged_mask_is_the_nearest(flips: int) -> None:
    pattern = RBGP4(*sparse_factors()[:1], (2, 1), sparse_factors()[1], (1, 1))
    mask = pattern.mask()
    cells = np.random.default_rng(0).choice(mask.size, flips, replace=False)
    mask.ravel()[cells] ^= True
    found = detect(mask)
    assert found.pattern is None
    assert found.nearest is not None
    assert found.nearest.mask().tolist() == pattern.mask().tolist()
    assert found.distance == flips


def test_a_mask_without_structure_is_compared_with_a_design() -> None:
    graph = rg.random_biregular(64, 64, 8, rng=0)
    found = detect(graph)
    assert found.pattern is None
    assert [p.outer.num_edges * p.inner.num_edges for p in found.factorizations] == [512, 512]
    assert found.nearest is not None
    assert found.nearest.shape == (64, 64)
    differences = found.nearest.mask() != graph.biadjacency().toarray()
    assert found.distance == differences.sum() > 0


def test_masks_without_edges_and_dense_ones_are_answered() -> None:
    for shape in ((0, 0), (3, 0), (4, 4)):
        found = detect(np.zeros(shape))
        assert (found.pattern, found.nearest, found.distance) == (None, None, None)
    full = detect(np.ones((4, 6))).pattern
    assert full is not None
    assert full.block_shape == (4, 6)
    assert {factor.recipe["kind"] for factor in full.factors} == {"complete"}


def test_sources_of_every_kind_are_taken(tmp_path: Path) -> None:
    pattern = RBGP4(*sparse_factors()[:1], (2, 1), sparse_factors()[1], (1, 1))
    write(tmp_path / "m.npz", pattern)
    for source in (pattern, pattern.mask(), pattern.to_csr(), tmp_path / "m.npz"):
        assert detect(source).pattern == pattern
    for source in (pattern, pattern.mask()):
        with pytest.raises(ArgumentError, match=r"2700 edges, more than max_edges=100"):
            detect(source, max_edges=100)


def test_a_design_of_a_real_size_is_found() -> None:
    pattern = rg.design(1024, 1024, 0.9375)
    found = detect(pattern, nearest=False).pattern
    assert found is not None
    assert found.index_bytes <= pattern.index_bytes
    np.testing.assert_array_equal(found.columns(), pattern.columns())
