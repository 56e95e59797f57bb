"""Which kernels can be used here, and why not the others."""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rbgp_graphs.constructions import complete, cyclic_lift, random_biregular
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu.cuda import hopper, warp
from rbgp_graphs.gpu.cuda.checks import DeviceLostError
from rbgp_graphs.gpu.cuda.isolated import isolated_verdicts
from rbgp_graphs.gpu.cuda.machine import OLDEST_CAPABILITY, Machine, cupy_machine, why_missing
from rbgp_graphs.gpu.cuda.tensor_map import driver_encoder
from rbgp_graphs.gpu.cuda.trials import Trial, run_trials, trials_of
from rbgp_graphs.gpu.cuda.verdicts import Verdict, Verdicts, verdict_key, verdicts_file
from rbgp_graphs.gpu.cuda.ways import Way
from rbgp_graphs.products import RBGP4

#: Kernel, oldest compute capability, what it does.
_KERNELS = (
    (
        "hopper",
        hopper.CAPABILITY,
        "products in float16 and bfloat16 on wgmma and TMA, where |V_b| is a multiple of 8; "
        "elsewhere tensor_core",
    ),
    (
        "tensor_core",
        warp.OLDEST_CAPABILITY,
        "products in float16, bfloat16 and tf32 on tensor cores, sums in float32",
    ),
    ("forward", OLDEST_CAPABILITY, "products in all dtypes on CUDA cores"),
    (
        "sampled_hopper",
        hopper.CAPABILITY,
        "sampled products in float16 and bfloat16 on wgmma and TMA, where a row has a multiple "
        "of 8 nonzeros; elsewhere sampled_tensor_core",
    ),
    (
        "sampled_tensor_core",
        warp.OLDEST_CAPABILITY,
        "sampled products in float16, bfloat16 and tf32 on tensor cores, sums in float32",
    ),
    ("sampled", OLDEST_CAPABILITY, "sampled products in all dtypes on CUDA cores"),
    ("transpose", OLDEST_CAPABILITY, "values in the order of the transposed matrix"),
    ("gather", (0, 0), "all products as gather and batched cuBLAS product, without own kernels"),
)


@dataclass(frozen=True, kw_only=True)
class KernelStatus:
    """A kernel and whether it can be used.

    Attributes
    ----------
    kernel : str
        Its name.
    usable : bool
        Whether it can be used.
    reason : str or None
        Why not, or None if it can.
    description : str
        What it does, in one line.
    """

    kernel: str
    usable: bool
    reason: str | None
    description: str


@dataclass(frozen=True, kw_only=True)
class KernelCheck:
    """One run of one kernel on random numbers.

    Attributes
    ----------
    variant : str
        The kernel and how it was compiled.
    pattern : str
        The pattern in words.
    dtype : str
        The dtype of the operands.
    columns : int
        Columns of the operands.
    problem : str or None
        What went wrong, or None if nothing did.
    """

    variant: str
    pattern: str
    dtype: str
    columns: int
    problem: str | None


def status(machine: Machine | None = None) -> list[KernelStatus]:
    """Say which CUDA kernels can be used.

    Parameters
    ----------
    machine : Machine, optional
        The device; the first one of CuPy by default.

    Returns
    -------
    list of KernelStatus
        One for each kernel. Nothing is compiled or run.

    Examples
    --------
    >>> [kernel.kernel for kernel in status()][:4]
    ['hopper', 'tensor_core', 'forward', 'sampled_hopper']
    """
    missing = no_maps = None
    if machine is None:
        missing, no_maps = why_missing(), _why_no_maps()
        machine = cupy_machine(0) if missing is None else None
    found = []
    for kernel, oldest, description in _KERNELS:
        reason = missing
        # What is specific to Hopper is on no later devices either.
        newest = oldest if oldest == hopper.CAPABILITY else (math.inf, 0)
        if machine is not None and not oldest <= machine.capability <= newest:
            own = "{}.{}".format(*machine.capability)
            reason = "the device has compute capability {}, needed is {}.{}".format(own, *oldest)
        elif reason is None and oldest == hopper.CAPABILITY:
            reason = no_maps
        found.append(
            KernelStatus(
                kernel=kernel, usable=reason is None, reason=reason, description=description
            )
        )
    return found


def _why_no_maps() -> str | None:
    """Return why the driver cannot describe tensors to the units of Hopper, or None if it can."""
    try:
        driver_encoder()
    except BackendError as error:
        return str(error)
    return None


