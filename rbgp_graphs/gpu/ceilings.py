"""The limits of this machine, measured in a few seconds for the cost model."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from rbgp_graphs._machine import machine_id, usable_cores
from rbgp_graphs.constructions.biregular import random_biregular
from rbgp_graphs.constructions.complete import complete
from rbgp_graphs.encoding.atomic import as_path, write_file
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.gpu.backend import choose
from rbgp_graphs.gpu.matrix import RBGP4Matrix
from rbgp_graphs.gpu.product import matmul
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection.cost_model import CPU, Ceilings, document_with

_REPEATS = 7
_DENSE_SIDE = 2048
_COPY_BYTES = 1 << 28
_COLUMNS = 256


def measure_ceilings(backend: str = "auto") -> Ceilings:
    """Measure the limits of the processor that the cost model needs.

    Parameters
    ----------
    backend : str
        What computes products, as for `rbgp_graphs.gpu.matmul`.

    Returns
    -------
    Ceilings
        Of the device "cpu". `store_ceilings` keeps them.

    Raises
    ------
    BackendError
        If the backend does not run here.

    Notes
    -----
    The shortest of 7 times. The rate of operations is that of NumPy's dense product of 2048 x
    2048 matrices in float32, which comes close to the peak of the multiply-add units. The copy is
    that of 256 MiB, cut among the cores. The time of a step comes from two products that differ in
    the number of tiles only, the rates of the gather from products whose rows share nothing, with
    tiles of 64 and of 1024 columns, and the time of a call from a product with one number. It
    takes some seconds.
    """
    chosen = choose(backend).name
    cores = usable_cores()
    call = _product_seconds(RBGP4(complete(1, 1), (1, 1), complete(1, 1), (1, 1)), 1, chosen)
    few = _product_seconds(_plain(outer=(16, 16, 1), inner=(64, 64, 32), group=4), 256, chosen)
    many = _product_seconds(_plain(outer=(16, 16, 16), inner=(64, 64, 2), group=4), 256, chosen)
    # Four rows of a group leave six vectors of sums for each row.
    passes = -(-_COLUMNS * 4 // (6 * 64))
    step = max(1e-10, (many - few) / (16 * 64 * (16 - 1) * passes) * cores)
    near = _plain(outer=(32, 32, 8), inner=(64, 64, 16), group=1)
    far = _plain(outer=(1, 1, 1), inner=(1024, 1024, 64), group=1)
    return Ceilings(
        device=CPU,
        threads=cores,
        operations_per_second=_dense_rate(),
        gather_bytes_per_second=_gather_rate(near, chosen, call),
        far_gather_bytes_per_second=_gather_rate(far, chosen, call),
        copy_bytes_per_second=_copy_rate(cores),
        call_seconds=call,
        step_seconds=step,
        measured=f"{datetime.date.today().isoformat()}, backend {chosen}, {machine_id()}",
    )


def store_ceilings(ceilings: Ceilings) -> str:
    """Write limits to the cache folder, where `rbgp_graphs.design` finds them.

    Returns
    -------
    str
        The path of the file.

    Raises
    ------
    ArgumentError
        If the file cannot be written; nothing has changed then.
    """
    path, text = document_with(ceilings.device, ceilings)
    folder = as_path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"cannot make the folder {folder}: {error.strerror}") from error
    write_file(path, [text.encode()])
    return path


def _plain(*, outer: tuple[int, int, int], inner: tuple[int, int, int], group: int) -> RBGP4:
    """Return a pattern of random graphs: only its sizes matter."""
    graphs = (random_biregular(*sizes, rng=0) for sizes in (outer, inner))
    return RBGP4(next(graphs), (group, 1), next(graphs), (1, 1))


def _product_seconds(pattern: RBGP4, columns: int, backend: str) -> float:
    generator = np.random.default_rng(0)
    shape = (pattern.rows, pattern.row_degree)
    matrix = RBGP4Matrix(pattern, generator.standard_normal(shape, np.float32))
    X = generator.standard_normal((pattern.cols, columns), np.float32)
    out = np.empty((pattern.rows, columns), np.float32)
    return _shortest(lambda: matmul(matrix, X, out=out, backend=backend))


def _gather_rate(pattern: RBGP4, backend: str, call_seconds: float) -> float:
    seconds = _product_seconds(pattern, _COLUMNS, backend)
    return pattern.nnz * _COLUMNS * 4 / max(seconds / 10, seconds - call_seconds)


def _dense_rate() -> float:
    generator = np.random.default_rng(0)
    A, B = (generator.standard_normal((_DENSE_SIDE, _DENSE_SIDE), np.float32) for _ in range(2))
    out = np.empty_like(A)
    return 2 * _DENSE_SIDE**3 / _shortest(lambda: np.matmul(A, B, out=out))


def _copy_rate(cores: int) -> float:
    source = np.ones(_COPY_BYTES, np.uint8)
    target = np.empty_like(source)
    parts = list(zip(np.array_split(source, cores), np.array_split(target, cores), strict=True))
    with ThreadPoolExecutor(cores) as pool:
        seconds = _shortest(lambda: list(pool.map(lambda part: np.copyto(part[1], part[0]), parts)))
    return 2 * _COPY_BYTES / seconds


def _shortest(call: Callable[[], Any]) -> float:
    call()
    start = time.perf_counter()
    call()
    # Short calls are repeated within a measurement; a call of nothing takes some microseconds.
    inner = max(1, int(0.005 / max(1e-6, time.perf_counter() - start)))
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        for _ in range(inner):
            call()
        times.append((time.perf_counter() - start) / inner)
    return min(times)
