"""Checks as values: which kernel runs on random numbers in which pattern, here or elsewhere."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rbgp_graphs.gpu.cuda.checks import Checks, verdict_of
from rbgp_graphs.gpu.cuda.launch import PRECISIONS, VECTOR_BYTES, Launch, number_type
from rbgp_graphs.gpu.cuda.machine import Machine
from rbgp_graphs.gpu.cuda.plans import Problem, checked_plans
from rbgp_graphs.gpu.cuda.portable import transpose_launch
from rbgp_graphs.gpu.cuda.prepared import Prepared, PreparedTranspose
from rbgp_graphs.gpu.cuda.verdicts import Verdict
from rbgp_graphs.gpu.cuda.ways import Way
from rbgp_graphs.products import RBGP4

Computed = Literal["forward", "transposed", "sampled", "transpose", "gather"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """One kernel to be run on random numbers. It can be sent to another process.

    Attributes
    ----------
    product : {"forward", "transposed", "sampled", "transpose", "gather"}
        What is computed: a product, the order of the transposed values, or tier 0 itself, which
        is compared with NumPy.
    name : str
        The pattern in words.
    pattern : RBGP4
        The pattern.
    dtype : dtype
        Of all operands.
    n : int
        Columns of the operands.
    activation : {"relu", "gelu", "silu"} or None
        What ends the product.
    launch : Launch or None
        The kernel; None for tier 0.
    """

    product: Computed
    name: str
    pattern: RBGP4
    dtype: np.dtype[np.generic]
    n: int
    activation: str | None
    launch: Launch | None

    @property
    def variant(self) -> str:
        """The kernel and its structure."""
        return "gather()" if self.launch is None else self.launch.variant


def trials_of(
    name: str,
    pattern: RBGP4,
    dtype: np.dtype[np.generic],
    n: int,
    activation: str | None,
    machine: Machine,
    taken: set[Way],
) -> list[Trial]:
    """Return trials of all kernels that products with a pattern could use, in any precision.

    Parameters
    ----------
    name : str
        The pattern in words.
    pattern : RBGP4
        The pattern.
    dtype : dtype
        Of all operands.
    n : int
        Columns of the operands.
    activation : {"relu", "gelu", "silu"} or None
        What ends the products.
    machine : Machine
        The device.
    taken : set of Way
        Ways that are left out; those that are taken here are added.
    """
    plain, transposed = Prepared(pattern, np), PreparedTranspose(pattern, np)
    trial = functools.partial(
        Trial, name=name, pattern=pattern, dtype=dtype, n=n, activation=activation
    )
    found: list[Trial] = []
    products: tuple[tuple[Computed, Prepared], ...] = (
        ("forward", plain),
        ("transposed", transposed),
        ("sampled", plain),
    )
    for product, prepared in products:
        ending = None if product == "sampled" else activation
        launches: list[Launch] = []
        for numbers in dict.fromkeys(number_type(dtype, one) for one in (None, *PRECISIONS)):
            problem = Problem(
                product="sampled" if product == "sampled" else "forward",
                size=prepared.size,
                dtype=numbers,
                n=n,
                rows_aligned=n * dtype.itemsize % VECTOR_BYTES == 0,
            )
            plans = checked_plans(problem, machine, ending, taken)
            launches += (plan.launch(problem, ending) for plan in plans)
        found += (trial(product=product, launch=launch) for launch in launches)
    ordering = transpose_launch(transposed.own_size, dtype.name)
    return [*found, trial(product="transpose", launch=ordering)]


def run_trials(
    machine: Machine, trials: Sequence[Trial], begin: Callable[[], None] = lambda: None
) -> Iterator[Verdict]:
    """Run trials in this process, and yield a verdict on each as soon as there is one.

    Parameters
    ----------
    machine : Machine
        The device.
    trials : sequence of Trial
        What to run. The kernels of neighbours with one pattern are compiled side by side.
    begin : callable
        Called before each run, after all that is compiled for it.

    Raises
    ------
    DeviceLostError
        If after a kernel nothing runs on the device any more.
    """
    checks = Checks(machine)
    for _, group in itertools.groupby(trials, key=lambda trial: (id(trial.pattern), trial.dtype)):
        together = [*group]
        machine.compile(trial.launch for trial in together if trial.launch is not None)
        pattern = together[0].pattern
        prepared = Prepared(pattern, machine.xp), PreparedTranspose(pattern, machine.xp)
        for trial in together:
            begin()
            check = functools.partial(_check, checks, trial, *prepared)
            yield verdict_of(machine, trial.variant, check)


def _check(
    checks: Checks, trial: Trial, plain: Prepared, transposed: PreparedTranspose
) -> str | None:
    dtype, launch = trial.dtype, trial.launch
    if launch is None:
        return checks.gather(trial.pattern, plain)
    if trial.product == "sampled":
        return checks.sampled(launch, plain, dtype)
    if trial.product == "transpose":
        return checks.transpose(launch, transposed, dtype)
    prepared = plain if trial.product == "forward" else transposed
    return checks.forward(launch, prepared, dtype, trial.n, trial.activation)