def check_kernels(
    machine: Machine | None = None,
    dtypes: Sequence[str] = ("float16", "bfloat16", "float32", "float64"),
) -> list[KernelCheck]:
    """Run every CUDA kernel in all its ways on small random problems and compare the results.

    Parameters
    ----------
    machine : Machine, optional
        The device, on which the kernels then run in this process and end with one that costs it.
        By default it is the first device of CuPy, and other processes run them: a kernel that
        costs one its device is named, and the next process goes on behind it.
    dtypes : sequence of str
        Dtypes of the operands. bfloat16 is left out where ml_dtypes is not installed.

    Returns
    -------
    list of KernelCheck
        Kernels compared with tier 0, and tier 0 compared with NumPy. Between them they take every
        way (see `rbgp_graphs.gpu.cuda.ways`) that a plan for some product can take on this
        device, the ones that only a tuner chooses too. The patterns are plain and twisted, with
        small, large and odd row groups; the numbers of columns make tails.

    Raises
    ------
    BackendError
        If there is no device.
    """
    own = cupy_machine(0) if machine is None else machine
    trials: list[Trial] = []
    taken: set[Way] = set()
    for (name, some, n, end), dtype in itertools.product(_problems(), _dtypes(dtypes)):
        trials += trials_of(name, some, dtype, n, end, own, taken)
        tier_0 = replace(trials[-1], product="gather", launch=None)
        trials.append(tier_0)
    found = []
    verdicts = run_trials(own, trials) if machine is not None else _kept(own, trials)
    try:
        for trial, verdict in zip(trials, verdicts, strict=True):
            found.append(_found(trial, verdict))
    # What was found before has to be said all the same.
    except DeviceLostError as lost:
        found.append(_found(trials[len(found)], lost.verdict))
    except BackendError as error:
        verdict = Verdict(variant="all that follow", problem=str(error))
        found.append(_found(trials[len(found)], verdict))
    return found


def _kept(own: Machine, trials: Sequence[Trial]) -> Iterator[Verdict]:
    """Run trials in other processes, and keep what products should know of their kernels."""
    kept = Verdicts(verdicts_file())
    for trial, verdict in zip(trials, isolated_verdicts(trials), strict=True):
        if verdict.is_kept and trial.launch is not None:
            kept.add(verdict_key(own.identity, trial.launch), verdict)
        yield verdict


def _found(trial: Trial, verdict: Verdict) -> KernelCheck:
    return KernelCheck(
        variant=verdict.variant,
        pattern=trial.name,
        dtype=trial.dtype.name,
        columns=trial.n,
        problem=verdict.problem,
    )


def _problems() -> list[tuple[str, RBGP4, int, str | None]]:
    """Return patterns that take all ways through the kernels, with columns that do too."""
    inner = cyclic_lift(complete(4, 4), 4, [(u * v) % 4 for u in range(4) for v in range(4)])
    odd = cyclic_lift(complete(3, 3), 2, [0, 1, 1, 1, 0, 1, 0, 0, 1])
    few = cyclic_lift(complete(4, 4), 2, [(u * v) % 2 for u in range(4) for v in range(4)])
    half = cyclic_lift(complete(2, 2), 2, [0, 0, 0, 1])
    most = random_biregular(4, 4, 3, rng=0)
    small, medium, large = (cyclic_lift(complete(2, 2), n, [0, 1, 3, 7]) for n in (16, 18, 520))
    one, pair, three, four = (complete(1, n) for n in (1, 2, 3, 4))
    many_rows = RBGP4(pair, (512, 1), medium, (1, 1))
    return [
        ("row group 64, blocks of 16", RBGP4(pair, (64, 1), half, (1, 16)), 520, "relu"),
        ("row group 8, 32 inner rows", RBGP4(pair, (8, 1), small, (1, 8)), 136, "gelu"),
        ("row group 40, repeated", RBGP4(pair, (40, 2), half, (1, 16)), 264, None),
        ("row group 160, repeated", RBGP4(pair, (160, 2), half, (1, 16)), 136, "silu"),
        ("row group 32, repeated", RBGP4(pair, (32, 2), few, (1, 32)), 40, None),
        ("row group 16, twisted", RBGP4(pair, (16, 1), few, (1, 8), [1, 6]), 264, None),
        ("row group 8, most neighbours", RBGP4(four, (8, 1), most, (1, 32)), 40, None),
        ("row group 4", RBGP4(odd, (4, 1), inner, (1, 1)), 136, None),
        ("row group 64, twisted", RBGP4(three, (32, 1), odd, (2, 2), [3, 5, 1]), 40, "gelu"),
        ("row group 15, odd", RBGP4(odd, (5, 1), odd, (3, 1)), 37, "silu"),
        ("few neighbours of many", RBGP4(one, (4, 1), large, (1, 1)), 136, "relu"),
        ("few of many, repeated", RBGP4(one, (2, 2), large, (1, 8)), 37, "relu"),
        ("row group 1", RBGP4(one, (1, 1), large, (1, 8)), 136, None),
        *(("row group 512, few columns", many_rows, n, None) for n in (1, 2, 3)),
    ]


def _dtypes(names: Sequence[str]) -> list[np.dtype[Any]]:
    found = [np.dtype(name) for name in names if name != "bfloat16"]
    if "bfloat16" in names and importlib.util.find_spec("ml_dtypes") is not None:
        found.append(np.dtype(importlib.import_module("ml_dtypes").bfloat16))
    return found
