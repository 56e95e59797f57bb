"""What ``rbgp doctor`` says about the CUDA kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import rbgp_graphs as rg
from rbgp_graphs.cli.output import Table, Text, working
from rbgp_graphs.gpu import cuda
from rbgp_graphs.gpu.cuda import Assignment, KernelCheck, KernelStatus
from rbgp_graphs.gpu.cuda.machine import cupy_machine

#: Without a device: Hopper, tensor cores as of Ampere and all that is newer, and without those.
_CAPABILITIES = ((9, 0), (8, 0), (7, 0))
_COLUMNS = 256


def run_checks(kernels: Sequence[KernelStatus]) -> list[KernelCheck] | None:
    """Run every kernel on random numbers, or return None where no kernel can run."""
    if not any(kernel.usable for kernel in kernels):
        return None
    with working("compiling and running CUDA kernels"):
        return cuda.check_kernels()


def as_data(kernels: Sequence[KernelStatus]) -> list[dict[str, Any]]:
    """Return the kernels as JSON-able objects."""
    return [asdict(kernel) for kernel in kernels]


def checks_data(checks: Sequence[KernelCheck]) -> list[dict[str, Any]]:
    """Return the checks as JSON-able objects."""
    return [{**asdict(check), "usable": check.problem is None} for check in checks]


def kernels_text(kernels: Sequence[KernelStatus]) -> list[Text]:
    """Say which kernels can be used; one reason is enough where it is that of all."""
    reasons = {kernel.reason for kernel in kernels}
    if len(reasons) == 1 and None not in reasons:
        names = ", ".join(kernel.kernel for kernel in kernels)
        return [f"No CUDA kernel can be used here ({names}):\n{reasons.pop()}"]
    rows = [
        (kernel.kernel, "yes" if kernel.usable else f"no: {kernel.reason}", kernel.description)
        for kernel in kernels
    ]
    return [Table(columns=("CUDA kernel", "runs here", "what it is"), rows=rows)]


def assigned(pattern: rg.RBGP4, usable: Sequence[KernelStatus]) -> list[Assignment]:
    """Return which kernels compute the products of a pattern, on the device or on any."""
    capabilities: tuple[tuple[int, int], ...] = _CAPABILITIES
    if any(kernel.usable for kernel in usable):
        capabilities = (cupy_machine(0).capability,)
    return [one for each in capabilities for one in cuda.assigned_kernels(pattern, each, _COLUMNS)]


def assigned_data(found: Sequence[Assignment]) -> list[dict[str, Any]]:
    """Return what `assigned` has found as JSON-able objects."""
    return [{**asdict(one), "capability": _capability(one)} for one in found]


def assigned_text(name: str, found: Sequence[Assignment]) -> list[Text]:
    """Say which kernel computes what, and what of the pattern keeps it from a faster one."""
    cells: dict[str, dict[tuple[str, str], str]] = {}
    for one in found:
        cells.setdefault(one.dtype, {})[_capability(one), one.product] = one.kernel
    # Dtypes of which the same is to be said share a column.
    columns: dict[tuple[str, ...], list[str]] = {}
    for dtype, kernels in cells.items():
        columns.setdefault((*kernels.values(),), []).append(dtype)
    places = next(iter(cells.values()))
    rows = [(*place, *kernels) for place, *kernels in zip(places, *columns, strict=True)]
    headings = ("device", "product", *map(", ".join, columns.values()))
    reasons = {
        f"{one.product}, not {kernel}": reason
        for one in found
        if one.dtype == "float16" and one.capability == found[0].capability
        for kernel, reason in one.misfits.items()
    }
    return [
        f"Kernels for {name} by compute capability, with {_COLUMNS} columns. Later devices than "
        "9.0 are as 8.0.",
        Table(columns=headings, rows=rows),
        *([reasons] if reasons else []),
    ]


def _capability(one: Assignment) -> str:
    return "{}.{}".format(*one.capability)


def checks_text(checks: Sequence[KernelCheck] | None) -> list[Text]:
    """Say what the checks have found: a line for each kernel and dtype, then each failure."""
    if checks is None:
        return ["No kernel was checked."]
    groups: dict[tuple[str, str], list[KernelCheck]] = {}
    for check in checks:
        groups.setdefault((check.variant.partition("(")[0], check.dtype), []).append(check)
    rows = [(kernel, dtype, *_cells(group)) for (kernel, dtype), group in groups.items()]
    text: list[Text] = [
        Table(columns=("checked kernel", "dtype", ">variants", "usable", "why not"), rows=rows)
    ]
    for check in checks:
        if check.problem is not None:
            text.append(
                {
                    "wrong": check.variant,
                    "pattern": f"{check.pattern}, {check.dtype}, {check.columns} columns",
                    "why": check.problem,
                }
            )
    return text


def _cells(group: Sequence[KernelCheck]) -> tuple[str, str, str]:
    """Return how many variants of a kernel were run, how many passed, and the first problem."""
    variants = {check.variant for check in group}
    problems = {check.variant: check.problem for check in group if check.problem is not None}
    usable = "yes" if not problems else f"{len(variants) - len(problems)} of {len(variants)}"
    return str(len(variants)), usable, next(iter(problems.values()), "")
