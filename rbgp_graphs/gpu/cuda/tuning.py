"""The tuner: times the plans that a model ranks first, and keeps the fastest."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rbgp_graphs._validation import as_int, require
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.gpu.cuda import cupy_backend
from rbgp_graphs.gpu.cuda.checks import Checks
from rbgp_graphs.gpu.cuda.choices import Choice
from rbgp_graphs.gpu.cuda.launch import (
    NUMBER_TYPES,
    PRECISIONS,
    VECTOR_BYTES,
    Launch,
    number_type,
)
from rbgp_graphs.gpu.cuda.model import clocks
from rbgp_graphs.gpu.cuda.plans import Plan, Problem, all_plans, usual_plans
from rbgp_graphs.gpu.cuda.prepared import Prepared
from rbgp_graphs.gpu.cuda.products import Products
from rbgp_graphs.gpu.cuda.runs import forward_call, sampled_call
from rbgp_graphs.gpu.operands import as_pattern
from rbgp_graphs.products import RBGP4

Product = Literal["forward", "transposed", "sampled"]
PRODUCTS: tuple[Product, ...] = ("forward", "transposed", "sampled")
#: Times of each plan, and calls in one of them.
_ROUNDS, _REPEATS = 5, 3
#: A plan has to be faster than the usual one by this share to be chosen.
_GAIN = 0.02


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One plan and its time.

    Attributes
    ----------
    plan : str
        The kernel and its tile.
    milliseconds : float or None
        The median time, or None if the kernel is switched off on this device.
    """

    plan: str
    milliseconds: float | None


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What the tuner found for one product.

    Attributes
    ----------
    product : {"forward", "transposed", "sampled"}
        The product.
    dtype : str
        The dtype of the operands, or "tf32".
    columns, batches : int
        Columns of an operand, and how many operands there are.
    timings : tuple of Timing
        All plans that were tried. The first one is what runs without a tuner.
    chosen : str or None
        The plan that is used from now on, or None if no kernel runs here and tier 0 has to do it.
    """

    product: Product
    dtype: str
    columns: int
    batches: int
    timings: tuple[Timing, ...]
    chosen: str | None

    @property
    def gain(self) -> float | None:
        """How many times as fast the chosen plan is as the usual one, or None without times."""
        times = {timing.plan: timing.milliseconds for timing in self.timings}
        usual = self.timings[0].milliseconds if self.timings else None
        best = None if self.chosen is None else times[self.chosen]
        return None if not usual or not best else usual / best


def tune(
    pattern: RBGP4,
    columns: int = 256,
    *,
    dtype: Any = "float32",
    batches: int = 1,
    products: Sequence[Product] = PRODUCTS,
    candidates: int = 8,
) -> tuple[Tuned, ...]:
    """Find the fastest kernels for a pattern on this GPU, and keep them for later products.

    A model ranks the tiles that each kernel could compute. The best ones are compiled, checked
    and timed on random numbers by events of the device. The fastest is kept in a file of the
    package's cache folder. From then on every product with this pattern's sizes, this dtype and
    number of columns takes it, on this device with these versions, also in later processes.
    Results do not depend on it except for rounding.

    Parameters
    ----------
    pattern : RBGP4
        The pattern. Only its sizes and degrees matter, and whether it is twisted.
    columns : int
        Columns of the dense operand.
    dtype : dtype
        Of all operands: float16, bfloat16, float32 or float64; or "tf32" for operands in float32
        and ``precision="tf32"`` (see `rbgp_graphs.gpu.matmul`).
    batches : int
        Operands that are multiplied at a time.
    products : sequence of {"forward", "transposed", "sampled"}
        Which products to tune.
    candidates : int
        How many plans to time besides the usual ones.

    Returns
    -------
    tuple of Tuned
        One for each product.

    Raises
    ------
    BackendError
        If no CUDA device can be used here. The CPU backend computes its plan from the caches of
        the processor, so there is nothing to tune.
    ArgumentTypeError
        If `pattern` is not an `RBGP4`.
    ArgumentError
        If the dtype or a product is unknown, or a number is not positive.

    Examples
    --------
    >>> from rbgp_graphs import design
    >>> from rbgp_graphs.errors import BackendError
    >>> try:
    ...     found = tune(design(1024, 1024, 0.75), 256, dtype="float16")
    ... except BackendError:
    ...     found = ()
    >>> all(one.chosen is None or one.gain >= 1 for one in found)
    True
    """
    as_pattern(pattern)
    n, batch = as_int("columns", columns, minimum=1), as_int("batches", batches, minimum=1)
    count = as_int("candidates", candidates, minimum=0)
    numbers, precision = _as_dtype(dtype)
    unknown = [product for product in products if product not in PRODUCTS]
    if unknown or isinstance(products, str):
        raise ArgumentError(
            f"products is {products!r}, expected a sequence out of {', '.join(PRODUCTS)}"
        )
    with cupy_backend.current_products() as own:
        return tuple(
            tune_product(
                own,
                pattern,
                product,
                numbers,
                columns=n,
                batches=batch,
                candidates=count,
                precision=precision,
            )
            for product in products
        )


def _as_dtype(dtype: Any) -> tuple[np.dtype[Any], str | None]:
    """Return the dtype of arrays and the precision; ml_dtypes defines bfloat16 for NumPy."""
    if isinstance(dtype, str) and dtype in PRECISIONS:
        return np.dtype(np.float32), dtype
    if isinstance(dtype, str) and dtype == "bfloat16":
        dtype = require("ml_dtypes").bfloat16
    try:
        found: np.dtype[Any] | None = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found.name not in NUMBER_TYPES:
        raise ArgumentError(f"dtype is {dtype!r}, expected one of {', '.join(NUMBER_TYPES)}")
    return found, None


def tune_product(
    own: Products,
    pattern: RBGP4,
    product: Product,
    dtype: Any,
    *,
    columns: int,
    batches: int = 1,
    candidates: int = 8,
    precision: str | None = None,
) -> Tuned:
    """Tune one product on the device of `own` (parameters as for `tune`)."""
    prepared = own.prepare(pattern, transposed=product == "transposed")
    problem = Problem(
        product="sampled" if product == "sampled" else "forward",
        size=prepared.size,
        dtype=number_type(dtype, precision),
        n=columns,
        batches=batches,
        rows_aligned=columns * dtype.itemsize % VECTOR_BYTES == 0,
    )
    usual = usual_plans(problem, own.machine)
    plans = [
        *usual,
        *(plan for plan in ranked_plans(own, problem, candidates) if plan not in usual),
    ]
    runs, check = _runs(own, prepared, problem, dtype)
    timed = _time_all(own, plans, problem, runs, check)
    timings = [Timing(plan=plan.name, milliseconds=timed.get(plan.name)) for plan in plans]
    chosen = _fastest(usual, timed)
    if chosen is not None:
        size = problem.size
        words = f"{product}, {size.rows} x {size.cols}, row group {size.group}, {problem.dtype}"
        choice = Choice(
            plan=chosen,
            milliseconds=timed[chosen],
            problem=f"{words}, {columns} columns, {batches} operands",
            device=own.machine.identity.get("device", ""),
        )
        own.choose(problem, choice)
    return Tuned(
        product=product,
        dtype=problem.dtype,
        columns=columns,
        batches=batches,
        timings=tuple(timings),
        chosen=chosen,
    )


def ranked_plans(own: Products, problem: Problem, count: int) -> list[Plan]:
    """Return the plans that the model expects to be fastest, at most half of them of one kernel."""
    machine = own.machine
    rank = functools.partial(
        clocks,
        problem=problem,
        capability=machine.capability,
        multiprocessors=machine.multiprocessors,
    )
    found: list[Plan] = []
    by_rank = sorted(dict.fromkeys(all_plans(problem, machine)), key=rank)
    kernels = {plan.kernel for plan in by_rank}
    most = count if len(kernels) < 2 else -(-count // 2)
    for plan in by_rank:
        if len(found) < count and sum(p.kernel == plan.kernel for p in found) < most:
            found.append(plan)
    return found


def _runs(
    own: Products, prepared: Prepared, problem: Problem, dtype: Any
) -> tuple[Callable[[Launch], Callable[[], None]], Callable[[Launch], str | None]]:
    """Return what gives the call of a kernel on random numbers, and what checks it."""
    machine, size, checks = own.machine, prepared.size, Checks(own.machine)
    X = checks.numbers((problem.batches, size.cols, problem.n), dtype)
    other = checks.numbers((problem.batches, size.rows, problem.n), dtype)
    values = checks.numbers((size.rows, size.row_degree), dtype)

    def sampled(launch: Launch) -> Callable[[], None]:
        call = sampled_call(machine, launch, prepared, other, X, values)
        return functools.partial(call.run, machine, other, X, values)

    def forward(launch: Launch) -> Callable[[], None]:
        call = forward_call(machine, launch, prepared, values, X, other)
        return functools.partial(call.run, machine, values, X, other, None)

    if problem.product == "sampled":
        return sampled, lambda launch: checks.sampled(launch, prepared, dtype)
    return forward, lambda launch: checks.forward(launch, prepared, dtype, problem.n, None)


def _time_all(
    own: Products,
    plans: Sequence[Plan],
    problem: Problem,
    ready: Callable[[Launch], Callable[[], None]],
    check: Callable[[Launch], str | None],
) -> dict[str, float]:
    """Return milliseconds by name. Plans take turns, so that a change of clocks meets all."""
    launches = {plan.name: plan.launch(problem) for plan in plans}
    own.machine.compile(launch for launch in launches.values() if launch.fits)
    usable = {
        name: ready(launch)
        for name, launch in launches.items()
        if launch.fits and own.is_usable(launch, check)
    }
    times: dict[str, list[float]] = {name: [] for name in usable}
    for turn in range(1 + _ROUNDS):
        for name, work in usable.items():
            seconds = own.machine.seconds(work, _REPEATS)
            # The first turn loads the code.
            if turn:
                times[name].append(1e3 * seconds)
    return {name: statistics.median(each) for name, each in times.items()}


def _fastest(usual: Sequence[Plan], timed: dict[str, float]) -> str | None:
    """Return the fastest plan; the usual one if the difference is one of measurement."""
    if not timed:
        return None
    best = min(timed, key=lambda name: timed[name])
    first = next((plan.name for plan in usual if plan.name in timed), best)
    return best if timed[best] < (1 - _GAIN) * timed[first] else first
