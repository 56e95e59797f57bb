from __future__ import annotations

import copy
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs.constructions import array_code, complete, field_lift, projective_plane
from rbgp_graphs.constructions.field_lift import voltage_digits
from rbgp_graphs.constructions.finite_field import finite_field
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4
from rbgp_graphs.products.rbgp4 import ShiftSide
from rbgp_graphs.testing.strategies import rbgp4_patterns

OUTER, INNER = field_lift(3, 2, 1, 1), field_lift(4, 2, 1, 1)


def matching(size: int) -> BipartiteGraph:
    return BipartiteGraph.from_edges([(u, u) for u in range(size)], shape=(size, size))


def mask_by_definition(pattern: RBGP4) -> NDArray[np.bool_]:
    """Put every outer edge's shifted inner pattern in place, one by one."""
    inner = pattern.inner.biadjacency(int).toarray()
    shifts = np.zeros(pattern.outer.num_edges, int) if pattern.shifts is None else pattern.shifts
    tiles = np.zeros((pattern.outer.left, pattern.outer.right, *pattern.tile_shape), dtype=int)
    for (u, v), shift in zip(pattern.outer.edges.tolist(), shifts.tolist(), strict=True):
        size = pattern.inner.shape[pattern.shift_side == "right"]
        power_of_two = bin(size).count("1") == 1
        moved = [(x ^ shift) if power_of_two else (x + shift) % size for x in range(size)]
        shifted = np.zeros_like(inner)
        if pattern.shift_side == "right":
            shifted[:, moved] = inner
        else:
            shifted[moved] = inner
        repeated = np.kron(np.ones(pattern.repeat.shape, int), shifted)
        tiles[u, v] = np.kron(repeated, np.ones(pattern.block.shape, int))
    return tiles.swapaxes(1, 2).reshape(pattern.shape).astype(bool)


# Laws


@given(rbgp4_patterns())
def test_the_mask_is_the_one_of_the_definition(pattern: RBGP4) -> None:
    np.testing.assert_array_equal(pattern.mask(), mask_by_definition(pattern))


@given(rbgp4_patterns())
def test_rows_of_one_group_share_their_columns(pattern: RBGP4) -> None:
    sizes = [factor.left for factor in pattern.factors]
    columns = pattern.columns().reshape(*sizes, pattern.row_degree)
    groups = pattern.group_columns()
    assert groups.shape == (pattern.outer.left, pattern.inner.left, pattern.row_degree)
    np.testing.assert_array_equal(
        columns, np.broadcast_to(groups[:, None, :, None, :], columns.shape)
    )
    assert pattern.rows == pattern.row_group * pattern.outer.left * pattern.inner.left


@given(rbgp4_patterns(), st.data())
def test_column_lists_of_some_outer_rows_are_a_part_of_all(
    pattern: RBGP4, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, pattern.outer.left))
    stop = data.draw(st.integers(start, pattern.outer.left))
    part = pattern.group_columns(start, stop)
    np.testing.assert_array_equal(part, pattern.group_columns()[start:stop])


@given(rbgp4_patterns(), st.data())
def test_unshift_undoes_shift(pattern: RBGP4, data: st.DataObject) -> None:
    size = pattern.shift_modulus
    amount = data.draw(st.integers(0, size - 1))
    vertices = np.arange(size)
    moved = pattern.shift(vertices, amount)
    assert sorted(moved.tolist()) == vertices.tolist()
    np.testing.assert_array_equal(pattern.unshift(moved, amount), vertices)
    np.testing.assert_array_equal(pattern.shift(moved, pattern.inverse_shift(amount)), vertices)


@given(rbgp4_patterns(twisted=True))
def test_the_table_of_every_outer_edge_is_its_shifted_inner_pattern(pattern: RBGP4) -> None:
    height, width = pattern.tile_shape
    core = RBGP4(
        pattern.outer, (1, 1), pattern.inner, (1, 1), pattern.shifts, pattern.shift_side
    ).mask()
    size = pattern.inner.shape
    for edge, (u, v) in enumerate(pattern.outer.edges.tolist()):
        tile = core[u * size[0] : (u + 1) * size[0], v * size[1] : (v + 1) * size[1]]
        table = pattern.inner_tables[pattern.outer_edge_tables[edge]]
        expected = [np.flatnonzero(row) for row in tile]
        np.testing.assert_array_equal(table, expected)
    assert (height * pattern.outer.left, width * pattern.outer.right) == pattern.shape


@given(rbgp4_patterns(twisted=True))
def test_a_twist_keeps_degrees_and_tiles(pattern: RBGP4) -> None:
    plain = RBGP4(pattern.outer, pattern.repeat, pattern.inner, pattern.block)
    assert pattern.row_degree == plain.row_degree
    assert pattern.col_degree == plain.col_degree
    height, width = pattern.tile_shape
    tiles = [
        p.mask().reshape(p.outer.left, height, p.outer.right, width).any(axis=(1, 3))
        for p in (pattern, plain)
    ]
    np.testing.assert_array_equal(tiles[0], tiles[1])
    np.testing.assert_array_equal(tiles[0], pattern.outer.biadjacency().toarray())


