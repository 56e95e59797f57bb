"""The kernels, run on the CPU, against float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.gpu.cuda.portable import (
    ForwardTile,
    SampledTile,
    forward_launch,
    sampled_launch,
    transpose_launch,
)
from rbgp_graphs.gpu.cuda.sampled_tensor_core import SampledWarpTile, sampled_tensor_core_launch
from rbgp_graphs.gpu.cuda.tables import dimensions, tables, transpose_sources
from rbgp_graphs.gpu.cuda.tensor_core import WarpTile, tensor_core_launch
from rbgp_graphs.gpu.transpose import transpose_values
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import rbgp4_patterns
from tests.gpu.cuda.host import HostMachine
from tests.gpu.cuda.problems import (
    check_forward,
    check_sampled,
    needs_compiler,
    poisoned,
    problem,
    stored,
)

pytestmark = needs_compiler

# What is compiled in: a few choices, because each costs a run of the compiler.
FORWARD_TILES = (
    ("float32", {"rows": 4, "vectors": 2, "vector": 4, "buffers": 2}, True),
    ("float32", {"rows": 1, "vectors": 1, "vector": 1, "buffers": 3}, True),
    ("float32", {"rows": 2, "vectors": 2, "vector": 2, "buffers": 2}, False),
    ("float64", {"rows": 2, "vectors": 1, "vector": 2, "buffers": 2}, True),
    ("float16", {"rows": 8, "vectors": 1, "vector": 8, "buffers": 2}, True),
    ("bfloat16", {"rows": 2, "vectors": 1, "vector": 8, "buffers": 2}, False),
)
SAMPLED_TILES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("float32", {"rows": 4, "values": 2, "vector": 4, "staged": True, "buffers": 2}),
    ("float64", {"rows": 2, "values": 4, "vector": 2, "staged": True, "buffers": 3}),
    ("float16", {"rows": 1, "values": 1, "vector": 8, "staged": True, "buffers": 2}),
    ("float32", {"rows": 2, "values": 2, "vector": 4, "staged": False, "buffers": 2}),
    ("bfloat16", {"rows": 1, "values": 2, "vector": 1, "staged": False, "buffers": 2}),
)
WARP_TILES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("float16", {"row_steps": 1, "column_steps": 1, "values": 0, "buffers": 2}),
    ("bfloat16", {"row_steps": 2, "column_steps": 2, "values": 24, "buffers": 3}),
    ("tf32", {"row_steps": 2, "column_steps": 1, "values": 0, "buffers": 2}),
    ("tf32", {"row_steps": 1, "column_steps": 2, "values": 20, "buffers": 3}),
)
SAMPLED_WARP_TILES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("float16", {"row_steps": 1, "value_steps": 1, "buffers": 2}),
    ("bfloat16", {"row_steps": 2, "value_steps": 2, "buffers": 3}),
    ("tf32", {"row_steps": 2, "value_steps": 1, "buffers": 2}),
)

few = st.integers(1, 3)
seeds = st.integers(0, 2**32 - 1)
activations = st.sampled_from((None, "relu", "gelu", "silu"))
orders = st.sampled_from((0, 1))


@given(
    *(rbgp4_patterns(), st.sampled_from(FORWARD_TILES), st.tuples(few, few, few, few)),
    *(st.integers(1, 20), few, few, seeds, st.booleans(), activations, orders),
)
def test_the_forward_kernel_agrees_with_float64(
    pattern: RBGP4,
    structure: tuple[str, dict[str, int], bool],
    extents: tuple[int, int, int, int],
    n: int,
    batches: int,
    batch_blocks: int,
    seed: int,
    with_bias: bool,
    activation: str | None,
    order: int,
) -> None:
    dtype, registers, staged = structure
    row_lanes, column_lanes, groups, pairs = extents
    tile = ForwardTile(
        row_lanes=row_lanes,
        column_lanes=column_lanes,
        groups=groups,
        pairs=pairs if staged else 0,
        **registers,
    )
    random = problem(pattern, dtype, n, batches, seed)
    launch = forward_launch(
        random.size,
        dtype,
        n,
        batches=batch_blocks,
        aligned=random.aligned,
        activation=activation,
        tile=tile,
    )
    machine = HostMachine(order=order)
    check_forward(machine, random, launch, with_bias=with_bias, activation=activation)


@given(
    *(rbgp4_patterns(), st.sampled_from(SAMPLED_TILES), st.tuples(few, few, few, few)),
    *(st.integers(1, 40), few, seeds, orders),
)
def test_the_sampled_kernel_agrees_with_float64(
    pattern: RBGP4,
    structure: tuple[str, dict[str, Any]],
    extents: tuple[int, int, int, int],
    n: int,
    batches: int,
    seed: int,
    order: int,
) -> None:
    dtype, registers = structure
    row_lanes, value_lanes, groups, pieces = extents
    tile = SampledTile(
        row_lanes=row_lanes,
        value_lanes=value_lanes,
        groups=groups,
        columns=pieces * registers["vector"],
        **registers,
    )
    random = problem(pattern, dtype, n, batches, seed)
    launch = sampled_launch(random.size, dtype, n, aligned=random.aligned, tile=tile)
    check_sampled(HostMachine(order=order), random, launch)


@given(rbgp4_patterns(), st.sampled_from(("float16", "float32", "float64")), seeds)
def test_the_transpose_kernel_puts_every_value_in_its_place(
    pattern: RBGP4, dtype: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = stored(rng.standard_normal((pattern.rows, pattern.row_degree)), dtype)
    size, own, sources = dimensions(pattern.T), tables(pattern.T), transpose_sources(pattern)
    result = poisoned((pattern.cols, pattern.col_degree), dtype)
    degrees = pattern.outer.neighbor_table.shape[1], pattern.inner.neighbor_table.shape[1]
    arguments: list[Any] = [values, result, own.outer_tables, sources.outer, sources.inner]
    arguments += [np.int32(degree) for degree in degrees]
    HostMachine().run(transpose_launch(size, dtype), [*arguments, np.int64(size.nnz)])
    assert (result == transpose_values(pattern, values)).all()


@given(
    *(rbgp4_patterns(), st.sampled_from(WARP_TILES), st.tuples(st.integers(1, 2), few, few, few)),
    *(st.integers(1, 40), few, seeds, st.booleans(), activations, orders),
)
def test_the_tensor_core_kernel_agrees_with_float64(
    pattern: RBGP4,
    structure: tuple[str, dict[str, Any]],
    extents: tuple[int, int, int, int],
    n: int,
    batches: int,
    seed: int,
    with_bias: bool,
    activation: str | None,
    order: int,
) -> None:
    dtype, registers = structure
    row_warps, column_warps, groups, pairs = extents
    tile = WarpTile(
        row_warps=row_warps,
        column_warps=column_warps,
        groups=groups,
        pairs=0 if registers["values"] else pairs,
        **registers,
    )
    random = problem(pattern, dtype, n, batches, seed)
    launch = tensor_core_launch(
        random.size,
        dtype,
        n,
        batches=batches,
        aligned=random.aligned,
        activation=activation,
        tile=tile,
    )
    machine = HostMachine(order=order)
    check_forward(machine, random, launch, with_bias=with_bias, activation=activation)


@given(
    *(rbgp4_patterns(), st.sampled_from(SAMPLED_WARP_TILES)),
    *(st.tuples(st.integers(1, 2), st.integers(1, 2), few, few), st.booleans()),
    *(st.integers(1, 40), few, seeds, orders),
)
def test_the_sampled_kernel_on_tensor_cores_agrees_with_float64(
    pattern: RBGP4,
    structure: tuple[str, dict[str, Any]],
    extents: tuple[int, int, int, int],
    compact: bool,
    n: int,
    batches: int,
    seed: int,
    order: int,
) -> None:
    dtype, registers = structure
    row_warps, value_warps, groups, pieces = extents
    random = problem(pattern, dtype, n, batches, seed)
    tile = SampledWarpTile(
        row_warps=row_warps,
        value_warps=value_warps,
        groups=groups,
        pairs=0,
        columns=16 * pieces,
        **registers,
    )
    # Whole pairs where a block has places for one.
    pairs = min(random.size.pairs, tile.values // random.size.pair)
    tile = replace(tile, pairs=0 if compact else pairs)
    launch = sampled_tensor_core_launch(random.size, dtype, aligned=random.aligned, tile=tile)
    check_sampled(HostMachine(order=order), random, launch)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_nan_in_rows_of_the_operand_that_a_group_does_not_use_stays_out(dtype: str) -> None:
    pattern = RBGP4(complete(1, 1), (5, 1), random_biregular(4, 8, 2, rng=0), (1, 1))
    n, random = 9, problem(pattern, dtype, 9, 1, 0)
    unused = np.setdiff1d(np.arange(pattern.cols), pattern.row(0))
    X, Y = random.X.copy(), poisoned((1, pattern.rows, n), dtype)
    X[0, unused] = np.nan
    launch = forward_launch(random.size, dtype, n, aligned=False)
    if dtype == "float16":
        tile = WarpTile(row_warps=1, column_warps=1, groups=1, pairs=1, **WARP_TILES[0][1])
        launch = tensor_core_launch(random.size, dtype, n, aligned=False, tile=tile)
    own, strides = random.tables, (n, n, pattern.cols * n, pattern.rows * n)
    arguments: list[Any] = [random.values, X, Y, None, own.outer_columns, own.outer_tables]
    arguments += [own.inner_columns, np.int32(n), np.int32(1), *map(np.int64, strides)]
    HostMachine().run(launch, arguments)
    is_clean = [not np.isin(pattern.row(i), unused).any() for i in range(pattern.rows)]
    assert sum(is_clean) == 5
    assert (np.isfinite(Y[0]).all(axis=1) == is_clean).all()
