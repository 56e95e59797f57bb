"""The limits of this machine, measured in a few seconds for the cost model."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from rbgp_graphs._machine import machine_id, usable_cores
from rbgp_graphs.constructions.biregular import random_biregular
from rbgp_graphs.encoding.atomic import as_path, write_file
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.gpu.backend import choose
from rbgp_graphs.gpu.cpu import target
from rbgp_graphs.gpu.matrix import RBGP4Matrix
from rbgp_graphs.gpu.product import matmul
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection.blocking import register_block
from rbgp_graphs.selection.cost_model import CPU, DEFAULT, Ceilings, document_with

_ROUNDS = 9
_UNTIL_ASLEEP = 0.2
_DENSE_SIDE = 2048
_COPY_BYTES = 1 << 28
_COLUMNS = 256

Call = Callable[[], Any]


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
    The shortest of 9 times; the measurements take turns, since a machine can have slow moments.
    The rate of operations is that of NumPy's dense product of 2048 x 2048 matrices in float32,
    which comes close to the peak of the multiply-add units. The copy is that of 256 MiB, cut among
    the cores. The time of a call is that of a product with one number. The rates of the second and
    the third cache come from products with single rows, with tiles of 128 columns and with one tile
    of 4096; what the cost model (`rbgp_graphs.selection.predicted_seconds`) says of the rest is
    taken off. The time of a step is the median of how much longer a product takes than one with
    fewer tiles. It takes some seconds.
    """
    chosen = choose(backend).name
    cores = usable_cores()
    patterns = {
        "call": _plain(outer=(1, 1, 1), inner=(1, 1, 1), group=1),
        "level2": _plain(outer=(8, 8, 1), inner=(128, 128, 64), group=1),
        "level3": _plain(outer=(1, 1, 1), inner=(4096, 4096, 64), group=1),
        "few tiles": _plain(outer=(16, 64, 4), inner=(1, 64, 64), group=64),
        "many tiles": _plain(outer=(16, 1024, 64), inner=(1, 4, 4), group=64),
    }
    calls = {name: _product(pattern, chosen) for name, pattern in patterns.items()}
    with ThreadPoolExecutor(cores) as pool:
        times = _times({**calls, "copy": _copy(pool, cores), "dense": _dense_product()})
    seconds = {name: min(found) for name, found in times.items()}
    operations = 2 * _DENSE_SIDE**3 / seconds["dense"]
    copied = 2 * _COPY_BYTES / seconds["copy"]

    def read(name: str) -> tuple[int, float, float]:
        """Return bytes read, the time for that and the sums, and that for the sums alone."""
        pattern, took = patterns[name], seconds[name]
        moved = 4 * (pattern.nnz + sum(pattern.shape) * _COLUMNS)
        busy = max(took / 10, took - seconds["call"] - moved / copied)
        return 4 * pattern.nnz * _COLUMNS, busy, 2 * pattern.nnz * _COLUMNS / operations

    bytes_read, busy, sums = read("level2")
    level2 = bytes_read / _without(busy, sums)
    bytes_read, busy, sums = read("level3")
    level3 = bytes_read / _without(busy, sums, bytes_read / level2)
    own = _registers_and_caches()
    wanted = _COLUMNS * 4 // own["vector_bytes"]
    rows, vectors = register_block(64, wanted, own["registers"])
    steps = 16 * (64 - 4) * -(-64 // rows) * -(-wanted // vectors)
    # One behind the other, both have the same luck.
    longer = np.subtract(times["many tiles"], times["few tiles"])
    return Ceilings(
        device=CPU,
        threads=cores,
        operations_per_second=operations,
        level2_bytes_per_second=level2,
        level3_bytes_per_second=level3,
        copy_bytes_per_second=copied,
        call_seconds=seconds["call"],
        step_seconds=max(1e-10, float(np.median(longer)) / steps * cores),
        measured=f"{datetime.date.today().isoformat()}, backend {chosen}, {machine_id()}",
        **own,
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


def _without(seconds: float, *others: float) -> float:
    """Return what is left of a time that is the root of the sum of squares of its parts."""
    return math.sqrt(max(seconds**2 / 4, seconds**2 - sum(other**2 for other in others)))


def _registers_and_caches() -> dict[str, int]:
    known = DEFAULT if target.missing() else target.host()
    names = ("registers", "vector_bytes", "level1_bytes", "level2_bytes")
    return {name: getattr(known, name) for name in names}


# What is timed ------------------------------------------------------------------------------


def _product(pattern: RBGP4, backend: str) -> Call:
    generator = np.random.default_rng(0)
    shape = (pattern.rows, pattern.row_degree)
    matrix = RBGP4Matrix(pattern, generator.standard_normal(shape, np.float32))
    columns = min(_COLUMNS, pattern.cols * _COLUMNS // 2)
    X = generator.standard_normal((pattern.cols, columns), np.float32)
    out = np.empty((pattern.rows, columns), np.float32)
    return lambda: matmul(matrix, X, out=out, backend=backend)


def _dense_product() -> Call:
    generator = np.random.default_rng(0)
    A, B = (generator.standard_normal((_DENSE_SIDE, _DENSE_SIDE), np.float32) for _ in range(2))
    out = np.empty_like(A)
    return lambda: np.matmul(A, B, out=out)


def _copy(pool: ThreadPoolExecutor, cores: int) -> Call:
    source = np.ones(_COPY_BYTES, np.uint8)
    target = np.empty_like(source)
    parts = list(zip(np.array_split(source, cores), np.array_split(target, cores), strict=True))
    return lambda: list(pool.map(lambda part: np.copyto(part[1], part[0]), parts))


def _times(calls: Mapping[str, Call]) -> dict[str, list[float]]:
    """Return times of calls that take turns, the dense product last."""
    repeats = {name: _enough(call) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            call()
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            times[name].append((time.perf_counter() - start) / repeats[name])
        # The threads of a dense product wait in a loop before they leave the cores.
        time.sleep(_UNTIL_ASLEEP)
    return times


def _enough(call: Call) -> int:
    """Return how many calls make a time that can be measured."""
    call()
    start = time.perf_counter()
    call()
    # A call of nothing takes some microseconds.
    return max(1, int(0.005 / max(1e-6, time.perf_counter() - start)))
