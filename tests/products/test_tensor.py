from __future__ import annotations

import functools
import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs.constructions import complete, field_lift, lps, projective_plane
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.products.recipes import pattern_from_recipe
from rbgp_graphs.testing.strategies import patterns, tensor_products

PLANE = projective_plane(2)


def kronecker(factors: tuple[BipartiteGraph, ...]) -> NDArray[np.bool_]:
    matrices = [factor.biadjacency(np.int64).toarray() for factor in factors]
    product: NDArray[np.int64] = functools.reduce(np.kron, matrices)
    return product.astype(bool)


@st.composite
def windows(
    draw: st.DrawFn, pattern: TensorProduct
) -> tuple[tuple[int, int], tuple[int, int], int]:
    """Generate ranges of rows and columns of a pattern, and a number of pixels."""
    ranges = []
    for size in pattern.shape:
        start = draw(st.integers(0, size - 1))
        ranges.append((start, draw(st.integers(start + 1, size))))
    return ranges[0], ranges[1], draw(st.integers(1, 12))


# Laws


@given(tensor_products())
def test_the_mask_is_the_kronecker_product_of_the_factors(pattern: TensorProduct) -> None:
    np.testing.assert_array_equal(pattern.mask(), kronecker(pattern.factors))


@given(patterns())
def test_sizes_and_degrees_are_those_of_the_mask(pattern: TensorProduct) -> None:
    mask = pattern.mask()
    assert mask.shape == pattern.shape == (pattern.rows, pattern.cols)
    assert (mask.sum(axis=1) == pattern.row_degree).all()
    assert (mask.sum(axis=0) == pattern.col_degree).all()
    assert mask.sum() == pattern.nnz
    assert pattern.density == pytest.approx(mask.mean())
    assert pattern.sparsity + pattern.density == 1


@given(patterns())
def test_rows_columns_mask_and_csr_agree(pattern: TensorProduct) -> None:
    mask = pattern.mask()
    columns = pattern.columns()
    for i in range(pattern.rows):
        expected = np.flatnonzero(mask[i])
        np.testing.assert_array_equal(pattern.row(i), expected)
        np.testing.assert_array_equal(columns[i], expected)
    csr = pattern.to_csr()
    csr.check_format(full_check=True)
    assert csr.has_canonical_format
    np.testing.assert_array_equal(csr.toarray(), mask)


@given(patterns())
def test_membership_agrees_with_the_mask(pattern: TensorProduct) -> None:
    found = [[(i, j) in pattern for j in range(pattern.cols)] for i in range(pattern.rows)]
    np.testing.assert_array_equal(found, pattern.mask())


@given(patterns())
def test_values_go_to_the_cells_of_their_row_in_ascending_order(pattern: TensorProduct) -> None:
    values = np.arange(1.0, pattern.nnz + 1).reshape(pattern.rows, pattern.row_degree)
    expected = np.zeros(pattern.shape)
    expected[pattern.mask()] = values.ravel()
    np.testing.assert_array_equal(pattern.to_csr(values).toarray(), expected)
    np.testing.assert_array_equal(pattern.to_bsr(values).toarray(), expected)


@given(patterns())
def test_the_blocks_of_bsr_are_dense(pattern: TensorProduct) -> None:
    bsr = pattern.to_bsr()
    assert bsr.blocksize == pattern.block_shape
    assert bsr.data.all()
    assert bsr.has_sorted_indices
    np.testing.assert_array_equal(bsr.toarray(), pattern.mask())
    np.testing.assert_array_equal(
        np.kron(pattern.block_pattern().mask(), np.ones(pattern.block_shape)), pattern.mask()
    )


@given(patterns())
def test_transposition_is_an_involution_and_transposes_the_mask(pattern: TensorProduct) -> None:
    turned = pattern.T
    assert type(turned) is type(pattern)
    np.testing.assert_array_equal(turned.mask(), pattern.mask().T)
    assert pattern == turned.T
    assert turned.T.recipe == pattern.recipe


