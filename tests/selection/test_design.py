from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4
from rbgp_graphs.products.recipes import pattern_from_recipe
from rbgp_graphs.selection import design, predicted_seconds
from rbgp_graphs.selection.design import Objective
from rbgp_graphs.spectral import verify

OBJECTIVES = get_args(Objective)


@pytest.fixture(autouse=True, scope="module")
def _nothing_measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What "speed" takes must not depend on what was measured on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RBGP_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


POWERS = st.sampled_from([8, 16, 32, 64, 128])
#: Infeasible ones among them ask for odd sizes, whole columns of zeros, or broken fractions.
REQUESTS = st.tuples(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([0.0, 0.1, 0.25, 0.3, 1 / 3, 0.5, 2 / 3, 0.75, 0.875, 0.9, 0.9375]),
)


def assert_meets(pattern: RBGP4, rows: int, cols: int, sparsity: float) -> None:
    """Check shape, sparsity and factors of a design."""
    assert isinstance(pattern, RBGP4)
    assert pattern.shape == (rows, cols)
    assert pattern.sparsity == pytest.approx(sparsity, abs=1e-9)
    verdict = verify(pattern)
    assert verdict.connected
    for factor in verdict.factors:
        assert factor.connected
        assert factor.is_ramanujan is True


# Laws


@pytest.mark.parametrize("objective", OBJECTIVES)
@given(rows=POWERS, cols=POWERS, log_density=st.integers(0, 5))
def test_powers_of_two_are_met_exactly(
    objective: Objective, rows: int, cols: int, log_density: int
) -> None:
    sparsity = 1 - 2.0**-log_density
    edges = rows * cols * 2**-log_density
    if edges < rows + cols - 1:
        return
    pattern = design(rows, cols, sparsity, objective=objective)
    assert_meets(pattern, rows, cols, sparsity)
    assert pattern.sparsity == sparsity


@given(REQUESTS, st.sampled_from(OBJECTIVES))
def test_a_request_is_met_exactly_or_refused_with_choices_that_work(
    request: tuple[int, int, float], objective: Objective
) -> None:
    rows, cols, sparsity = request
    try:
        pattern = design(rows, cols, sparsity, objective=objective)
    except InfeasibleError as error:
        message = str(error)
    else:
        assert_meets(pattern, rows, cols, sparsity)
        return
    sparsities, shapes = nearest_choices(message)
    assert sparsities or shapes, message
    for other in sparsities:
        assert design(rows, cols, other, objective=objective).shape == (rows, cols)
    for shape in shapes:
        assert_meets(design(*shape, sparsity, objective=objective), *shape, sparsity)


def nearest_choices(message: str) -> tuple[list[float], list[tuple[int, int]]]:
    """Return the sparsities and shapes that an error message recommends."""
    sparsities = re.search(r"nearest possible at this shape: ([\d.e\- and]+)(?:;|$)", message)
    shapes = re.findall(r"works is \((\d+), (\d+)\)", message)
    numbers = [] if sparsities is None else sparsities[1].split(" and ")
    return [float(n) for n in numbers], [(int(a), int(b)) for a, b in shapes]


@given(POWERS, POWERS, st.integers(0, 2**32 - 1))
def test_the_same_seed_gives_the_same_pattern(rows: int, cols: int, seed: int) -> None:
    first = design(rows, cols, 0.5, rng=seed)
    assert design(rows, cols, 0.5, rng=seed) == first
    assert design(rows, cols, 0.5) == design(rows, cols, 0.5, rng=0)
    assert pattern_from_recipe(first.recipe) == first


@given(st.sampled_from([1, 2, 4, 8]), st.sampled_from([(1, 1), (2, 2), (1, 4), (2, 1)]))
def test_row_group_and_block_are_what_was_asked_for(factor: int, block: tuple[int, int]) -> None:
    row_group = factor * block[0]
    pattern = design(128, 256, 0.75, row_group=row_group, block=block)
    assert pattern.row_group == row_group
    assert pattern.block_shape == block
    assert_meets(pattern, 128, 256, 0.75)
    shared = pattern.columns().reshape(128, -1)
    groups = {row.tobytes() for row in shared}
    assert len(groups) <= 128 // row_group


# Objectives


@pytest.mark.parametrize("size", [256, 1024])
@pytest.mark.parametrize("sparsity", [0.75, 0.9375])
def test_objectives_trade_the_gap_for_time(size: int, sparsity: float) -> None:
    patterns = [design(size, size, sparsity, objective=o) for o in ("gap", "balanced", "speed")]
    gap, balanced, speed = map(verify_and_group, patterns)
    assert gap[1] == 1
    assert gap[1] <= balanced[1]
    assert gap[0] <= balanced[0] + 1e-9
    assert gap[0] <= speed[0] + 1e-9
    times = [predicted_seconds(pattern, device="default") for pattern in patterns]
    assert times[2] == min(times)


def verify_and_group(pattern: RBGP4) -> tuple[float, int]:
    verdict = verify(pattern)
    return verdict.sigma2 / verdict.sigma1, pattern.row_group


