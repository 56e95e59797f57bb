"""The tuner, on the CPU in the role of a device whose clock the tests set."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs import gpu
from rbgp_graphs.constructions import random_biregular
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, BackendError
from rbgp_graphs.gpu.cuda import cupy_backend
from rbgp_graphs.gpu.cuda.choices import Choices
from rbgp_graphs.gpu.cuda.hopper import SHARED_BYTES
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.model import clocks, work
from rbgp_graphs.gpu.cuda.plans import Plan, Problem, all_plans, usual_plans
from rbgp_graphs.gpu.cuda.products import Products
from rbgp_graphs.gpu.cuda.tables import dimensions
from rbgp_graphs.gpu.cuda.tuning import Product, ranked_plans, tune_product
from rbgp_graphs.gpu.cuda.verdicts import Verdicts
from rbgp_graphs.products import RBGP4
from tests.gpu.cuda.device import DeviceMachine
from tests.gpu.cuda.host import HostMachine
from tests.gpu.cuda.problems import needs_compiler
from tests.gpu.cuda.test_plans import check as check_plan
from tests.gpu.cuda.test_plans import sizes
from tests.gpu.oracle import assert_close, dense, matrix_of, normal

F4 = np.dtype(np.float32)


class Clock(HostMachine):
    """A device that takes as long as a function of the launch says, and computes if it shall."""

    def __init__(self, seconds: Callable[[Launch], float], *, computes: bool = True) -> None:
        super().__init__()
        self._seconds, self._computes = seconds, computes
        self.timed: list[Launch] = []

    def run(self, launch: Launch, arguments: Sequence[Any]) -> None:
        if self._computes:
            super().run(launch, arguments)
        else:
            self.launched.append(launch)

    def seconds(self, work: Callable[[], None], repeats: int) -> float:
        assert repeats > 0
        work()
        self.timed.append(self.launched[-1])
        return self._seconds(self.launched[-1])


class Trusted(Products):
    """Products whose kernels pass without a check, for what is about times only."""

    def is_usable(self, launch: Launch, check: Callable[[Launch], str | None]) -> bool:
        return True


def pattern() -> RBGP4:
    outer, inner = random_biregular(3, 6, 4, rng=0), random_biregular(8, 8, 4, rng=1)
    return RBGP4(outer, (4, 1), inner, (1, 2), np.arange(outer.num_edges) % 8)


def fast_with_many_stages(launch: Launch) -> float:
    """Return a time that the usual plans, with two stages, do not have."""
    return 1e-3 / int(launch.structure["RBGP_BUFFERS"]) + 1e-9 * launch.shared_bytes


def trusted(machine: HostMachine, file: Path | None = None) -> Trusted:
    return Trusted(machine, Verdicts(None), Choices(file))


@pytest.mark.parametrize("product", ["forward", "transposed", "sampled"])
def test_the_fastest_plan_is_chosen_and_used_from_then_on(product: Product) -> None:
    machine = Clock(fast_with_many_stages, computes=False)
    own, A = trusted(machine), pattern()
    # What ran before is not kept.
    use(own, A, product)
    found = tune_product(own, A, product, F4, columns=24)
    assert found.product == product
    times = {timing.plan: timing.milliseconds for timing in found.timings}
    assert len(times) == len(found.timings) > 4
    assert found.chosen is not None
    assert times[found.chosen] == min(filter(None, times.values()))
    assert found.gain is not None
    assert found.gain >= 1
    # All plans take turns.
    assert machine.timed[0] != machine.timed[1]
    machine.launched.clear()
    use(own, A, product)
    last = machine.launched[-1]
    assert fast_with_many_stages(last) == min(map(fast_with_many_stages, machine.timed))


def use(own: Products, A: RBGP4, product: Product, columns: int = 24) -> None:
    values = np.ones((A.rows, A.row_degree), F4)
    X, dY = np.ones((A.cols, columns), F4), np.ones((A.rows, columns), F4)
    if product == "sampled":
        own.sampled(A, dY, X, values)
    elif product == "transposed":
        own.forward(A, values, dY, X, transposed=True)
    else:
        own.forward(A, values, X, dY)


def test_a_choice_is_kept_for_its_device_its_shape_and_its_dtype_only(tmp_path: Path) -> None:
    file, A = tmp_path / "cache" / "choices.json", pattern()
    first = Clock(fast_with_many_stages, computes=False)
    chosen = tune_product(trusted(first, file), A, "forward", F4, columns=24).chosen
    assert chosen is not None

    def launch_of(kept: Path | None, columns: int = 24, dtype: Any = F4, **own: str) -> Launch:
        machine = Clock(fast_with_many_stages, computes=False)
        machine.identity |= own
        products = trusted(machine, kept)
        values, X, Y = (np.ones(shape, dtype) for shape in shapes(A, columns))
        products.forward(A, values, X, Y)
        return machine.launched[-1]

    fast = min(first.timed, key=fast_with_many_stages)
    assert launch_of(file) == fast != launch_of(None)
    assert launch_of(file, columns=32) == launch_of(None, columns=32)
    assert launch_of(file, dtype=np.float64) == launch_of(None, dtype=np.float64)
    assert launch_of(file, driver="new") == launch_of(None)
    [entry] = json.loads(file.read_text()).values()
    assert entry["plan"] == chosen
    assert "24 columns" in entry["problem"]
    assert [*file.parent.iterdir()] == [file]


def shapes(A: RBGP4, columns: int) -> list[tuple[int, int]]:
    return [(A.rows, A.row_degree), (A.cols, columns), (A.rows, columns)]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[" * 100_000,
        lambda text: "[1, 2]",
        lambda text: text.replace('"plan"', '"plane"'),
        lambda text: text.replace('"milliseconds": ', '"milliseconds": NaN, "x": '),
        lambda text: text.replace("forward(", "backward("),
        lambda text: text.replace("row_lanes=", "row_lanes=9"),
    ],
    ids=["empty", "cut", "deep", "no table", "no plan", "no time", "no kernel", "no such tile"],
)
def test_a_damaged_file_of_choices_leaves_the_usual_plan(
    change: Callable[[str], str], tmp_path: Path
) -> None:
    file, A = tmp_path / "choices.json", pattern()
    own = trusted(Clock(fast_with_many_stages, computes=False), file)
    tune_product(own, A, "forward", F4, columns=24)
    file.write_text(change(file.read_text()))
    machine, fresh = (Clock(fast_with_many_stages, computes=False) for _ in range(2))
    use(trusted(machine, file), A, "forward")
    use(trusted(fresh), A, "forward")
    assert machine.launched == fresh.launched
    # And it is put in order by the next tuning.
    tune_product(trusted(machine, file), A, "forward", F4, columns=24)
    assert Choices(file).entries()


def test_without_a_clear_winner_the_usual_plan_stays() -> None:
    own = trusted(Clock(lambda launch: 1e-3 - 1e-9 * launch.threads, computes=False))
    found = tune_product(own, pattern(), "forward", F4, columns=24)
    assert found.chosen == found.timings[0].plan
    assert found.gain == 1


@needs_compiler
def test_what_is_tuned_is_checked_first_and_right() -> None:
    rng, machine = np.random.default_rng(0), Clock(lambda launch: 1.0 / launch.threads)
    own, A = Products(machine, Verdicts(None)), matrix_of(pattern(), 0, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tune_product(own, A.pattern, "forward", F4, columns=12, candidates=2)
    X, Y = normal(rng, (A.shape[1], 12), "f4"), np.full((A.shape[0], 12), np.nan, "f4")
    own.forward(A.pattern, A.values, X, Y)
    assert machine.launched[-1].threads == max(launch.threads for launch in machine.timed)
    assert_close(Y, dense(A), X)


def test_a_kernel_that_does_not_run_is_not_timed() -> None:
    class Broken(Clock):
        def run(self, launch: Launch, arguments: Sequence[Any]) -> None:
            raise RuntimeError("no kernel image")

    machine = Broken(fast_with_many_stages)
    with pytest.warns(RuntimeWarning, match="switched off"):
        found = tune_product(
            Products(machine, Verdicts(None)), pattern(), "forward", F4, columns=8, candidates=1
        )
    assert found.chosen is None
    assert found.gain is None
    assert {timing.milliseconds for timing in found.timings} == {None}
    assert not machine.timed


# The door ---------------------------------------------------------------------------------------


@pytest.fixture
def _device(monkeypatch: pytest.MonkeyPatch) -> None:
    own = DeviceMachine()
    monkeypatch.setitem(sys.modules, "cupy", own.xp)
    monkeypatch.setattr(DeviceMachine, "seconds", lambda self, work, repeats: 1.0)
    made = Trusted(own, Verdicts(None))
    monkeypatch.setattr(cupy_backend, "_products", lambda device: made)
    monkeypatch.setattr(DeviceMachine, "run", lambda *_: None)


@pytest.mark.usefixtures("_device")
def test_all_products_are_tuned_by_default() -> None:
    found = gpu.tune(pattern(), 16, dtype="float16", candidates=2)
    assert [one.product for one in found] == ["forward", "transposed", "sampled"]
    assert {(one.dtype, one.columns, one.batches) for one in found} == {("float16", 16, 1)}
    [one] = gpu.tune(pattern(), 16, dtype="bfloat16", products=["sampled"], candidates=0)
    assert (one.product, one.dtype) == ("sampled", "bfloat16")


@pytest.mark.usefixtures("_device")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": 0}, "columns is 0, expected at least 1"),
        ({"batches": 0}, "batches is 0"),
        ({"dtype": "int8"}, "dtype is 'int8', expected one of float16, bfloat16"),
        ({"dtype": "float128x"}, "dtype is 'float128x'"),
        ({"products": ["backward"]}, "expected a sequence out of forward, transposed, sampled"),
        ({"products": "forward"}, "expected a sequence"),
    ],
)
def test_wrong_arguments_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        gpu.tune(pattern(), **change)


def test_without_a_device_the_reason_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendError, match="CuPy is not installed"):
        gpu.tune(pattern())
    with pytest.raises(ArgumentTypeError, match="pattern is a BipartiteGraph"):
        gpu.tune(pattern().outer)  # type: ignore[arg-type]


# Plans and their model --------------------------------------------------------------------------

products = st.sampled_from(("forward", "sampled"))
dtypes = st.sampled_from(("float16", "float32", "float64"))


@given(sizes(), products, dtypes, st.integers(1, 5000), st.booleans())
@settings(max_examples=25)
def test_every_plan_of_a_tuner_fits_the_device_and_has_a_time(
    size: Any, product: Any, dtype: str, n: int, aligned: bool
) -> None:
    problem = Problem(product=product, size=size, dtype=dtype, n=n, rows_aligned=aligned)
    machine = HostMachine()
    own = trusted(machine)
    usual = usual_plans(problem, machine)
    assert usual
    plans = [*usual, *ranked_plans(own, problem, 6)]
    assert len({plan.name for plan in plans}) == len(set(plans))
    for plan in plans:
        launch = plan.launch(problem)
        if launch.fits:
            check_plan(size, launch, SHARED_BYTES if "hopper" in plan.kernel else 96 * 1024)
        assert 0 < clocks(plan, problem, capability=(9, 0), multiprocessors=132) < np.inf
        done = work(plan, problem)
        # No block computes less than its share, nor reads less than each number once.
        blocks = launch.blocks if "hopper" not in plan.kernel else None
        if blocks is not None:
            useful = 2.0 * size.nnz * n
            assert done.operations * blocks >= useful
        assert done.intensity > 0


def test_the_model_prefers_what_is_known_to_be_better() -> None:
    sparse = random_biregular(32, 32, 8, rng=0)
    size = dimensions(RBGP4(sparse, (128, 1), sparse, (1, 64)))
    problem = Problem(product="forward", size=size, dtype="float16", n=4096)
    machine = HostMachine()

    def time(plan: Plan) -> float:
        return clocks(plan, problem, capability=(9, 0), multiprocessors=132)

    usual = usual_plans(problem, machine)
    assert [plan.kernel for plan in usual] == ["hopper", "hopper", "tensor_core", "forward"]
    assert time(usual[0]) < time(usual[1]) < time(usual[2]) < time(usual[3])
    # Twice the multiprocessors, half the time, about.
    half = clocks(usual[2], problem, capability=(9, 0), multiprocessors=264)
    assert 0.4 < half / time(usual[2]) < 0.6
    best = ranked_plans(trusted(machine), problem, 4)
    assert {plan.kernel for plan in best} == {"hopper", "tensor_core"}
    assert min(map(time, all_plans(problem, machine))) == time(best[0])
