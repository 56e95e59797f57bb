"""Products over several ranks: the mathematics in one process, and real processes with gloo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import array_code, complete, random_biregular
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, BackendError, InfeasibleError
from rbgp_graphs.gpu import RBGP4Matrix, matmul
from rbgp_graphs.gpu.distributed import (
    Communicator,
    CupyCommunicator,
    ShardedMatrix,
    SingleProcess,
    TorchCommunicator,
    broadcast_pattern,
    cupy_communicator,
    row_shard,
    world_sizes,
)
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import biregular_graphs, rbgp4_patterns
from tests.gpu.oracle import dense, dtypes, finfo, matrix_of, normal, seeds
from tests.gpu.simulated_ranks import SimulatedRank, on_all_ranks

splits = st.sampled_from(("rows", "cols"))


@st.composite
def shared_patterns(draw: st.DrawFn) -> tuple[RBGP4, Any, int]:
    """Generate a pattern, what is split, and a number of ranks that can share it."""
    pattern: RBGP4 = draw(rbgp4_patterns(max_side=6))
    split: Any = draw(splits)
    sizes = [size for size in world_sizes(pattern, split) if size <= 4]
    return pattern, split, draw(st.sampled_from(sizes))


def uneven(rows: int = 8, cols: int = 8) -> RBGP4:
    """Return a twisted pattern whose outer graph has uneven right degrees in ranges of rows."""
    outer, inner = random_biregular(rows, cols, 3, rng=0), random_biregular(4, 4, 2, rng=1)
    return RBGP4(outer, (2, 1), inner, (1, 2), np.arange(outer.num_edges) % 4)


def assert_near(result: Any, exact: Any, size: Any, terms: int) -> None:
    """Compare with float64, where `size` is the product of the magnitudes.

    The sums of `terms` products and parts are in float32 or float64; the parts of 16-bit numbers
    are rounded once each, and so is the result.
    """
    dtype = result.dtype
    sums, stored = finfo(np.float32 if dtype.itemsize == 2 else dtype), finfo(dtype)
    bound = 2 * (terms + 8) * float(sums.eps) * size + 2 * float(stored.eps) * size
    bound = bound + 64 * float(stored.smallest_subnormal)
    assert result.shape == exact.shape
    assert (np.abs(result.astype(np.float64) - exact) <= bound).all()


# Shards -------------------------------------------------------------------------------------


@given(biregular_graphs(max_side=8), seeds)
def test_the_shards_of_a_graph_hold_all_its_edges(outer: Any, seed: int) -> None:
    pattern = RBGP4(outer, (1, 1), complete(1, 1), (1, 1))
    for size in world_sizes(pattern):
        shards = [row_shard(pattern, rank, size) for rank in range(size)]
        mask = np.vstack([_spread(shard) for shard in shards])
        np.testing.assert_array_equal(mask, pattern.mask())
        assert len({shard.local.nnz for shard in shards}) == 1
        assert all(s.copies <= max(1, outer.degrees[1] / size) for s in shards)


def _spread(shard: Any) -> Any:
    """Return the mask of a shard over the columns of the whole pattern."""
    mask = np.zeros((shard.local.rows, shard.pattern.cols), int)
    local = shard.local.mask()
    for copy, tile in enumerate(shard.tiles):
        mask[:, tile] += local[:, copy]
    assert mask.max() <= 1
    return mask.astype(bool)


@given(shared_patterns(), seeds, st.sampled_from([(), (3,), (2, 3)]))
def test_gathering_and_summing_copies_are_transposes(
    shared: Any, seed: int, tail: tuple[int, ...]
) -> None:
    pattern, _, _ = shared
    rng = np.random.default_rng(seed)
    for size in world_sizes(pattern):
        shard = row_shard(pattern, size - 1, size)
        batch, columns = tail[:-1], tail[-1:]
        x = rng.integers(-9, 9, (*batch, pattern.cols, *columns))
        y = rng.integers(-9, 9, (*batch, shard.local.cols, *columns))
        assert (shard.gather(x) * y).sum() == (x * shard.sum_copies(y)).sum()


def test_complete_graphs_and_block_columns_of_array_codes_need_no_copies() -> None:
    for outer in (complete(8, 4), array_code(5, 4).T):
        pattern = RBGP4(outer, (1, 1), complete(2, 2), (1, 1))
        assert all(row_shard(pattern, rank, 4).is_direct for rank in range(4))
    copied = row_shard(uneven(), 0, 2)
    assert not copied.is_direct
    assert 1 < copied.copies <= 1.5


# Products on simulated ranks ----------------------------------------------------------------


@given(
    shared_patterns(),
    seeds,
    dtypes,
    st.sampled_from([(), (3,), (2, 3)]),
    st.sampled_from((None, "relu", "gelu", "silu")),
    st.sampled_from((None, "own", "whole")),
    st.booleans(),
)
def test_a_product_of_shards_is_the_product_of_the_whole(
    shared: Any,
    seed: int,
    dtype: Any,
    tail: tuple[int, ...],
    activation: Any,
    result: Any,
    transpose: bool,
) -> None:
    split: Any
    pattern, split, size = shared
    rng = np.random.default_rng(seed)
    A = matrix_of(pattern, seed, dtype)
    A, split = (A.T, "rows" if split == "cols" else "cols") if transpose else (A, split)
    rows, cols = A.shape
    X = normal(rng, (*tail[:-1], cols, *tail[-1:]), dtype)
    bias = normal(rng, (rows,), dtype)
    is_own = (result or ("own" if split == "rows" else "whole")) == "own"
    if is_own and rows % size:
        result, is_own = "whole", False

    def run(comm: SimulatedRank) -> Any:
        share = ShardedMatrix.from_matrix(A, comm, split)
        mine = slice(comm.rank * rows // size, (comm.rank + 1) * rows // size)
        finished = mine if is_own or split == "rows" else slice(None)
        operand = X if split == "rows" else _take(X, share.own)
        Y = share.matmul(operand, bias[finished], activation, result=result, backend="numpy")
        assert Y.dtype == dtype
        assert comm.sent == (0 if split == "rows" and is_own else 1)
        return Y, share.own

    parts = on_all_ranks(size, run)
    W, X64 = dense(A), X.astype(np.float64)
    b = bias.astype(np.float64)
    b = b[:, None] if tail else b
    sums, magnitude = W @ X64 + b, np.abs(W) @ np.abs(X64) + np.abs(b)
    exact = _activate(activation, sums)
    # No slope of these activations exceeds 1.2.
    for rank, (Y, own) in enumerate(parts):
        mine = range(rank * rows // size, (rank + 1) * rows // size)
        wanted, bound = (
            (_take(exact, mine), _take(magnitude, mine)) if is_own else (exact, magnitude)
        )
        assert_near(Y, wanted, 1.2 * bound, cols)
        assert own == range(rank * len(own), (rank + 1) * len(own))
        if not is_own:
            np.testing.assert_array_equal(Y, parts[0][0])


def _take(X: Any, rows: range) -> Any:
    return X[rows.start : rows.stop] if X.ndim == 1 else X[..., rows.start : rows.stop, :]


def _activate(name: str | None, x: Any) -> Any:
    if name is None:
        return x
    complete_ones = RBGP4Matrix(
        RBGP4(complete(1, 1), (1, 1), complete(1, 1), (1, 1)), np.ones((1, 1))
    )
    flat = matmul(complete_ones, x.reshape(1, -1), activation=name, backend="numpy")  # type: ignore[arg-type]
    return flat.reshape(x.shape)


@given(shared_patterns(), seeds, st.sampled_from([(), (3,), (2, 3)]))
def test_the_gradients_of_the_shards_are_those_of_the_whole(
    shared: Any, seed: int, tail: tuple[int, ...]
) -> None:
    pattern, split, size = shared
    rng = np.random.default_rng(seed)
    A = matrix_of(pattern, seed)
    dY = normal(rng, (*tail[:-1], pattern.rows, *tail[-1:]), float)
    X = normal(rng, (*tail[:-1], pattern.cols, *tail[-1:]), float)

    def run(comm: SimulatedRank) -> Any:
        share = ShardedMatrix.from_matrix(A, comm, split)
        by_rows = split == "rows"
        own_dY, own_X = (_take(dY, share.own), X) if by_rows else (dY, _take(X, share.own))
        gradient = share.sampled_matmul(own_dY, own_X, backend="numpy")
        assert gradient.shape == share.values.shape
        assert comm.sent == 0
        whole = ShardedMatrix(pattern, gradient, comm, split).whole()
        np.testing.assert_array_equal(share.whole().values, A.values)
        # The transposed view gives the gradient of the same values.
        np.testing.assert_allclose(
            share.T.sampled_matmul(own_X, own_dY, backend="numpy"), gradient, rtol=1e-9, atol=1e-9
        )
        return whole.values

    expected = A.sampled_matmul(dY, X, backend="numpy")
    for gradient in on_all_ranks(size, run):
        np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-9)


def test_two_layers_communicate_once() -> None:
    first, second = matrix_of(uneven(8, 4), 0), matrix_of(uneven(), 1)
    rng = np.random.default_rng(2)
    X, b, c = (rng.standard_normal(n) for n in (first.shape[1], first.shape[0], second.shape[0]))
    hidden = matmul(first, X, bias=b, activation="gelu", backend="numpy")
    expected = matmul(second, hidden, bias=c, backend="numpy")

    def run(comm: SimulatedRank) -> Any:
        up = ShardedMatrix.from_matrix(first, comm, "rows")
        down = ShardedMatrix.from_matrix(second, comm, "cols")
        hidden = up.matmul(X, b[up.own.start : up.own.stop], "gelu", backend="numpy")
        Y = down.matmul(hidden, c, backend="numpy")
        assert comm.sent == 1
        # Back: the gradient of the operand is summed once, by the transposed first layer.
        down.T.matmul(Y, backend="numpy")
        assert comm.sent == 1
        return Y

    for Y in on_all_ranks(4, run):
        np.testing.assert_allclose(Y, expected, rtol=1e-12, atol=1e-12)


def test_changes_of_the_values_in_place_take_effect() -> None:
    A = ShardedMatrix.from_matrix(matrix_of(uneven(), 0), SingleProcess(), "cols")
    X = np.ones(A.shape[1])
    before = A.matmul(X, backend="numpy")
    A.values[...] *= 2
    np.testing.assert_allclose(A.matmul(X, backend="numpy"), 2 * before)


# Communicators ------------------------------------------------------------------------------


def test_a_pattern_reaches_all_ranks() -> None:
    pattern = uneven()
    assert (
        on_all_ranks(3, lambda comm: broadcast_pattern(pattern if comm.rank == 0 else None, comm))
        == [pattern] * 3
    )
    assert isinstance(SingleProcess(), Communicator)
    with pytest.raises(ArgumentError, match="data is None"):
        SingleProcess().broadcast(None)


def test_a_missing_pattern_releases_the_other_ranks() -> None:
    def run(comm: SimulatedRank) -> str:
        try:
            broadcast_pattern(None, comm)
        except (ArgumentTypeError, BackendError) as error:
            return f"{type(error).__name__}: {error}"
        return "no error"

    first, second = on_all_ranks(2, run)
    assert first.startswith("ArgumentTypeError: pattern is a NoneType")
    assert second.startswith("BackendError: rank 0 had no pattern to send")


class NcclInNumpy:
    """The operations of cupyx.distributed.NCCLBackend, on simulated ranks and NumPy arrays."""

    def __init__(self, comm: SimulatedRank) -> None:
        self.rank, self._comm = comm.rank, comm

    def all_reduce(
        self, in_array: Any, out_array: Any, op: str = "sum", stream: Any = None
    ) -> None:
        out_array[...] = self._comm.all_reduce(in_array)

    def all_gather(self, in_array: Any, out_array: Any, count: int, stream: Any = None) -> None:
        out_array.reshape(-1)[...] = self._comm.all_gather(in_array.reshape(-1)[:count]).reshape(-1)

    def reduce_scatter(
        self, in_array: Any, out_array: Any, count: int, op: str = "sum", stream: Any = None
    ) -> None:
        assert in_array.size == count * self._comm.size
        out_array[...] = self._comm.reduce_scatter(in_array)

    def broadcast(self, in_out_array: Any, root: int = 0, stream: Any = None) -> None:
        in_out_array[...] = np.frombuffer(
            self._comm.broadcast(in_out_array.tobytes() if self.rank == root else None),
            in_out_array.dtype,
        )


def test_the_adapter_of_cupyx_calls_what_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        ndarray, asarray, empty, zeros = np.ndarray, np.asarray, np.empty, np.zeros
        asnumpy = np.asarray

    monkeypatch.setattr(cupy_communicator, "require", lambda *names: Module)

    def run(rank: SimulatedRank) -> None:
        comm = CupyCommunicator(NcclInNumpy(rank), 2)
        assert isinstance(comm, Communicator)
        total = np.arange(4.0).reshape(2, 2)
        np.testing.assert_array_equal(comm.all_reduce(total * (comm.rank + 1)), 3 * total)
        np.testing.assert_array_equal(comm.reduce_scatter(total), 2 * total[comm.rank])
        gathered = comm.all_gather(np.full((2, 1), comm.rank, np.float16))
        np.testing.assert_array_equal(gathered, [[[0], [0]], [[1], [1]]])
        assert broadcast_pattern(uneven() if comm.rank == 0 else None, comm) == uneven()
        with pytest.raises(BackendError, match="a list does not lie on a CUDA device"):
            comm._empty([1.0], (1,))

    on_all_ranks(2, run)
    with pytest.raises(ArgumentError, match="size is 1 and the backend has rank 1"):
        CupyCommunicator(NcclInNumpy(_rank(1)), 1)


def _rank(rank: int) -> Any:
    return type("Rank", (), {"rank": rank})()


# Errors -------------------------------------------------------------------------------------


def test_the_numbers_of_ranks_that_work_are_named() -> None:
    pattern = uneven(8, 12)
    assert world_sizes(pattern) == (1, 2, 4, 8)
    with pytest.raises(InfeasibleError, match=r"8 left .* by 3 ranks; .* that work: 1, 2, 4, 8$"):
        row_shard(pattern, 0, 3)
    three = type("Three", (SingleProcess,), {"size": 3})()
    with pytest.raises(InfeasibleError, match=r"4, 8 with split='rows'; 1, 2, 3, 4, 6, 12 with"):
        ShardedMatrix.from_matrix(matrix_of(pattern, 0), three)
    assert ShardedMatrix.from_matrix(matrix_of(pattern, 0), three, "cols").own == range(32)
    five = type("Five", (SingleProcess,), {"size": 5})()
    with pytest.raises(InfeasibleError, match="12 right vertices"):
        ShardedMatrix.from_matrix(matrix_of(pattern, 0), five, "cols")


def test_wrong_arguments_are_refused() -> None:
    A = matrix_of(uneven(), 0)
    share = ShardedMatrix.from_matrix(A, SingleProcess(), "cols")
    with pytest.raises(ArgumentError, match="split is 'row', expected 'rows' or 'cols'"):
        ShardedMatrix.from_matrix(A, SingleProcess(), "row")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="A is a ndarray"):
        ShardedMatrix.from_matrix(A.values, SingleProcess())  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="comm is a NoneType"):
        ShardedMatrix(A.pattern, A.values, None)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"X has shape \(3,\), expected \(64,\).*rank 0 of 1"):
        share @ np.ones(3)
    with pytest.raises(ArgumentError, match="dY has shape"):
        share.sampled_matmul(np.ones(3), np.ones(64))
    with pytest.raises(ArgumentError, match="result is 'all'"):
        share.matmul(np.ones(64), result="all")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="bias has shape"):
        share.matmul(np.ones(64), np.ones(3))
    with pytest.raises(ArgumentError, match="rank is 2, expected at most 1"):
        row_shard(A.pattern, 2, 2)
    odd = RBGP4(complete(3, 2), (1, 1), complete(1, 1), (1, 1))
    two = type("Two", (SingleProcess,), {"size": 2})()
    with pytest.raises(InfeasibleError, match="3 rows of the result cannot be shared equally by 2"):
        ShardedMatrix.from_matrix(matrix_of(odd, 0), two, "cols").matmul([1.0], result="own")
    assert "cols 0 to 63, rank 0 of 1" in repr(share)


# Processes ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="processes")
def run_of_the_script() -> subprocess.CompletedProcess[str]:
    """Run the script beside this file, in which processes join over gloo."""
    pytest.importorskip("torch")
    script = Path(__file__).with_name("gloo_ranks.py")
    return subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_gloo_processes_compute_what_one_computes(
    processes: subprocess.CompletedProcess[str],
) -> None:
    assert "products 0 0 0 0\n" in processes.stdout, processes.stderr


def test_a_rank_that_stops_or_hangs_is_an_error_and_no_hang(
    processes: subprocess.CompletedProcess[str],
) -> None:
    assert "failures 0 3 0 0\n" in processes.stdout, processes.stderr


def test_a_program_without_a_process_group_is_told_so() -> None:
    pytest.importorskip("torch")
    with pytest.raises(BackendError, match="has no process group; call"):
        TorchCommunicator()
    with pytest.raises(ArgumentError, match="timeout_seconds is 0"):
        TorchCommunicator(timeout_seconds=0)
