"""Which kernels can be used here, and why not the others."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rbgp_graphs.constructions import complete, cyclic_lift
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu.cuda import hopper, warp
from rbgp_graphs.gpu.cuda.machine import OLDEST_CAPABILITY, Machine, cupy_machine, why_missing
from rbgp_graphs.gpu.cuda.products import Products
from rbgp_graphs.gpu.cuda.verdicts import Verdict, Verdicts
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
    ['hopper', 'tensor_core', 'forward', 'sampled_tensor_core']
    """
    missing = None if machine is not None else why_missing()
    if machine is None and missing is None:
        machine = cupy_machine(0)
    found = []
    for kernel, oldest, description in _KERNELS:
        reason = missing
        is_only = kernel == "hopper" and machine is not None and machine.capability > oldest
        if machine is not None and (machine.capability < oldest or is_only):
            own = "{}.{}".format(*machine.capability)
            reason = "the device has compute capability {}, needed is {}.{}".format(own, *oldest)
        found.append(
            KernelStatus(
                kernel=kernel, usable=reason is None, reason=reason, description=description
            )
        )
    return found


def check_kernels(
    machine: Machine | None = None,
    dtypes: Sequence[str] = ("float16", "bfloat16", "float32", "float64"),
) -> list[KernelCheck]:
    """Run every CUDA kernel on small random problems and compare the results.

    Parameters
    ----------
    machine : Machine, optional
        The device; the first one of CuPy by default.
    dtypes : sequence of str
        Dtypes of the operands. bfloat16 is left out where ml_dtypes is not installed.

    Returns
    -------
    list of KernelCheck
        Kernels compared with tier 0, and tier 0 compared with NumPy. The patterns are plain and
        twisted, with small, large and odd row groups; the numbers of columns make tails.

    Raises
    ------
    BackendError
        If there is no device.
    """
    own = Products(cupy_machine(0) if machine is None else machine, Verdicts(None))
    found: list[KernelCheck] = []
    for (name, pattern, n, activation), dtype in itertools.product(_problems(), _dtypes(dtypes)):
        try:
            verdicts = own.check(pattern, dtype, n, activation)
        except BackendError as error:
            # The device does not answer any more: what was found has to be said all the same.
            verdicts = [Verdict(variant="all that follow", problem=str(error), is_error=True)]
        found += (
            KernelCheck(
                variant=verdict.variant,
                pattern=name,
                dtype=dtype.name,
                columns=n,
                problem=verdict.problem,
            )
            for verdict in verdicts
        )
        if found[-1].variant == "all that follow":
            break
    return found


def _problems() -> list[tuple[str, RBGP4, int, str | None]]:
    """Return patterns that take different ways through the kernels, with columns that do too."""
    outer = cyclic_lift(complete(2, 2), 3, [0, 1, 2, 0])
    inner = cyclic_lift(complete(4, 4), 4, [(u * v) % 4 for u in range(4) for v in range(4)])
    wide = cyclic_lift(complete(2, 2), 260, [0, 1, 3, 7])
    odd = cyclic_lift(complete(3, 3), 2, [0, 1, 1, 1, 0, 1, 0, 0, 1])
    few = cyclic_lift(complete(4, 4), 2, [(u * v) % 2 for u in range(4) for v in range(4)])
    pair, four = complete(1, 2), complete(1, 4)
    return [
        ("row group 4", RBGP4(outer, (4, 1), inner, (1, 1)), 136, None),
        ("row group 64, twisted", RBGP4(pair, (32, 1), inner, (2, 2), [3, 9]), 40, "gelu"),
        ("row group 15, odd", RBGP4(odd, (5, 2), odd, (3, 1)), 37, "silu"),
        ("row group 8, blocks of 16", RBGP4(outer, (8, 1), few, (1, 16)), 40, None),
        ("row group 16, twisted", RBGP4(pair, (16, 1), few, (1, 8), [1, 6]), 264, None),
        ("row group 128, full tiles", RBGP4(four, (64, 1), complete(2, 32), (1, 1)), 72, None),
        ("few neighbours of many", RBGP4(pair, (2, 1), wide, (1, 1)), 24, "relu"),
    ]


def _dtypes(names: Sequence[str]) -> list[np.dtype[Any]]:
    found = [np.dtype(name) for name in names if name != "bfloat16"]
    if "bfloat16" in names and importlib.util.find_spec("ml_dtypes") is not None:
        found.append(np.dtype(importlib.import_module("ml_dtypes").bfloat16))
    return found
