from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs.constructions import array_code, complete, random_biregular
from rbgp_graphs.gpu.cpu.calls import squares_of
from rbgp_graphs.gpu.cpu.order import visiting_order
from rbgp_graphs.gpu.cpu.plan import plan_product, plan_sampled, plan_transposed
from rbgp_graphs.gpu.cpu.tables import tables_of
from rbgp_graphs.gpu.cpu.target import Target
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4
from tests.gpu.cpu.strategies import designs

VECTORS = {"AVX-512": (64, 32), "AVX2": (32, 16), "NEON": (16, 32)}


def target(name: str) -> Target:
    size, registers = VECTORS[name]
    return Target(triple="", cpu="", features="", vector_bytes=size, registers=registers)


@given(
    designs(),
    st.integers(1, 10**6),
    st.sampled_from((4, 8)),
    st.sampled_from(sorted(VECTORS)),
    st.integers(1, 64),
)
def test_every_plan_fits_registers_pattern_and_threads(
    pattern: RBGP4, columns: int, size: int, name: str, num_threads: int
) -> None:
    tables, host = tables_of(pattern), target(name)
    arguments = (tables, columns, columns, size, host, num_threads)
    for plan in (plan_product(*arguments), plan_transposed(*arguments)):
        assert 1 <= plan.rows <= tables.row_group
        assert plan.rows * plan.vectors + plan.vectors + 1 <= host.registers
        assert plan.lanes * size == host.vector_bytes
        assert 1 <= plan.tiles_at_once <= tables.outer_degree
        assert 1 <= plan.part_groups <= tables.num_groups
        assert 1 <= plan.num_threads <= num_threads
        # No more vectors than there are columns for.
        assert (plan.vectors - 1) * plan.lanes < columns
    assert tables.row_group % plan_transposed(*arguments).rows == 0
    sampled = plan_sampled(*arguments)
    assert tables.row_group % sampled.rows == 0
    assert 1 <= sampled.neighbours <= tables.inner_degree
    assert sampled.neighbours & (sampled.neighbours - 1) == 0
    assert sampled.rows * sampled.neighbours <= host.registers // 2


@pytest.mark.parametrize("name", sorted(VECTORS))
@pytest.mark.parametrize("row_group", [1, 4, 64])
def test_blocks_have_sums_enough_to_hide_the_latency(name: str, row_group: int) -> None:
    # Two multiplications in a cycle that take four cycles each need eight sums under way; single
    # rows in 16 registers have seven.
    pattern = RBGP4(complete(4, 4), (row_group, 1), random_biregular(32, 32, 8, rng=0), (1, 1))
    plan = plan_product(tables_of(pattern), 256, 256, 4, target(name), 2)
    assert plan.rows * plan.vectors >= (8 if row_group > 1 or name != "AVX2" else 7)


@pytest.mark.parametrize(
    ("columns", "row_group", "is_narrow"),
    [(1, 1, True), (1, 64, True), (2, 1, False), (4, 4, False), (8, 64, True), (9, 128, False)],
)
def test_lanes_run_along_neighbours_for_few_columns_of_large_groups(
    columns: int, row_group: int, is_narrow: bool
) -> None:
    inner = random_biregular(4, 4, 2, rng=0)
    tables = tables_of(RBGP4(complete(2, 2), (row_group, 1), inner, (1, 1)))
    plan = plan_product(tables, columns, columns, 4, target("AVX-512"), 2)
    assert plan.is_narrow == is_narrow
    assert plan.rows * columns <= 24 or plan.rows == 1 or not is_narrow


@pytest.mark.parametrize(
    ("columns", "row_group", "is_narrow"),
    [(1, 1, False), (1, 4, True), (2, 4, False), (1, 64, True), (6, 64, True), (9, 128, False)],
)
def test_the_transposed_product_is_narrow_only_for_fewer_columns(
    columns: int, row_group: int, is_narrow: bool
) -> None:
    inner = random_biregular(4, 4, 2, rng=0)
    tables = tables_of(RBGP4(complete(2, 2), (row_group, 1), inner, (1, 1)))
    plan = plan_transposed(tables, columns, columns, 4, target("AVX-512"), 2)
    assert plan.is_narrow == is_narrow
    assert row_group % plan.rows == 0


