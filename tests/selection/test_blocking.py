"""Blocks fit the registers, and tiles the first cache."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.selection.blocking import register_block, tiles_at_once


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([16, 32]))
def test_blocks_fit_the_registers(group: int, wanted: int, registers: int) -> None:
    rows, vectors = register_block(group, wanted, registers)
    assert 1 <= rows <= min(8, group)
    assert 1 <= vectors <= min(8, wanted)
    assert rows * vectors + vectors + 1 <= registers
    assert register_block(group, wanted, registers, allowed=[1])[0] == 1


@pytest.mark.parametrize(("rows", "tile_bytes", "count"), [(6, 1 << 14, 9), (4, 1 << 13, 2)])
def test_few_rows_leave_the_tiles_in_the_first_cache(
    rows: int, tile_bytes: int, count: int
) -> None:
    assert tiles_at_once(rows, 9, 16, tile_bytes, 1 << 15) == count


@given(st.integers(1, 8), st.integers(1, 64), st.integers(1, 64), st.integers(1, 1 << 20))
def test_runs_of_values_are_long_enough(
    rows: int, outer_degree: int, inner_degree: int, tile_bytes: int
) -> None:
    count = tiles_at_once(rows, outer_degree, inner_degree, tile_bytes, 1 << 15)
    assert 1 <= count <= outer_degree
    assert count == outer_degree or count * inner_degree >= 16