def test_the_best_gap_at_full_size_is_one_sixteenth() -> None:
    verdict = verify(design(4096, 4096, 0.9375, objective="gap"))
    assert verdict.sigma2 / verdict.sigma1 == pytest.approx(0.0625)


@pytest.mark.parametrize("objective", ["balanced", "speed"])
def test_large_layers_have_empty_tiles_that_fit_fast_memory(objective: Objective) -> None:
    pattern = design(4096, 4096, 0.9375, objective=objective)
    assert 32 <= pattern.tile_shape[0] <= 256
    assert 16 <= pattern.tile_shape[1] <= 128
    assert pattern.sparsity == 0.9375
    verdict = verify(pattern)
    assert verdict.sigma2 / verdict.sigma1 <= 0.75


@pytest.mark.parametrize("shape", [(300, 200), (48, 72), (100, 100), (768, 3072)])
def test_layers_that_are_no_powers_of_two_are_met_too(shape: tuple[int, int]) -> None:
    assert_meets(design(*shape, 0.75), *shape, 0.75)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_dense_layer_is_a_product_of_complete_graphs(objective: Objective) -> None:
    pattern = design(12, 20, 0, objective=objective)
    assert pattern.sparsity == 0
    assert all(factor.is_complete for factor in pattern.factors)


def test_a_large_dense_layer_can_be_asked_for() -> None:
    assert design(4100, 4100, 0.0, objective="gap").sparsity == 0


def test_sizes_may_come_from_numpy() -> None:
    shape = np.array([64, 64])
    assert design(shape[0], shape[1], np.float64(0.75)).shape == (64, 64)


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 0}, "rows is 0, expected at least 1"),
        ({"cols": -4}, "cols is -4, expected at least 1"),
        ({"sparsity": 1.0}, r"sparsity is 1.0, expected a number in \[0, 1\)"),
        ({"sparsity": -0.5}, r"sparsity is -0.5, expected a number in \[0, 1\)"),
        ({"sparsity": math.nan}, r"sparsity is nan, expected a number in \[0, 1\)"),
        ({"objective": "best"}, "objective is 'best', expected one of balanced, gap, speed, size"),
        ({"row_group": 0}, "row_group is 0, expected at least 1"),
        ({"row_group": 65}, "row_group is 65, expected at most 64"),
        ({"row_group": 3, "block": (2, 1)}, "expected a multiple of the block's 2 rows"),
        ({"block": (0, 1)}, "block rows is 0, expected at least 1"),
        ({"block": (1, -1)}, "block cols is -1, expected at least 1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    request: dict[str, Any] = {"rows": 64, "cols": 64, "sparsity": 0.75, **arguments}
    with pytest.raises(ArgumentError, match=message):
        design(**request)


@pytest.mark.parametrize(
    "arguments",
    [
        {"rows": 64.0},
        {"cols": "64"},
        {"sparsity": "0.75"},
        {"sparsity": None},
        {"row_group": 4.0},
        {"block": 4},
        {"block": (1.0, 1)},
        {"rng": "x"},
    ],
)
def test_arguments_of_a_wrong_type_are_refused(arguments: dict[str, Any]) -> None:
    request: dict[str, Any] = {"rows": 64, "cols": 64, "sparsity": 0.75, **arguments}
    with pytest.raises(ArgumentTypeError, match="expected a"):
        design(**request)


@pytest.mark.parametrize(
    ("request_", "nearest"),
    [
        ((10, 10, 0.75), {0.7, 0.8}),
        ((100, 100, 0.9375), {0.93, 0.94}),
        ((64, 64, 0.99), {0.96875}),
        ((6, 4, 0.3), {0.0, 0.5}),
    ],
)
def test_an_infeasible_request_names_the_nearest(
    request_: tuple[int, int, float], nearest: set[float]
) -> None:
    rows, cols, sparsity = request_
    with pytest.raises(InfeasibleError) as caught:
        design(rows, cols, sparsity)
    sparsities, shapes = nearest_choices(str(caught.value))
    assert {*sparsities} == nearest
    for other in sparsities:
        assert_meets(design(rows, cols, other), rows, cols, other)
    for shape in shapes:
        assert_meets(design(*shape, sparsity), *shape, sparsity)


def test_a_row_group_that_does_not_divide_is_refused_with_what_works() -> None:
    with pytest.raises(InfeasibleError, match=r"row_group=1 and block=\(1, 1\) allow the most"):
        design(100, 100, 0.75, row_group=8)
    assert design(100, 100, 0.75, row_group=1, block=(1, 1)).row_group == 1


def test_factors_of_a_design_are_graphs_that_can_be_rebuilt() -> None:
    pattern = design(96, 96, 0.75, rng=3)
    assert all(isinstance(factor, BipartiteGraph) for factor in pattern.factors)
    assert pattern_from_recipe(pattern.recipe) == pattern


def test_a_design_leaves_the_number_of_threads_of_torch_alone() -> None:
    pytest.importorskip("torch", reason="it is not installed")
    # The outer factor comes from a field with 64 elements.
    code = """
import torch
import rbgp_graphs as rg
torch.set_num_threads(3)
rg.design(512, 512, 0.875)
rg.spectral.search_lift(rg.complete(4, 4), tries=2)
print(torch.get_num_threads())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"