@given(rbgp4_patterns(twisted=True))
def test_transposition_moves_the_twist_to_the_other_side(pattern: RBGP4) -> None:
    turned = pattern.T
    assert turned.is_twisted == pattern.is_twisted
    if pattern.is_twisted:
        assert {turned.shift_side, pattern.shift_side} == {"left", "right"}
    assert turned.shift_modulus == pattern.shift_modulus
    assert pattern == turned.T


# Values


def test_patterns_with_other_shifts_are_other_patterns() -> None:
    def build(shifts: list[int] | None, side: ShiftSide = "right") -> RBGP4:
        return RBGP4(complete(2, 2), (1, 1), INNER, (2, 1), shifts, side)

    family = [build(None), build([0, 1, 2, 3]), build([3, 2, 1, 0]), build([0, 1, 2, 3], "left")]
    assert len({*family}) == len({p.digest for p in family}) == 4
    assert build([0] * 4) == build(None) == build([0] * 4, "left")
    assert hash(build([0] * 4)) == hash(build(None))
    assert build([0] * 4).digest == build(None, "left").digest
    assert not build([0] * 4).is_twisted
    assert build([0] * 4).recipe == build(None).recipe


def test_a_complete_outer_graph_twisted_by_products_is_a_field_lift() -> None:
    digits = voltage_digits(finite_field("q", 8), np.arange(8), 8, 1, 3)
    shifts = (digits @ [1, 2, 4]).ravel()
    pattern = RBGP4(complete(8, 8), (1, 1), matching(8), (1, 1), shifts)
    assert BipartiteGraph.from_biadjacency(pattern.mask()) == field_lift(8, 8, 1, 3)


def test_shifts_on_sides_that_are_no_power_of_two_are_cyclic() -> None:
    shifts = [i * j % 5 for i in range(5) for j in range(3)]
    pattern = RBGP4(complete(5, 3), (1, 1), matching(5), (1, 1), shifts)
    assert BipartiteGraph.from_biadjacency(pattern.mask()) == array_code(5, 3)


def test_pairs_and_complete_graphs_name_the_same_pattern() -> None:
    pattern = RBGP4(OUTER, (4, 1), INNER, (2, 3))
    assert pattern == RBGP4(OUTER, complete(4, 1), INNER, complete(2, 3))
    assert pattern.factor_names == ("outer", "repeat", "inner", "block")
    assert (pattern.row_group, pattern.block_shape, pattern.tile_shape) == (8, (2, 3), (64, 12))
    assert (pattern.outer, pattern.inner) == (OUTER, INNER)
    dense = BipartiteGraph.from_biadjacency(np.ones((4, 1)))
    assert RBGP4(OUTER, dense, INNER, (2, 3)).recipe == pattern.recipe


def test_a_twist_costs_one_integer_for_each_outer_edge() -> None:
    plain = RBGP4(OUTER, (4, 1), INNER, (1, 1))
    shifts = np.arange(OUTER.num_edges) % INNER.right
    twisted = RBGP4(OUTER, (4, 1), INNER, (1, 1), shifts)
    assert plain.index_bytes == 4 * (OUTER.num_edges + INNER.num_edges)
    assert twisted.index_bytes - plain.index_bytes == 4 * OUTER.num_edges


def test_large_twisted_patterns_are_queried_without_building_them() -> None:
    outer, inner = field_lift(64, 64, 1, 4), field_lift(64, 64, 1, 4)
    shifts = np.random.default_rng(0).integers(1000, 1004, outer.num_edges)
    pattern = RBGP4(outer, (1, 1), inner, (1, 1), shifts)
    assert pattern.shape == (2**20, 2**20)
    row = 2**19 + 5
    columns = pattern.row(row)
    assert (np.diff(columns) > 0).all()
    assert all((row, int(j)) in pattern for j in columns[::500])
    start = int(columns[100]) - 3
    window = pattern.window((2**19, 2**19 + 32), (start, start + 32))
    assert window.is_exact
    expected = [[(2**19 + y, start + x) in pattern for x in range(32)] for y in (0, 5, 31)]
    np.testing.assert_array_equal(window.density[[0, 5, 31]], expected)


def test_a_single_row_of_a_twisted_pattern_needs_little_memory() -> None:
    outer, inner = field_lift(16, 16, 1, 4), field_lift(16, 16, 1, 4)
    shifts = np.arange(outer.num_edges) % inner.right
    pattern = RBGP4(outer, (1, 1), inner, (1, 1), shifts)
    tracemalloc.start()
    columns = pattern.row(77)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(columns) == 256
    # All tables of the 256 shifted inner patterns would have 8 MB.
    assert peak_bytes < 2**20


