"""The sampled Hopper kernel: run on the CPU against float64, its plans, its tensor maps."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.gpu.cuda import ring
from rbgp_graphs.gpu.cuda.hopper import SHARED_BYTES
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.products import Products
from rbgp_graphs.gpu.cuda.sampled_hopper import (
    fitting_tiles,
    sampled_hopper_launch,
    sampled_hopper_misfit,
    sampled_tensor_maps,
    usual_tiles,
)
from rbgp_graphs.gpu.cuda.sampled_warpgroup import SampledWarpgroupTile
from rbgp_graphs.gpu.cuda.source import kernel_source
from rbgp_graphs.gpu.cuda.tables import Dimensions, dimensions
from rbgp_graphs.gpu.cuda.tensor_map import TensorMap
from rbgp_graphs.gpu.cuda.verdicts import Verdicts
from rbgp_graphs.products import RBGP4
from tests.gpu.cuda import host
from tests.gpu.cuda.problems import Problem, assert_sampled, needs_compiler, poisoned, problem
from tests.gpu.cuda.test_hopper import WithWrongBoxes, few, patterns
from tests.gpu.oracle import assert_close, normal

#: |V_r| and |V_b|: boxes that do or do not fill eight rows, and values of a tile that begin inside
#: of one.
COLUMN_DIGITS = ((1, 1), (1, 3), (1, 8), (2, 4), (1, 24), (2, 16), (1, 40), (1, 80))
#: With so many columns there are tiles that are cut into parts.
MANY = 4096


@pytest.fixture(autouse=True, scope="module")
def _blocks_stay_for_many_tiles() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ring, "MULTIPROCESSORS", 3)
        yield


#: What tiles have in common or not, how they come to X and what becomes of their sums.
WAYS: tuple[dict[str, Any], ...] = (
    {"whole": False, "cluster": 1, "boxed": False, "parts": 1},
    {"whole": False, "cluster": 1, "boxed": True},
    {"whole": False, "cluster": 2, "along_values": True, "parts": 1},
    {"whole": False, "cluster": 1, "parts": 2},
    {"whole": True, "groups": 1, "cluster": 1, "boxed": False, "parts": 1},
    {"whole": True, "groups": 2, "cluster": 2, "along_values": False, "parts": 1},
    {"whole": True, "groups": 2, "cluster": 2, "along_values": True, "parts": 1},
    {"whole": True, "groups": 2, "cluster": 1, "parts": 4},
)


def tile_of(size: Dimensions, **wanted: Any) -> SampledWarpgroupTile | None:
    """Return the first tile that is as wanted, or None if no such tile suits the pattern."""
    return next((t for t in fitting_tiles(size, MANY) if wanted.items() <= vars(t).items()), None)


def launch_of(random: Problem, **wanted: Any) -> Launch:
    tile = tile_of(random.size, **wanted)
    assert tile is not None
    return sampled_hopper_launch(random.size, random.dtype, tile=tile)


def sampled(own: host.HostMachine, random: Problem, launch: Launch) -> NDArray[Any]:
    """Return what the kernel computes, and the one that adds parts."""
    result, tables, n = poisoned(random.values.shape, random.dtype), random.tables, random.n
    found = result
    if launch.then is not None:
        found = np.full((launch.constants["RBGP_PARTS"], *result.shape), np.nan, np.float32)
    operands = (random.dY, random.X, found)
    maps = sampled_tensor_maps(launch, random.size, random.dtype, *operands, (n, n))
    own.run(
        launch,
        [
            *maps,
            *(tables.outer_columns, tables.outer_tables, tables.inner_columns),
            *(np.int32(n), np.int32(random.batches)),
        ],
    )
    if launch.then is not None:
        own.run(launch.then, [found, result, np.int64(random.size.nnz)])
    return result


# What is compiled in: a few choices, because each costs a run of the compiler.
@needs_compiler
@given(
    patterns(st.sampled_from(((8, 1), (1, 8), (3, 2), (5, 1))), COLUMN_DIGITS, 8),
    *(st.sampled_from((8, 40, 64, 72, 136)), few, st.integers(0, 2**32 - 1)),
    *(st.permutations(WAYS), st.sampled_from((1, 2)), st.booleans()),
)
@settings(max_examples=30)
def test_all_ways_agree_with_float64(
    pattern: RBGP4,
    n: int,
    batches: int,
    seed: int,
    ways: list[dict[str, Any]],
    slabs: int,
    backwards: bool,
) -> None:
    random = problem(pattern, "float16", n, batches, seed)
    shape = {"blocks": 1, "step": 8, "value_warpgroups": 1}
    # Not every pattern has something to share, and shorter stages have less.
    tiles = ((tile_of(random.size, **way, **shape, slabs=s), s) for way in ways for s in (slabs, 2))
    tile = next(tile for tile, _ in tiles if tile is not None)
    launch = sampled_hopper_launch(random.size, "float16", tile=tile)
    own = host.HostMachine(order=int(backwards))
    assert_sampled(sampled(own, random, launch), random)


def pattern_of(row_group: int, *, block: int = 16, neighbours: int = 2) -> RBGP4:
    inner = random_biregular(4, 4, neighbours, rng=0)
    shifts = [(3 * edge) % 4 for edge in range(6)]
    return RBGP4(complete(2, 3), (row_group, 1), inner, (1, block), shifts)


@needs_compiler
@pytest.mark.parametrize(
    ("row_group", "dtype", "wanted"),
    [
        # Two slices of the rows share X, and rows are left over.
        (100, "float16", {"step": 64, "cluster": 2, "whole": False, "value_warpgroups": 1}),
        (100, "bfloat16", {"step": 128, "boxed": True, "value_warpgroups": 2, "groups": 2}),
        (16, "bfloat16", {"blocks": 2, "groups": 2, "parts": 2}),
    ],
)
def test_larger_tiles_agree_with_float64(
    row_group: int, dtype: str, wanted: dict[str, Any]
) -> None:
    random = problem(pattern_of(row_group, block=24), dtype, 72, 2, 0)
    own = host.HostMachine()
    assert_sampled(sampled(own, random, launch_of(random, **wanted)), random)


@needs_compiler
def test_parts_are_added_in_the_same_order_whoever_comes_first() -> None:
    random = problem(pattern_of(6), "float16", 264, 2, 0)
    launch = launch_of(random, step=8, blocks=1, groups=2, parts=4, cluster=1)
    forwards, backwards = (sampled(host.HostMachine(order=k), random, launch) for k in (0, 1))
    assert_sampled(forwards, random)
    assert (forwards == backwards).all()


@needs_compiler
def test_the_kernel_keeps_within_its_memory() -> None:
    random = problem(pattern_of(6), "float16", 72, 2, 0)
    way = {"step": 8, "blocks": 1, "groups": 2, "cluster": 2, "parts": 2, "buffers": 2}
    machine = host.HostMachine(sanitized=True, order=1)
    assert_sampled(sampled(machine, random, launch_of(random, **way)), random)


@needs_compiler
@pytest.mark.parametrize(
    ("line", "instead"),
    [
        # Rows that change before the products with them are over.
        ("wait_products<RBGP_WAITING - 1>();", "wait_products<RBGP_WAITING>();"),
        # A stage that is filled again while products still read it.
        (
            "if (step > first) {\n                    release(before(ring));",
            "{ release(ring.stage);",
        ),
    ],
)
def test_a_mistake_would_be_seen(line: str, instead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = kernel_source("sampled_hopper")
    assert source.count(line) == 1
    last = "if (end > first) {\n                release(before(ring));\n            }"
    changed = source.replace(line, instead)
    if "ring.stage" in instead:
        assert changed.count(last) == 1
        changed = changed.replace(last, "")
    monkeypatch.setattr(host, "kernel_source", lambda _: changed)
    host._build.cache_clear()
    random = problem(pattern_of(8, block=64, neighbours=4), "float16", 264, 2, 0)
    launch = launch_of(random, whole=False, cluster=1, boxed=True, buffers=2, slabs=1, step=8)
    try:
        with pytest.raises(AssertionError, match="off by"):
            assert_sampled(sampled(host.HostMachine(order=1), random, launch), random)
    finally:
        host._build.cache_clear()


# Products -----------------------------------------------------------------------------------


def assert_product(result: Any, pattern: RBGP4, dY: Any, X: Any) -> None:
    dY, X = dY.astype(np.float64), X.astype(np.float64)
    for i in range(pattern.rows):
        rows = X[:, pattern.row(i)]
        assert_close(result[i], np.concatenate([*rows], 1), np.concatenate([*dY[:, i]]))


@needs_compiler
def test_what_is_wrong_on_a_device_leaves_the_plain_way() -> None:
    pattern, rng, own = pattern_of(8), np.random.default_rng(0), WithWrongBoxes()
    dY, X = (normal(rng, (1, rows, 40), np.float16) for rows in pattern.shape)
    result = np.full((pattern.rows, pattern.row_degree), np.nan, np.float16)
    with pytest.warns(RuntimeWarning, match=r"kernel sampled_hopper\(.* boxed=1, .*switched off"):
        Products(own, Verdicts(None)).sampled(pattern, dY, X, result)
    assert own.launched[-1].kernel == "sampled_hopper"
    assert own.launched[-1].structure["RBGP_BOXED"] == 0
    assert_product(result, pattern, dY, X)


@needs_compiler
@pytest.mark.parametrize(
    ("change", "kernel"),
    [
        ("gaps between rows", "sampled_hopper"),
        ("gaps between matrices", "sampled_tensor_core"),
        ("odd rows", "sampled_tensor_core"),
        ("turned", "sampled_hopper"),
    ],
)
def test_what_stands_between_rows_and_matrices_takes_no_part(change: str, kernel: str) -> None:
    pattern, rng, own = pattern_of(8), np.random.default_rng(0), host.HostMachine()

    def operand(rows: int) -> NDArray[Any]:
        numbers = normal(rng, (2, rows, 37), np.float16)
        if change == "turned":
            return np.ascontiguousarray(numbers[..., :32].swapaxes(1, 2)).swapaxes(1, 2)
        width = 37 if change == "odd rows" else 40
        matrices = np.full((2, rows + (change == "gaps between matrices"), width), np.nan, "f2")
        matrices[:, :rows, :37] = numbers
        return matrices[:, :rows, :37]

    dY, X = map(operand, pattern.shape)
    result = np.full((pattern.rows, pattern.row_degree), np.nan, np.float16)
    Products(own, Verdicts(None)).sampled(pattern, dY, X, result)
    assert own.launched[-1].kernel == kernel
    assert_product(result, pattern, dY, X)


# Plans and tensor maps ----------------------------------------------------------------------


@given(
    patterns(st.tuples(st.integers(1, 300), st.integers(1, 300)), COLUMN_DIGITS, 8),
    *(st.integers(1, 5000), st.integers(1, 1000), st.integers(0, 10**6)),
)
def test_every_plan_and_its_maps_keep_the_rules(
    pattern: RBGP4, n: int, batches: int, choice: int
) -> None:
    size = dimensions(pattern)
    fitting = [*fitting_tiles(size, n, batches)]
    tile = fitting[choice % len(fitting)]
    launch = sampled_hopper_launch(size, "bfloat16", tile=tile)
    own, row = launch.constants, -(-n // 8) * 8
    assert launch.fits
    assert launch.threads in (256, 384)
    assert launch.blocks % tile.cluster == tile.tiles(size) % tile.cluster == 0
    assert size.ui % tile.groups == 0
    assert tile.sums <= 128
    assert math.prod(tile.box_rows) <= tile.step
    assert (launch.then is None) == (tile.parts == 1)
    assert tile.parts == 1 or not tile.boxed
    # What lies in shared memory begins where a swizzle does, and the parts do not overlap.
    stride = -(-tile.unit_rows(size) // 8) * 8
    rows = own["RBGP_SU"] * stride + tile.groups * tile.step
    assert own["RBGP_STAGE_BYTES"] == tile.slabs * rows * 128
    assert own["RBGP_STAGE_BYTES"] % 1024 == own["RBGP_RESULT_OFFSET"] % 1024 == 0
    results = 0 if tile.parts > 1 else 2 * tile.value_warpgroups * tile.step * 128
    assert own["RBGP_BUFFERS"] * own["RBGP_STAGE_BYTES"] == own["RBGP_RESULT_OFFSET"]
    assert own["RBGP_RESULT_OFFSET"] + results <= own["RBGP_BARRIER_OFFSET"]
    assert own["RBGP_BARRIER_OFFSET"] + 16 * tile.buffers <= launch.shared_bytes <= SHARED_BYTES
    # A stage has room for the boxes of every tile of a row, of which a cluster shares some.
    unit = tile.unit(size)
    for first in range(0, size.row_degree, tile.values):
        end = min(first + tile.values, size.row_degree)
        units = -(-end // unit) - first // unit
        assert tile.fewest_units(size) <= units <= own["RBGP_SU"]

    def array(*shape: int) -> Any:
        return np.lib.stride_tricks.as_strided(
            np.zeros(1, np.uint16), shape, (0,) * len(shape), writeable=False
        )

    arrays = (array(batches, size.rows, n), array(batches, size.cols, n))
    result = array(size.rows, size.row_degree)
    seen = sampled_tensor_maps(launch, size, "bfloat16", *arrays, result, (row, row))
    maps = [one.layout for one in seen if isinstance(one, TensorMap)]
    assert len(maps) == 2 + tile.boxed
    assert {one.problem for one in maps} == {None}
    left, right = (math.prod(one.box) for one in maps[:2])
    assert (left, right) == (64 * math.prod(tile.box_rows), 64 * tile.unit_rows(size))


def test_tiles_share_and_are_cut_where_it_saves_something() -> None:
    def preferred(row_group: int, n: int = 4096, inner: int = 8) -> SampledWarpgroupTile:
        graph = random_biregular(16, inner, 4, rng=0)
        outer = random_biregular(32, 32, 8, rng=0)
        return usual_tiles(dimensions(RBGP4(outer, (row_group, 1), graph, (1, 16))), n)[0]

    small, large = preferred(8), preferred(128)
    # Small groups share X, in large ones each u_i reads only the rows that it needs.
    assert small.whole
    assert small.groups > 1
    assert not large.whole
    # There are 512 groups, and in another pattern four.
    assert large.parts == 1
    few_tiles = RBGP4(complete(2, 2), (64, 1), random_biregular(2, 16, 8, rng=0), (1, 16))
    assert usual_tiles(dimensions(few_tiles), 8192)[0].parts > 1
    assert usual_tiles(dimensions(few_tiles), 64)[0].parts == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"capability": (12, 0)}, "the device has 12.0"),
        ({"dtype": "float32"}, "the dtype is float32"),
        ({"aligned": False}, "multiple of 16 bytes"),
        ({"block": 1, "neighbours": 1}, "has 3 nonzeros, not a multiple of 8"),
        ({"block": 4, "sides": 1024}, r"\|V_b\| = 4 is too small .*1024 x 4 rows are too large"),
        ({"batches": 2**30}, "too many rows"),
    ],
)
def test_a_problem_that_does_not_suit_the_kernel_has_a_reason(
    change: dict[str, Any], reason: str
) -> None:
    given = {"block": 16, "neighbours": 2, "sides": 4, "dtype": "float16", **change}
    sides = given.pop("sides")
    inner = random_biregular(sides, sides, given.pop("neighbours"), rng=0)
    size = dimensions(RBGP4(complete(2, 3), (8, 1), inner, (1, given.pop("block"))))
    misfit = sampled_hopper_misfit(size, given.pop("dtype"), **given)
    assert misfit is not None
    assert re.search(reason, misfit)