def test_small_products_stay_in_one_thread() -> None:
    tables = tables_of(RBGP4(complete(2, 2), (4, 1), complete(4, 4), (1, 1)))
    assert plan_product(tables, 16, 16, 4, target("AVX2"), 8).num_threads == 1
    assert plan_product(tables, 10**5, 10**5, 4, target("AVX2"), 8).num_threads == 8


@given(designs(), st.integers(0, 8))
def test_an_order_visits_every_row_of_tiles_once(pattern: RBGP4, capacity: int) -> None:
    table = pattern.outer.neighbor_table
    order = visiting_order(table, capacity)
    assert sorted(order.tolist()) == list(range(len(table)))
    if capacity >= pattern.outer.right:
        np.testing.assert_array_equal(order, np.arange(len(table)))


def misses(table: NDArray[np.int64], capacity: int) -> int:
    """Return how many entries are not among the last `capacity` different ones before them."""
    cached: list[int] = []
    count = 0
    for entry in table.ravel().tolist():
        count += entry not in cached
        cached = [entry, *(other for other in cached if other != entry)][:capacity]
    return count


@pytest.mark.parametrize("graph", [array_code(13, 6), random_biregular(96, 96, 8, rng=0)])
def test_the_order_finds_more_in_the_cache(graph: BipartiteGraph) -> None:
    table, capacity = graph.neighbor_table, graph.right // 2
    order = visiting_order(table, capacity)
    assert misses(table[order], capacity) < 0.85 * misses(table, capacity)


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=40),
    st.integers(1, 3),
    st.integers(1, 20),
    st.sampled_from((4, 8, 16)),
)
def test_every_row_is_in_one_square_or_single(
    slots: list[int], step: int, groups: int, lanes: int
) -> None:
    slot_rows = np.array(slots, np.int64)
    squares, singles = squares_of(slot_rows, step, groups, lanes)
    row_of_place = (np.arange(groups)[:, None] * step + slot_rows).ravel()
    found = {int(row): int(place) for row, place in singles}
    for first, *places in squares.tolist():
        found |= {first + i: place for i, place in enumerate(places)}
    assert len(found) == len(singles) + squares.shape[0] * lanes
    assert sorted(found) == np.unique(row_of_place).tolist()
    assert all(row_of_place[place] == row for row, place in found.items())
    # Nothing that could be a square is left.
    rest = set(singles[:, 0].tolist())
    assert not any(rest.issuperset(range(row, row + lanes)) for row in rest)


@given(designs())
def test_the_tables_say_where_the_nonzeros_are(pattern: RBGP4) -> None:
    tables = tables_of(pattern)
    assert tables_of(pattern) is tables
    flat, degree = tables.inner.reshape(-1), tables.inner_degree
    for i in range(0, pattern.rows, max(1, pattern.rows // 6)):
        (u_o, _), _, (u_i, _), _ = pattern.factor_positions(i, 0)
        # The rows of all u_i are one group if they share their columns.
        group = u_i if tables.num_groups > 1 else 0
        columns = []
        for first, start in tables.tiles[u_o]:
            start += group * degree
            columns += [first + c for c in flat[start : start + degree]]
        assert columns == pattern.row(i).tolist()
    merges = pattern.inner.neighbor_table.shape[1] == pattern.inner.right
    assert tables.num_groups == (1 if merges else pattern.inner.left)
    rows = np.arange(tables.num_groups)[:, None] * tables.group_step + tables.group_rows
    assert sorted(rows.ravel().tolist()) == list(range(tables.tile_rows))
    incoming = sum(len(edges) for edges in tables.incoming)
    assert incoming == tables.tiles.shape[0] * tables.tiles.shape[1]
    assert tables.nbytes < 8 * (3 * incoming + 3 * tables.inner.size + 3 * tables.row_group) + 256
