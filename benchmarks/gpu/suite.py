"""The GPU suite: correct first, then the roof of the L2, then times next to peers."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

from benchmarks.gpu import correctness, peers, sanitizer
from benchmarks.gpu.device import Device
from rbgp_graphs.bench import Case, machine
from rbgp_graphs.bench.document import SCHEMA
from rbgp_graphs.gpu.cuda.checks import DeviceLostError

#: How often something is begun; a kernel that cost the device is switched off the next time.
_ATTEMPTS = 10
Say = Callable[[str], None]


def cases(*, quick: bool = False) -> Iterator[Case]:
    """Return what is timed."""
    size = 1024 if quick else 4096

    def sparsities(dtype: str, row_group: int) -> Iterator[Case]:
        for sparsity in (0.5, 0.875) if quick else (0.5, 0.75, 0.875, 0.9375):
            yield Case(
                suite="gpu_sparsity",
                size=size,
                sparsity=sparsity,
                row_group=row_group,
                columns=size,
                dtype=dtype,
            )

    # What says most comes first: a machine may be taken away before the end.
    yield from sparsities("float16", 32 if quick else 128)
    yield from sparsities("float32", 16)
    if not quick:
        yield Case(
            suite="gpu_sparsity", size=2 * size, columns=size, dtype="float16", row_group=128
        )
    for product in ("forward", "transposed", "sampled"):
        for dtype in ("float16", "float32"):
            yield Case(
                suite="gpu_training",
                size=size,
                columns=size // 2,
                dtype=dtype,
                row_group=32,
                product=product,
            )
    for columns in (64, 256) if quick else (16, 64, 256, 1024, 8192):
        yield Case(suite="gpu_columns", size=size, columns=columns, dtype="float16", row_group=32)
    others = [("tf32", 128), ("float16", 64), ("float16", 16), ("float32", 64), ("float32", 4)]
    others += [("bfloat16", 128), ("tf32", 64)]
    for dtype, row_group in [("tf32", 32), ("float16", 16)] if quick else others:
        yield from sparsities(dtype, row_group)


def check(device: Device, say: Say) -> dict[str, Any]:
    """Run all checks and return what they found.

    ``passed`` says whether all are right, and ``wrong_dtypes`` for which dtypes a product came
    out wrong. A kernel that is wrong is switched off, so the products are right in spite of it.
    """
    say("kernels on random numbers, against tier 0")
    kernels = device.check_kernels()
    for entry in kernels:
        if entry.problem is not None:
            say(f"  WRONG {entry.variant}, {entry.pattern}, {entry.dtype}: {entry.problem}")
    say("products of random integers, against float64")
    integers = [case for dtype in correctness.dtypes() for case in _integers(device, dtype, say)]
    wrong = [case for case in integers if case["wrong"] != 0]
    for case in wrong:
        say(f"  WRONG {case}")
    passed = all(e.problem is None for e in kernels) and not wrong
    say(f"{len(kernels)} kernels and {len(integers)} products: {'right' if passed else 'WRONG'}")
    return {
        "passed": passed,
        "wrong_dtypes": sorted({case["dtype"] for case in wrong}),
        "kernels": [asdict(e) for e in kernels],
        "integers": integers,
    }


def _integers(device: Device, dtype: Any, say: Say) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = _repeated(lambda: device.check_products(dtype), say)
        return found
    # What is wrong in one dtype must not hide what is right in others.
    except Exception as error:
        case = {"pattern": "all", "dtype": dtype.name, "product": "all", "columns": 0}
        return [{**case, "wrong": None, "problem": f"{type(error).__name__}: {error}"}]


def _sanitize(device: Device, seconds: float, say: Say) -> list[dict[str, Any]]:
    found = []
    for tool in sanitizer.TOOLS:
        say(f"compute-sanitizer, {tool}")
        one = device.sanitize(tool, seconds)
        words = {True: "clean", False: "FOUND ERRORS", None: "not known"}
        say(f"  {words[one['clean']]}" + ("" if one["clean"] else f"\n{one['output']}"))
        found.append(one)
    return found


def run(
    device: Device,
    *,
    check_only: bool = False,
    quick: bool = False,
    tuned: bool = False,
    sanitize_seconds: float = 0.0,
    minutes: float | None = None,
    rounds: int = 7,
    chosen: Iterable[Case] | None = None,
    say: Say = lambda _: None,
    keep: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Check and measure a device.

    Parameters
    ----------
    device : Device
        What computes.
    check_only : bool
        Whether to time nothing.
    quick : bool
        Small and few cases.
    tuned : bool
        Whether to tune the products of a case before it is timed.
    sanitize_seconds : float
        How long each tool of compute-sanitizer may take; 0 for none.
    minutes : float, optional
        After how long no further case is begun.
    rounds : int
        How often each peer is timed.
    chosen : iterable of Case, optional
        What to time; `cases` by default.
    say : callable
        Told what goes on.
    keep : callable
        Given the document after each case: a machine may be taken away before the end.

    Returns
    -------
    dict
        A document as in `rbgp_graphs.bench.document`, with the additional keys ``checks`` and
        ``bandwidth``, ``sanitizers``, ``tuned``, ``failed`` and ``left_out``. Every case is
        there once for each timer. Cases of a dtype with wrong products are left out: a time of
        a wrong result is worth nothing.
    """
    start = time.monotonic()
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "machine": {**machine.describe(), "gpu": {**device.describe(), "state": device.state()}},
        "backend": device.backend,
        "quick": quick,
        "suites": {},
        "checks": check(device, say),
        "sanitizers": [],
        "bandwidth": [],
        "tuned": [],
        "failed": [],
        "left_out": [],
        "cases": [],
    }
    keep(document)
    if sanitize_seconds > 0:
        document["sanitizers"] = _sanitize(device, sanitize_seconds, say)
        document["checks"]["passed"] &= not any(
            one["clean"] is not True for one in document["sanitizers"]
        )
        keep(document)
    if check_only:
        return document
    try:
        document["bandwidth"] = device.bandwidth()
    # One measurement that fails must not cost those after it.
    except Exception as error:
        document["failed"].append({"case": "bandwidth", "error": f"{error!r}"})
        say(f"  FAILED: {error!r}")
    for read in document["bandwidth"]:
        rate, size = read["bytes_per_second"] / 1e12, read["buffer_bytes"] / 2**20
        say(f"reads of {size:.0f} MiB, {read['share_of_l2']:g} of the L2: {rate:.2f} TB/s")
    for case in cases(quick=quick) if chosen is None else chosen:
        is_late = minutes is not None and time.monotonic() - start > 60 * minutes
        if is_late or case.dtype in document["checks"]["wrong_dtypes"]:
            document["left_out"].append(str(case))
            say(f"left out, {'too late' if is_late else 'wrong results'}: {case}")
            continue
        say(str(case))
        try:
            if tuned:
                found = _repeated(functools.partial(device.tune, case), say)
                document["tuned"].append({"case": str(case), **found})
            measured = _repeated(functools.partial(device.measure, case, rounds), say)
        except Exception as error:
            document["failed"].append({"case": str(case), "error": f"{error!r}"})
            say(f"  FAILED: {error!r}")
        else:
            document["cases"] += measured
            document["suites"][case.suite] = {**machine.conditions(), "ceilings": None}
            _say_times(measured, say)
        # The device has not come to rest yet.
        document["machine"]["gpu"]["state_after"] = device.state()
        keep(document)
    for line in peers.absent_reasons(document["cases"]):
        say(f"not timed: {line}")
    return document


def _repeated(work: Callable[[], Any], say: Say) -> Any:
    """Return what some work returns, which begins again if a kernel costs the device."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return work()
        except DeviceLostError as error:
            say(f"  once more without a kernel: {error}")
    return work()


def _say_times(measured: Iterable[dict[str, Any]], say: Say) -> None:
    for found in measured:
        for one in found["measurements"]:
            time, rate = f"{one['milliseconds']:.4f} ms", f"{one['gflops']:.0f} GFLOP/s"
            say(f"  {found['timer']}: {one['name']}: {time}, {rate}")
