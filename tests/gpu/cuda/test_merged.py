"""Merged digits: an equal pattern, in a form that more kernels can compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs import design
from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.gpu.cuda.gather import forward, group_columns
from rbgp_graphs.gpu.cuda.hopper import hopper_misfit
from rbgp_graphs.gpu.cuda.merged import merged
from rbgp_graphs.gpu.cuda.tables import Dimensions, Tables, dimensions, tables
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import rbgp4_patterns


def columns_of(size: Dimensions, own: Tables) -> Any:
    """Return the columns of every row, in the order of its values."""
    groups = group_columns(np, size, own, 0, size.uo)
    rows = np.arange(size.rows)
    u_o, u_i = rows // (size.rows // size.uo), rows // size.ub % size.ui
    return groups[u_o, u_i]


def complete_patterns() -> st.SearchStrategy[RBGP4]:
    """Generate patterns with complete graphs and single vertices, where digits merge."""
    sides = st.integers(1, 4)
    graphs = st.builds(complete, sides, sides) | st.builds(
        lambda n, seed: random_biregular(n, 2 * n, 2, rng=seed), sides, st.integers(0, 9)
    )
    pairs = st.tuples(sides, sides)
    blocks = st.tuples(sides, st.sampled_from((1, 2, 3, 8, 20, 80, 144)))
    return st.builds(RBGP4, graphs, pairs, graphs, blocks)


@given(rbgp4_patterns() | complete_patterns())
def test_the_merged_pattern_has_the_same_entries_in_the_same_order(pattern: RBGP4) -> None:
    size, own = merged(dimensions(pattern), tables(pattern))
    assert (size.rows, size.cols, size.row_degree) == (*pattern.shape, pattern.row_degree)
    columns = columns_of(size, own)
    assert all((columns[i] == pattern.row(i)).all() for i in range(pattern.rows))
    assert own.outer_columns.shape == own.outer_tables.shape == (size.uo, size.do)
    assert own.inner_columns.shape[1:] == (size.ui, size.di)
    assert {a.dtype for a in (own.outer_columns, own.outer_tables, own.inner_columns)} == {
        np.dtype(np.int32)
    }
    # Groups only grow, and no table is a burden.
    assert size.group >= dimensions(pattern).group
    before = tables(pattern)
    entries = own.outer_columns.size + own.inner_columns.size
    grown = max(before.outer_columns.size + before.inner_columns.size, size.nnz // 32 + 1)
    assert entries <= grown


@given(complete_patterns(), st.integers(0, 9))
def test_the_product_is_that_of_the_pattern_itself(pattern: RBGP4, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((pattern.rows, pattern.row_degree))
    X = rng.standard_normal((1, pattern.cols, 2))
    size, own = merged(dimensions(pattern), tables(pattern))
    expected = pattern.to_csr(values) @ X[0]
    assert np.allclose(forward(np, None, size, own, values, X, None, None)[0], expected)


def test_a_twist_of_a_complete_graph_is_none_and_one_of_another_is_kept() -> None:
    outer, sparse = complete(2, 3), random_biregular(4, 4, 2, rng=0)
    full = RBGP4(outer, (2, 1), complete(4, 4), (1, 2), np.arange(6) % 4)
    size, _ = merged(dimensions(full), tables(full))
    assert (size.uo, size.ui, size.group, size.twisted) == (1, 1, 16, False)
    twisted = RBGP4(outer, (2, 1), sparse, (1, 2), np.arange(6) % 4)
    assert merged(dimensions(twisted), tables(twisted))[0] == dimensions(twisted)
    plain = RBGP4(outer, (2, 1), sparse, (1, 2))
    size, _ = merged(dimensions(plain), tables(plain))
    assert (size.uo, size.ui, size.group) == (1, 4, 4)


@pytest.mark.parametrize("row_group", [4, 16, 64, 128])
@pytest.mark.parametrize("sparsity", [0.5, 0.75, 0.875, 0.9375])
def test_designed_patterns_suit_the_kernel_for_boxes(row_group: int, sparsity: float) -> None:
    pattern = design(4096, 4096, sparsity, row_group=row_group)
    size, _ = merged(dimensions(pattern), tables(pattern))
    if size.ui == 1:
        assert hopper_misfit(size, "float16") is None
        assert size.vb <= 64
    assert size.group >= row_group
