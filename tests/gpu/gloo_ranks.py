"""Four processes over gloo, started by test_distributed: prints their exit codes for each case.

The processes are forked after PyTorch is loaded, which takes longer than all they do.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).parents[2]))

from rbgp_graphs.constructions import random_biregular
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu import RBGP4Matrix, matmul
from rbgp_graphs.gpu.distributed import (
    ShardedMatrix,
    TorchCommunicator,
    broadcast_pattern,
)
from rbgp_graphs.products import RBGP4

RANKS = 4


def pattern_of(seed: int) -> RBGP4:
    outer, inner = random_biregular(8, 8, 3, rng=seed), random_biregular(4, 4, 2, rng=1)
    return RBGP4(outer, (2, 2), inner, (2, 2), np.arange(outer.num_edges) % 4)


def products(rank: int) -> None:
    """Compare products over all ranks, and over two of them, with those of one process."""
    pairs = [dist.new_group([0, 1]), dist.new_group([2, 3])]
    for comm in (TorchCommunicator(), TorchCommunicator(pairs[rank // 2])):
        assert comm.size in (2, 4)
        pattern = broadcast_pattern(pattern_of(0) if comm.rank == 0 else None, comm)
        assert pattern == pattern_of(0)
        for dtype, tolerance in ((np.float64, 1e-13), (np.float32, 1e-5), (np.float16, 1e-2)):
            compare(comm, pattern, dtype, tolerance)


def compare(comm: TorchCommunicator, pattern: RBGP4, dtype: Any, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    rows, cols = pattern.shape
    first, second = (
        RBGP4Matrix(p, (rng.standard_normal((rows, p.row_degree)) / 4).astype(dtype))
        for p in (pattern, pattern_of(1))
    )
    X, dY, b, c = (
        np.asarray(rng.standard_normal(shape)).astype(dtype)
        for shape in ((2, cols, 5), (2, rows, 5), (rows,), (rows,))
    )
    up = ShardedMatrix.from_matrix(first, comm, "rows")
    down = ShardedMatrix.from_matrix(second, comm, "cols")
    own = slice(up.own.start, up.own.stop)
    near = functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)

    hidden = matmul(first, X, bias=b, activation="gelu", backend="numpy")
    own_hidden = up.matmul(X, b[own], "gelu", backend="numpy")
    near(own_hidden, hidden[:, own])
    whole = up.matmul(X, b[own], "gelu", result="whole", backend="numpy")
    near(whole, hidden)

    Y = matmul(second, hidden, bias=c, backend="numpy")
    near(down.matmul(own_hidden, c, backend="numpy"), Y)
    scattered = down.matmul(own_hidden, c[own], result="own", backend="numpy")
    near(scattered, Y[:, own])

    own_dH = down.T.matmul(dY, backend="numpy")
    dH = matmul(second.T, dY, backend="numpy")
    near(own_dH, dH[:, own])
    dX = matmul(first.T, dH, backend="numpy")
    near(up.T.matmul(own_dH, backend="numpy"), dX)
    gradient = ShardedMatrix(pattern, up.sampled_matmul(own_dH, X, backend="numpy"), comm).whole()
    expected = first.sampled_matmul(dH, X, backend="numpy")
    np.testing.assert_allclose(gradient.values, expected, rtol=10 * tolerance, atol=10 * tolerance)
    np.testing.assert_array_equal(down.whole().values, second.values)


def failures(rank: int) -> None:
    """Rank 1 stops before a product, rank 3 sleeps through one."""
    pairs = [dist.new_group([0, 1]), dist.new_group([2, 3])]
    patient = TorchCommunicator(pairs[rank // 2], timeout_seconds=60)
    patient.all_reduce(np.ones(3))
    comm = TorchCommunicator(pairs[rank // 2], timeout_seconds=0.5) if rank == 2 else patient
    A = ShardedMatrix.from_matrix(RBGP4Matrix(pattern_of(0), np.ones((128, 24))), comm, "cols")
    if rank == 1:
        os._exit(3)
    if rank == 3:
        time.sleep(2)
        return
    start = time.monotonic()
    message = ""
    try:
        A.matmul(np.ones(len(A.own)), backend="numpy")
    except BackendError as error:
        message = str(error)
    assert "rank 0 of 2: another rank has stopped" in message, message
    assert time.monotonic() - start < 30


def codes_of(case: Callable[[int], None]) -> list[int]:
    """Return the exit codes of the ranks of a case."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"file://{folder}/meeting"
        children = []
        for rank in range(RANKS):
            child = os.fork()
            if child == 0:
                try:
                    dist.init_process_group("gloo", address, rank=rank, world_size=RANKS)
                    case(rank)
                except BaseException as error:
                    print(f"rank {rank}: {type(error).__name__}: {error}", file=sys.stderr)
                    os._exit(1)
                os._exit(0)
            children.append(child)
        return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    torch.set_num_threads(1)
    for case in (products, failures):
        print(case.__name__, *codes_of(case))
