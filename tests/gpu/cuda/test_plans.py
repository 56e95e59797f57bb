"""Plans: what they promise for any pattern, without running anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu.cuda.gather import group_columns
from rbgp_graphs.gpu.cuda.launch import NUMBER_TYPES, Launch
from rbgp_graphs.gpu.cuda.portable import forward_launch, sampled_launch, transpose_launch
from rbgp_graphs.gpu.cuda.sampled_tensor_core import (
    sampled_tensor_core_launch,
    sampled_warp_tile,
)
from rbgp_graphs.gpu.cuda.source import kernel_source
from rbgp_graphs.gpu.cuda.tables import Dimensions, dimensions, tables
from rbgp_graphs.gpu.cuda.tensor_core import tensor_core_launch, warp_tile
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import rbgp4_patterns

dtypes = st.sampled_from([*NUMBER_TYPES])
limits = st.sampled_from((16 * 1024, 48 * 1024, 96 * 1024))
columns = st.one_of(st.integers(1, 70), st.integers(1, 20_000))
sides = st.integers(1, 100)


@st.composite
def sizes(draw: st.DrawFn) -> Dimensions:
    """Generate sizes far beyond what a test could multiply with."""
    names = ("uo", "ur", "ui", "ub", "vo", "vr", "vi", "vb")
    own = {name: draw(sides) for name in names}
    own["ur"], own["ub"] = own["ur"] % 40 + 1, own["ub"] % 20 + 1
    own["vr"], own["vb"] = own["vr"] % 9 + 1, own["vb"] % 20 + 1
    return Dimensions(
        **own,
        do=draw(st.integers(1, own["vo"])),
        di=draw(st.integers(1, own["vi"])),
        twisted=draw(st.booleans()),
    )


def check(size: Dimensions, launch: Launch, limit: int) -> None:
    assert launch.fits
    assert 1 <= launch.threads <= 1024
    assert 0 <= launch.shared_bytes <= limit
    assert 1 <= launch.batches <= 65535
    names = {**launch.structure, **launch.constants}
    assert len(names) == len(launch.structure) + len(launch.constants)
    source = kernel_source(launch.kernel)
    own = {name for name in names if name not in size.constants}
    assert {name for name in own if name not in source} == set()


@given(sizes(), dtypes, columns, limits, st.booleans(), st.integers(1, 100_000))
def test_every_plan_fits_the_device(
    size: Dimensions, dtype: str, n: int, limit: int, aligned: bool, batches: int
) -> None:
    problem: dict[str, Any] = {"aligned": aligned, "shared_limit": limit}
    launch = forward_launch(size, dtype, n, batches=batches, **problem)
    check(size, launch, limit)
    ordering = transpose_launch(size, dtype)
    if ordering.fits:
        check(size, ordering, limit)
    sampled = sampled_launch(size, dtype, n, **problem)
    if sampled.fits:
        check(size, sampled, limit)
    has_cores = NUMBER_TYPES[dtype].on_tensor_cores
    tile = sampled_warp_tile(size, dtype, n, limit) if has_cores else None
    assert tile is None or (tile.values >= 16 and tile.threads <= 256)
    if tile is not None:
        launch = sampled_tensor_core_launch(size, dtype, aligned=aligned, tile=tile)
        assert 1 <= launch.constants["RBGP_CHUNK"] <= tile.values
        if launch.fits:
            check(size, launch, limit)
    warps = warp_tile(size, dtype, n, limit) if has_cores else None
    if warps is not None:
        launch = tensor_core_launch(size, dtype, n, batches=batches, aligned=aligned, tile=warps)
        check(size, launch, limit)
        assert launch.threads % 32 == 0


@given(sizes(), columns, limits)
def test_the_parts_of_a_stage_do_not_overlap(size: Dimensions, n: int, limit: int) -> None:
    launch = forward_launch(size, "float32", n, shared_limit=limit)
    own = launch.macros
    if own["RBGP_STAGED"]:
        number = {name: int(value) for name, value in own.items() if isinstance(value, int)}
        width = number["RBGP_TN"] * number["RBGP_NV"] * number["RBGP_XV"]
        slabs = number["RBGP_SV"] * size.slab * width * 4
        rows = number["RBGP_TG"] * number["RBGP_LR"] * number["RBGP_RT"]
        assert slabs <= number["RBGP_W_OFFSET"]
        assert number["RBGP_SV"] * size.pair <= number["RBGP_W_STRIDE"]
        values = rows * number["RBGP_W_STRIDE"] * 4
        assert number["RBGP_W_OFFSET"] + values <= number["RBGP_INDEX_OFFSET"]
        index = number["RBGP_TG"] * number["RBGP_INDEX_STRIDE"] * 4
        assert number["RBGP_INDEX_OFFSET"] + index <= number["RBGP_STAGE_BYTES"]
        # Every piece that a thread loads at once starts at a multiple of its size.
        assert number["RBGP_W_STRIDE"] % number["RBGP_KV"] == 0
        assert size.pair % number["RBGP_KV"] == 0
        assert width % number["RBGP_GV"] == 0
        assert number["RBGP_W_OFFSET"] % 16 == number["RBGP_INDEX_OFFSET"] % 16 == 0


@given(rbgp4_patterns())
def test_the_slab_of_a_pair_is_a_box_of_the_operand_seen_with_five_axes(pattern: RBGP4) -> None:
    size, own = dimensions(pattern), tables(pattern)
    X = np.arange(pattern.cols * 2).reshape(pattern.cols, 2)
    boxes = X.reshape(size.vo, size.vr, size.vi, size.vb, 2)
    listed = group_columns(np, size, own, 0, size.uo)
    for u_o in range(size.uo):
        for u_i in range(size.ui):
            rows = [
                boxes[own.outer_columns[u_o, k_o], v_r, v_i]
                for k_o in range(size.do)
                for v_r in range(size.vr)
                for v_i in own.inner_columns[own.outer_tables[u_o, k_o], u_i]
            ]
            assert (np.concatenate(rows) == X[listed[u_o, u_i]]).all()
            first = pattern.row((u_o * size.ur * size.ui + u_i) * size.ub)
            assert (listed[u_o, u_i] == first).all()


def test_small_row_groups_get_no_more_rows_of_a_thread_than_they_have() -> None:
    sparse = complete(8, 8)
    tile = forward_launch(dimensions(RBGP4(sparse, (1, 1), sparse, (1, 1))), "float32", 256)
    assert tile.structure["RBGP_RT"] == 1


def test_a_pattern_beyond_32_bits_is_refused() -> None:
    huge = RBGP4(complete(1, 1 << 15), (1, 1), complete(1, 1), (1, 1 << 16))
    with pytest.raises(BackendError, match='2147483647: use backend="numpy"'):
        dimensions(huge)
