"""Checks of kernels: in parts that take little memory, and without memory none at all."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.gpu.cuda import checks, gather
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.prepared import Prepared
from rbgp_graphs.gpu.cuda.products import Products
from rbgp_graphs.gpu.cuda.sampled_hopper import fitting_tiles, sampled_hopper_launch
from rbgp_graphs.gpu.cuda.tables import row_parts
from rbgp_graphs.gpu.cuda.trials import run_trials, trials_of
from rbgp_graphs.gpu.cuda.verdicts import Verdicts
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import rbgp4_patterns
from tests.gpu.cuda.host import HostMachine
from tests.gpu.oracle import assert_close, dense, matrix_of, normal


class Computing(HostMachine):
    """A device whose kernel of the product is tier 0, with one wrong number if so wished."""

    def __init__(self, wrong_row: int | None = None) -> None:
        super().__init__()
        self.capability = (7, 0)
        self.wrong_row = wrong_row
        self.prepared: Any = None

    def run(self, launch: Launch, arguments: Sequence[Any]) -> None:
        values, X, Y, bias = arguments[:4]
        own = self.prepared
        Y[...] = gather.forward(np, None, own.size, own.tables, values, X, bias, None)
        if self.wrong_row is not None:
            Y[0, self.wrong_row, 0] += 1


@given(rbgp4_patterns(), st.integers(1, 40))
def test_the_parts_of_a_pattern_are_the_pattern(pattern: RBGP4, most: int) -> None:
    own, A = Prepared(pattern, np), matrix_of(pattern, 0, "f8")
    X = normal(np.random.default_rng(0), (1, pattern.cols, 2), "f8")
    results, start = [], 0
    for size, part in row_parts(own.size, own.tables, lambda size: size.rows <= most):
        assert size.rows <= most
        values = A.values[start : start + size.rows]
        results.append(gather.forward(np, None, size, part, values, X, None, None)[0])
        start += size.rows
    assert_close(np.concatenate(results), dense(A), X[0])


@pytest.mark.parametrize("wrong_row", [None, 0, 77, -1])
def test_a_comparison_in_parts_sees_every_row(
    wrong_row: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_PART_BYTES", 1 << 14)
    inner = random_biregular(8, 8, 4, rng=1)
    pattern = RBGP4(random_biregular(3, 6, 4, rng=0), (4, 1), inner, (1, 2))
    machine = Computing(wrong_row)
    machine.prepared = Prepared(pattern, np)
    trials = trials_of("some", pattern, np.dtype(np.float32), 8, None, machine, set())
    [verdict] = run_trials(machine, [t for t in trials if t.product == "forward"][:1])
    assert (verdict.problem is None) == (wrong_row is None)
    assert wrong_row is None or "wrong results" in str(verdict.problem)


def test_a_check_of_a_large_pattern_takes_little_more_than_its_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a complete outer graph all rows are one group: the parts have to be parts of that."""
    monkeypatch.setattr(checks, "_PART_BYTES", 1 << 22)
    pattern = RBGP4(complete(4, 4), (128, 1), complete(4, 4), (1, 256))
    machine = Computing()
    machine.prepared = Prepared(pattern, np)
    check = checks.Checks(machine)
    trials = trials_of("large", pattern, np.dtype(np.float32), 1, None, machine, set())
    values_bytes = 4 * pattern.nnz
    tracemalloc.start()
    try:
        check.numbers((pattern.rows, pattern.row_degree), np.dtype(np.float32))
        assert tracemalloc.get_traced_memory()[1] < 1.1 * values_bytes
        monkeypatch.setattr(Computing, "run", lambda *_: None)
        monkeypatch.setattr(checks, "_difference", lambda *_: None)
        tracemalloc.reset_peak()
        assert trials[0].launch is not None
        check.forward(trials[0].launch, machine.prepared, np.dtype(np.float32), 1, None)
        assert tracemalloc.get_traced_memory()[1] < 2 * values_bytes
    finally:
        tracemalloc.stop()


def test_without_memory_for_the_check_the_next_kernel_takes_over_for_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError("out of memory")

    machine, verdicts = HostMachine(), Verdicts(None)
    A = matrix_of(RBGP4(complete(2, 2), (4, 1), complete(2, 2), (1, 1)), 0, np.float32)
    X = normal(np.random.default_rng(0), (A.shape[1], 3), np.float32)
    Y = np.full((A.shape[0], 3), np.nan, np.float32)
    monkeypatch.setattr(checks.Checks, "numbers", fail)
    with pytest.warns(RuntimeWarning, match="kernel forward.*MemoryError: out of memory; a slower"):
        Products(machine, verdicts).forward(A.pattern, A.values, X, Y)
    assert_close(Y, dense(A), X)
    assert not verdicts.entries()
    assert not machine.launched


def test_in_a_check_each_part_of_the_columns_has_several_stages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few_tiles = RBGP4(complete(2, 2), (8, 1), random_biregular(2, 16, 8, rng=0), (1, 16))
    prepared, columns = Prepared(few_tiles, np), []

    def record(*arguments: Any) -> Any:
        columns.append(arguments[4].shape[-1])
        raise MemoryError

    monkeypatch.setattr(checks, "sampled_call", record)
    tiles = [*fitting_tiles(prepared.size, 8192)]
    assert {tile.parts for tile in tiles} > {1, 2}
    for tile in tiles:
        launch = sampled_hopper_launch(prepared.size, "float16", tile=tile)
        with pytest.raises(MemoryError):
            checks.Checks(HostMachine()).sampled(launch, prepared, np.dtype(np.float16))
        stages = 2 * -(-columns[-1] // (64 * tile.slabs))
        assert stages >= 2 * tile.parts
        assert stages > 2