@pytest.mark.parametrize("twin", [lambda p: pickle.loads(pickle.dumps(p)), copy.deepcopy])
def test_the_shifts_are_read_only_also_in_copies(twin: Any) -> None:
    given_shifts = np.arange(OUTER.num_edges) % INNER.right
    pattern = RBGP4(OUTER, (1, 1), INNER, (1, 1), given_shifts)
    given_shifts[:] = 0
    assert pattern.shifts is not None
    assert pattern.shifts.any()
    other = twin(pattern)
    assert other == pattern
    for shifts in (pattern.shifts, other.shifts):
        with pytest.raises(ValueError, match="read-only"):
            shifts[0] = 1


def test_the_tables_for_kernels_are_read_only() -> None:
    pattern = RBGP4(OUTER, (1, 1), INNER, (1, 1), np.arange(OUTER.num_edges) % INNER.right)
    for table in (pattern.inner_tables, pattern.outer_edge_tables):
        with pytest.raises(ValueError, match="read-only"):
            table[...] = 0


# Errors


@pytest.mark.parametrize("name", ["repeat", "block"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (projective_plane(2), r"is not a complete graph, expected one or a pair \(m, n\)"),
        (BipartiteGraph.from_edges([], shape=(0, 0)), "is not a complete graph"),
        (4, r"is 4, expected a pair \(m, n\) or a complete BipartiteGraph"),
        ((1, 2, 3), r"is \(1, 2, 3\), expected a pair"),
    ],
)
def test_repeat_and_block_must_be_complete(name: str, value: Any, message: str) -> None:
    factors: dict[str, Any] = {"repeat": (1, 1), "block": (1, 1), name: value}
    with pytest.raises(ArgumentError, match=f"{name} {message}"):
        RBGP4(OUTER, factors["repeat"], INNER, factors["block"])


@pytest.mark.parametrize("pair", [(0, 1), (1, -2), (1.0, 1), ("1", 1)])
def test_sizes_of_repeat_and_block_must_be_positive_integers(pair: Any) -> None:
    with pytest.raises(ArgumentError, match=r"expected (at least 1|an integer)"):
        RBGP4(OUTER, pair, INNER, (1, 1))
    with pytest.raises(ArgumentError, match=r"expected (at least 1|an integer)"):
        RBGP4(OUTER, (1, 1), INNER, pair)


def test_outer_and_inner_must_be_biregular_graphs() -> None:
    irregular = BipartiteGraph.from_biadjacency([[1, 1], [0, 1]])
    with pytest.raises(ArgumentError, match="is not biregular"):
        RBGP4(irregular, (1, 1), INNER, (1, 1))
    with pytest.raises(ArgumentError, match="is not biregular"):
        RBGP4(OUTER, (1, 1), irregular, (1, 1))
    with pytest.raises(ArgumentTypeError, match="is a tuple, expected a BipartiteGraph"):
        RBGP4((2, 2), (1, 1), INNER, (1, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shifts", "message"),
    [
        ([0, 1], r"shifts has shape \(2,\), expected \(4,\): one for each outer edge"),
        ([[0, 1, 2, 3]], r"shifts has shape \(1, 4\)"),
        ([0, 0, 0, 4], "shifts range from 0 to 4, expected 0 to 3"),
        ([0, 0, 0, -1], "shifts range from -1 to 0, expected 0 to 3"),
        ([0.0, 1.0, 2.0, 3.0], "shifts has dtype float64, expected integers"),
        ([True, False, True, False], "shifts has dtype bool, expected integers"),
        (["a"] * 4, "expected integers"),
        ([[0, 1], [2]], "shifts"),
    ],
)
def test_shifts_that_do_not_fit_are_refused(shifts: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        RBGP4(complete(2, 2), (1, 1), INNER, (1, 1), shifts)


@pytest.mark.parametrize("side", ["up", None, 1, "Right"])
def test_a_side_that_is_neither_left_nor_right_is_refused(side: Any) -> None:
    with pytest.raises(ArgumentError, match=r"shift_side is .*, expected 'left' or 'right'"):
        RBGP4(OUTER, (1, 1), INNER, (1, 1), None, side)


def test_the_group_of_shifts_is_that_of_the_shifted_side() -> None:
    inner = field_lift(4, 2, 1, 1)
    assert inner.shape == (8, 4)
    with pytest.raises(ArgumentError, match="expected 0 to 3"):
        RBGP4(complete(1, 1), (1, 1), inner, (1, 1), [7])
    assert RBGP4(complete(1, 1), (1, 1), inner, (1, 1), [7], "left").shift_modulus == 8


@given(rbgp4_patterns())
def test_a_sparse_matrix_of_a_pattern_can_be_changed_in_place(pattern: RBGP4) -> None:
    matrix = pattern.to_csr(np.zeros((pattern.rows, pattern.row_degree)))
    matrix.eliminate_zeros()
    assert matrix.nnz == 0