@given(patterns())
def test_positions_in_the_factors_make_up_row_and_column(pattern: TensorProduct) -> None:
    for i, j in [(0, 0), (pattern.rows - 1, pattern.cols - 1), (pattern.rows // 2, 0)]:
        row = col = 0
        for (u, v), factor in zip(pattern.factor_positions(i, j), pattern.factors, strict=True):
            row, col = row * factor.left + u, col * factor.right + v
        assert (row, col) == (i, j)


@given(patterns())
def test_counts_are_the_cumulative_sums_of_the_mask(pattern: TensorProduct) -> None:
    sums = np.zeros((pattern.rows + 1, pattern.cols + 1), dtype=np.int64)
    sums[1:, 1:] = pattern.mask().astype(np.int64).cumsum(axis=0).cumsum(axis=1)
    counts = pattern.count_before(np.arange(pattern.rows + 1), np.arange(pattern.cols + 1))
    np.testing.assert_array_equal(counts, sums)


@given(st.data(), patterns())
def test_densities_are_the_means_of_the_mask_in_any_window(
    data: st.DataObject, pattern: TensorProduct
) -> None:
    rows, cols, max_pixels = data.draw(windows(pattern))
    window = pattern.window(rows, cols, max_pixels)
    for edges, (start, stop) in ((window.row_edges, rows), (window.col_edges, cols)):
        assert (edges[0], edges[-1]) == (start, stop)
        assert len(edges) - 1 == min(max_pixels, stop - start)
        steps = np.diff(edges)
        assert steps.min() >= 1
        assert steps.max() - steps.min() <= 1
    mask = pattern.mask()
    for y in range(len(window.row_edges) - 1):
        for x in range(len(window.col_edges) - 1):
            part = mask[slice(*window.row_edges[y : y + 2]), slice(*window.col_edges[x : x + 2])]
            assert window.density[y, x] == pytest.approx(part.mean(), abs=1e-15)


@given(st.data(), patterns())
def test_a_window_with_room_for_all_cells_shows_the_mask(
    data: st.DataObject, pattern: TensorProduct
) -> None:
    rows, cols, _ = data.draw(windows(pattern))
    window = pattern.window(rows, cols, max_pixels=max(pattern.shape))
    assert window.is_exact
    np.testing.assert_array_equal(window.density, pattern.mask()[slice(*rows), slice(*cols)])


@given(patterns(), patterns())
def test_equality_goes_by_kind_and_factors(one: TensorProduct, other: TensorProduct) -> None:
    twin = pickle.loads(pickle.dumps(one))
    assert twin == one
    assert hash(twin) == hash(one)
    assert twin.digest == one.digest
    assert (one == other) == (one.digest == other.digest)
    if one == other:
        np.testing.assert_array_equal(one.mask(), other.mask())


@given(patterns())
def test_a_recipe_survives_json_and_rebuilds_the_pattern(pattern: TensorProduct) -> None:
    rebuilt = pattern_from_recipe(json.loads(json.dumps(pattern.recipe)))
    assert type(rebuilt) is type(pattern)
    assert rebuilt == pattern
    assert rebuilt.recipe == pattern.recipe


# Values


def test_a_product_of_one_factor_is_that_graph() -> None:
    pattern = TensorProduct(PLANE)
    np.testing.assert_array_equal(pattern.mask(), PLANE.biadjacency().toarray())
    assert pattern.factor_names == ("factor 0",)


def test_equal_masks_do_not_make_equal_patterns() -> None:
    one = TensorProduct(complete(2, 2), complete(3, 3))
    other = TensorProduct(complete(6, 6))
    np.testing.assert_array_equal(one.mask(), other.mask())
    assert one != other
    four = RBGP4(PLANE, (1, 1), PLANE, (1, 1))
    assert four != TensorProduct(*four.factors)
    assert TensorProduct(*four.factors) != four
    assert one != "a pattern"


def test_trailing_complete_factors_make_the_block() -> None:
    pattern = TensorProduct(complete(2, 2), PLANE, complete(2, 3), complete(4, 1))
    assert pattern.block_shape == (8, 3)
    assert pattern.index_bytes == 4 * PLANE.num_edges
    assert TensorProduct(complete(2, 3)).block_shape == (2, 3)
    assert TensorProduct(PLANE).block_shape == (1, 1)


def test_a_pattern_with_a_million_rows_is_queried_without_building_it() -> None:
    rows = np.repeat(np.arange(100), 10)
    factors = [
        BipartiteGraph.from_edges(
            np.column_stack((rows, (rows + np.tile(np.arange(10), 100) ** power) % 100)),
            shape=(100, 100),
        )
        for power in (1, 2)
    ]
    factors.append(factors[1].T)
    pattern = TensorProduct(*factors)
    assert pattern.shape == (10**6, 10**6)
    assert pattern.nnz == 10**9
    columns = pattern.row(765_432)
    assert len(columns) == 1000
    assert (np.diff(columns) > 0).all()
    assert all((765_432, int(j)) in pattern for j in columns[::50])
    window = pattern.window(max_pixels=100)
    expected = factors[0].biadjacency(float).toarray() / 100
    np.testing.assert_allclose(window.density, expected, atol=1e-15)
    with pytest.raises(ArgumentError, match="mask needs 1000000000000 bytes"):
        pattern.mask()


def test_the_cost_of_a_window_does_not_grow_with_the_pattern(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    factors = [field_lift(16, 16, 1, 2)] * 5
    pattern = TensorProduct(*factors)
    monkeypatch.setattr(TensorProduct, "columns", None)
    corner = pattern.window((2**29, 2**29 + 64), (5, 69), max_pixels=64)
    assert corner.is_exact
    for y, x in [(0, 0), (17, 3), (63, 63)]:
        assert corner.density[y, x] == ((2**29 + y, 5 + x) in pattern)


def test_the_repr_names_size_sparsity_and_factors() -> None:
    pattern = TensorProduct(PLANE, complete(2, 2))
    assert repr(pattern) == "<TensorProduct 14 x 14, sparsity 57.14%, factors 7x7 (x) 2x2>"


def test_a_product_of_ramanujan_graphs_keeps_its_edge_list_in_the_index() -> None:
    pattern = TensorProduct(lps(3, 5), complete(4, 4), PLANE)
    assert pattern.index_bytes == 4 * (240 + 21)


# Errors


def test_a_product_needs_a_factor() -> None:
    with pytest.raises(ArgumentError, match="a product needs at least one factor"):
        TensorProduct()


@pytest.mark.parametrize("factor", [None, (2, 2), np.eye(2)])
def test_factors_that_are_no_graphs_are_refused(factor: Any) -> None:
    message = f"factor 1 is a {type(factor).__name__}, expected a BipartiteGraph"
    with pytest.raises(ArgumentTypeError, match=message):
        TensorProduct(PLANE, factor)


def test_factors_with_uneven_degrees_are_refused() -> None:
    irregular = BipartiteGraph.from_biadjacency([[1, 1], [0, 1]])
    with pytest.raises(ArgumentError, match=r"factor 0 is not biregular \(left degrees \[1, 2\]"):
        TensorProduct(irregular)


@pytest.mark.parametrize("shape", [(2, 3), (0, 0), (0, 2)])
def test_factors_without_edges_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ArgumentError, match="factor 0 has no edges, expected at least one"):
        TensorProduct(BipartiteGraph.from_edges([], shape=shape))


def test_patterns_beyond_two_to_the_31_a_side_are_refused() -> None:
    wide = complete(1, 2**16)
    assert TensorProduct(wide, complete(1, 2**15)).cols == 2**31
    with pytest.raises(ArgumentError, match="the product is 1 x 4294967296, at most 2147483648"):
        TensorProduct(wide, wide)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ((14, 0), "i is 14, expected at most 13"),
        ((0, -1), "j is -1, expected at least 0"),
        ((0.0, 1), "i is 0.0 of type float, expected an integer"),
        (3, r"cell is 3, expected a pair \(row, column\)"),
        ((1, 2, 3), "expected a pair"),
    ],
)
def test_cells_that_do_not_exist_are_refused(cell: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        assert cell in TensorProduct(PLANE, complete(2, 2))


def test_rows_that_do_not_exist_are_refused() -> None:
    for i in (7, -1):
        with pytest.raises(ArgumentError, match=f"i is {i}, expected"):
            TensorProduct(PLANE).row(i)


@pytest.mark.parametrize("shape", [(7,), (7, 4), (3, 7), (21,)])
def test_values_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    pattern = TensorProduct(PLANE)
    for convert in (pattern.to_csr, pattern.to_bsr):
        with pytest.raises(ArgumentError, match=r"expected \(rows, row_degree\) = \(7, 3\)"):
            convert(np.zeros(shape))


def test_what_would_not_fit_in_memory_is_refused() -> None:
    pattern = TensorProduct(PLANE, PLANE)
    for call in (pattern.mask, pattern.columns, pattern.to_csr, pattern.to_bsr):
        with pytest.raises(ArgumentError, match=r"needs \d+ bytes, more than max_bytes=100"):
            call(max_bytes=100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": (0, 0)}, "rows stop is 0, expected at least 1"),
        ({"rows": (5, 3)}, "rows stop is 3, expected at least 6"),
        ({"rows": (7, 8)}, "rows start is 7, expected at most 6"),
        ({"cols": (-1, 3)}, "cols start is -1, expected at least 0"),
        ({"cols": (0, 8)}, "cols stop is 8, expected at most 7"),
        ({"max_pixels": 0}, "max_pixels is 0, expected at least 1"),
        ({"cols": 3}, r"cols is 3, expected a pair \(start, stop\)"),
        ({"cols": (0.5, 3)}, "cols start is 0.5 of type float"),
    ],
)
def test_windows_that_do_not_exist_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        TensorProduct(PLANE).window(**arguments)
