"""The kernels under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import pytest

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.gpu.cuda.portable import (
    forward_launch,
    forward_tile,
    sampled_launch,
)
from rbgp_graphs.gpu.cuda.sampled_tensor_core import SampledWarpTile, sampled_tensor_core_launch
from rbgp_graphs.gpu.cuda.source import kernel_source
from rbgp_graphs.gpu.cuda.tensor_core import WarpTile, tensor_core_launch
from rbgp_graphs.products import RBGP4
from tests.gpu.cuda import host
from tests.gpu.cuda.problems import check_forward, check_sampled, needs_compiler, problem

pytestmark = needs_compiler


def pattern(*, twisted: bool) -> RBGP4:
    """Return a pattern where nothing divides anything."""
    outer, inner = random_biregular(3, 6, 4, rng=0), random_biregular(5, 10, 4, rng=1)
    shifts = [(7 * edge) % 10 for edge in range(outer.num_edges)] if twisted else None
    return RBGP4(outer, (3, 2), inner, (1, 1), shifts)


@pytest.mark.parametrize(
    ("dtype", "n", "activation"), [("float32", 12, "gelu"), ("float64", 7, None)]
)
def test_the_forward_kernel_keeps_within_its_memory(
    dtype: str, n: int, activation: str | None
) -> None:
    random = problem(pattern(twisted=dtype == "float32"), dtype, n, 2, 0)
    tile = forward_tile(random.size, dtype, n, 48 * 1024)
    assert tile.pairs
    launch = forward_launch(
        random.size, dtype, n, aligned=random.aligned, activation=activation, tile=tile
    )
    machine = host.HostMachine(sanitized=True, order=1)
    check_forward(machine, random, launch, with_bias=True, activation=activation)


def test_the_sampled_kernel_keeps_within_its_memory() -> None:
    random = problem(pattern(twisted=True), "float32", 44, 2, 0)
    launch = sampled_launch(random.size, "float32", 44)
    assert launch.structure["RBGP_STAGED"] == 1
    check_sampled(host.HostMachine(sanitized=True), random, launch)


@pytest.mark.parametrize(
    ("dtype", "n", "compact"),
    [("bfloat16", 24, True), ("float16", 21, False), ("tf32", 21, False)],
)
def test_the_tensor_core_kernel_keeps_within_its_memory(dtype: str, n: int, compact: bool) -> None:
    random = problem(pattern(twisted=not compact), dtype, n, 2, 0)
    tile = WarpTile(
        row_steps=1,
        column_steps=1,
        row_warps=1,
        column_warps=1,
        groups=2,
        pairs=0 if compact else 3,
        values=10,
    )
    launch = tensor_core_launch(random.size, dtype, n, aligned=random.aligned, tile=tile)
    machine = host.HostMachine(sanitized=True)
    check_forward(machine, random, launch, with_bias=False, activation=None)


@pytest.mark.parametrize("pairs", [0, 1])
def test_the_sampled_kernel_on_tensor_cores_keeps_within_its_memory(pairs: int) -> None:
    random = problem(pattern(twisted=bool(pairs)), "float16", 24 if pairs else 21, 2, 0)
    tile = SampledWarpTile(
        row_steps=1,
        value_steps=1,
        row_warps=1,
        value_warps=1,
        groups=2,
        pairs=pairs,
        columns=16,
    )
    launch = sampled_tensor_core_launch(random.size, "float16", aligned=random.aligned, tile=tile)
    check_sampled(host.HostMachine(sanitized=True, order=1), random, launch)


@pytest.mark.parametrize(
    ("line", "instead", "sign"),
    [
        ("if (g < RBGP_GROUP) {", "if (g < RBGP_GROUP + 1) {", "AddressSanitizer"),
        ("            wait_copies<RBGP_BUFFERS - 2>();\n", "", "off by"),
        ("            barrier();\n            // The barrier", "            // The barrier", None),
    ],
    ids=["a row too many", "no wait", "no barrier"],
)
def test_a_mistake_in_a_kernel_would_be_seen(
    line: str, instead: str, sign: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = kernel_source("forward")
    assert source.count(line) == 1
    monkeypatch.setattr(host, "kernel_source", lambda _: source.replace(line, instead))
    host._build.cache_clear()
    small = RBGP4(complete(2, 2), (3, 1), random_biregular(8, 8, 2, rng=1), (1, 1))
    random = problem(small, "float32", 16, 1, 0)
    launch = forward_launch(random.size, "float32", 16)
    machine = host.HostMachine(sanitized=True)
    try:
        with pytest.raises((AssertionError, RuntimeError), match=sign):
            check_forward(machine, random, launch, with_bias=False, activation=None)
    finally:
        host._build.cache_clear()
