"""What computes a product on a GPU: this package and its peers, as `rbgp_graphs.bench` has them.

Operands lie on the device before anything is timed. A peer that fails, or whose result is wrong,
is named as absent with the reason; this package has to be right.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.bench.peers import Peer, Prepared
from rbgp_graphs.bench.problem import Mask, Problem
from rbgp_graphs.gpu import RBGP4Matrix, matmul
from rbgp_graphs.gpu.operands import is_bfloat16, is_half

#: The largest dense matrix, and the most that a peer may gather.
_DENSE_BYTES = 1 << 31
_GATHERED_BYTES = 1 << 34


def own(backend: str = "cupy") -> Peer:
    """Return this package as a peer; on another backend its operands stay with NumPy."""

    def pack(problem: Problem) -> Prepared:
        cupy = _cupy() if backend == "cupy" else np
        matrix = RBGP4Matrix(problem.pattern, cupy.asarray(problem.matrix.values))
        X, dY = cupy.asarray(problem.X), cupy.asarray(problem.gradient)
        options: Any = {"backend": backend, "precision": _precision(problem)}
        run: Callable[[], Any] = lambda: matmul(matrix, X, **options)  # noqa: E731
        if problem.product == "transposed":
            run = lambda: matmul(matrix.T, dY, **options)  # noqa: E731
        elif problem.product == "sampled":
            run = lambda: matrix.sampled_matmul(dY, X, **options)  # noqa: E731
        return Prepared(run=run, fetch=_fetch_cupy if backend == "cupy" else np.asarray)

    return Peer(name="rbgp_graphs", kind="own", pack=pack, products=_ALL)


def peers(device: str = "cuda", *, tuned: bool = False) -> tuple[Peer, ...]:
    """Return all peers; those of PyTorch compute on a device of that name.

    With `tuned` the block-sparse product of PyTorch is tuned for each shape, sparsity and dtype,
    which takes a minute or more. Without, it runs with its tables, which know the A100 alone.
    """
    blocks = f"torch BSR Triton{', tuned' if tuned else ''}"
    found = (
        Peer(name="torch dense", kind="dense", pack=_torch_dense(device), products=_ALL),
        Peer(name="cupy dense", kind="dense", pack=_cupy_dense, products=_ALL),
        Peer(name="gathered, batched cuBLAS", kind="same pattern", pack=_gathered),
        Peer(name="Triton, same pattern", kind="same pattern", pack=_triton(device)),
        Peer(name="cuSPARSE CSR", kind="same pattern", pack=_cupy_csr("pattern")),
        Peer(
            name="cuSPARSE CSR, unstructured", kind="unstructured", pack=_cupy_csr("unstructured")
        ),
        Peer(name=blocks, kind="blocks", pack=_torch_bsr(device, tuned=tuned)),
        Peer(name="torch 2:4", kind="2:4", pack=_two_of_four(device), products=("forward",)),
    )
    needed = {"torch": ["torch"], "Triton,": ["torch", "triton"]}
    return tuple(
        _guarded(replace(peer, missing=_missing(*needed.get(peer.name.split()[0], ["cupy"]))))
        for peer in found
    )


# Dense ----------------------------------------------------------------------------------------


def _torch_dense(device: str) -> Callable[[Problem], Prepared]:
    def pack(problem: Problem) -> Prepared:
        dense = _to_torch(problem.matrix.to_dense(max_bytes=_DENSE_BYTES), device)
        X, dY = _to_torch(problem.X, device), _to_torch(problem.gradient, device)
        prepared = _dense(problem, dense, X, dY, _fetch_torch)
        return _with_tf32(prepared) if _precision(problem) == "tf32" else prepared

    return pack


def _with_tf32(prepared: Prepared) -> Prepared:
    """Return a product of PyTorch that may round float32, and leaves its setting as it was."""
    import torch

    def run() -> Any:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high")
        try:
            return prepared.run()
        finally:
            torch.set_float32_matmul_precision(before)

    return replace(prepared, run=run)


def _cupy_dense(problem: Problem) -> Prepared:
    cupy = _cupy()
    dense = cupy.asarray(problem.matrix.to_dense(max_bytes=_DENSE_BYTES))
    X, dY = cupy.asarray(problem.X), cupy.asarray(problem.gradient)
    return _dense(problem, dense, X, dY, _fetch_cupy)


def _dense(
    problem: Problem, dense: Any, X: Any, dY: Any, fetch: Callable[[Any], NDArray[Any]]
) -> Prepared:
    if problem.product == "forward":
        return Prepared(run=lambda: dense @ X, fetch=fetch)
    if problem.product == "transposed":
        return Prepared(run=lambda: dense.T @ dY, fetch=fetch)
    return Prepared(run=lambda: dY @ X.T, fetch=fetch)


# The same pattern -----------------------------------------------------------------------------


def _gathered(problem: Problem) -> Prepared:
    cupy = _cupy()
    weights, columns, order = by_groups(problem)
    operand = _operand(problem)
    needed = columns.size * operand.shape[1] * operand.itemsize
    if needed > _GATHERED_BYTES:
        raise ValueError(f"the gathered rows take {needed / 2**30:.0f} GiB")
    weights, columns, X = cupy.asarray(weights), cupy.asarray(columns), cupy.asarray(operand)

    def fetch(result: Any) -> NDArray[Any]:
        found = _fetch_cupy(result)
        ordered = np.empty((order.size, found.shape[2]), found.dtype)
        ordered[order] = found.reshape(order.size, -1)
        return ordered

    return Prepared(run=lambda: cupy.matmul(weights, X[columns]), fetch=fetch)


def _triton(device: str, configuration: tuple[int, ...] | None = None) -> Callable[..., Prepared]:
    def pack(problem: Problem) -> Prepared:
        import torch

        if problem.dtype == np.float64:
            raise ValueError("the kernel sums in float32")
        kernel = importlib.import_module("benchmarks.gpu.triton_kernel")
        operand = _operand(problem)
        given = [_to_torch(array, device) for array in (*by_groups(problem), operand)]
        size = (given[2].shape[0], operand.shape[1])

        def new() -> Any:
            return torch.empty(size, dtype=given[0].dtype, device=device)

        precision = _precision(problem) or "ieee"
        chosen = configuration or kernel.fastest_configuration(*given, new(), precision)
        return Prepared(
            run=lambda: kernel.product(*given, new(), precision, chosen), fetch=_fetch_torch
        )

    return pack


def by_groups(problem: Problem) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the matrix of a product as dense blocks, one for each group of rows.

    Returns
    -------
    values : ndarray, shape (groups, G, D)
        The nonzeros.
    columns : ndarray of int64, shape (groups, D)
        The columns that a group shares.
    order : ndarray of int64, shape (groups * G,)
        The row of the matrix that each row of the blocks is.
    """
    matrix = problem.matrix.T if problem.product == "transposed" else problem.matrix
    pattern = matrix.pattern
    sizes = [factor.left for factor in pattern.factors]
    order = np.arange(pattern.rows).reshape(sizes).swapaxes(1, 2).ravel()
    groups = pattern.rows // pattern.row_group
    values = matrix.values[order].reshape(groups, pattern.row_group, pattern.row_degree)
    columns = pattern.group_columns(0, pattern.outer.left).reshape(groups, pattern.row_degree)
    return values, columns.astype(np.int64), order


def _cupy_csr(mask: Mask) -> Callable[[Problem], Prepared]:
    def pack(problem: Problem) -> Prepared:
        if problem.dtype.itemsize < np.dtype(np.float32).itemsize:
            raise ValueError(f"CuPy has no sparse matrix of {problem.dtype.name}")
        cupy, sparse = _cupy(), importlib.import_module("cupyx.scipy.sparse")
        matrix: Any = problem.pack_csr() if mask == "pattern" else problem.csr(mask)
        if problem.product == "transposed":
            matrix = matrix.T.tocsr()
        parts = tuple(map(cupy.asarray, (matrix.data, matrix.indices, matrix.indptr)))
        on_device = sparse.csr_matrix(parts, shape=matrix.shape)
        X = cupy.asarray(_operand(problem))
        return Prepared(run=lambda: on_device @ X, fetch=_fetch_cupy)

    return pack


# Other masks ----------------------------------------------------------------------------------


def _torch_bsr(device: str, *, tuned: bool) -> Callable[[Problem], Prepared]:
    known: dict[tuple[Any, ...], Any] = {}

    def pack(problem: Problem) -> Prepared:
        import torch

        tuning = importlib.import_module("torch.sparse._triton_ops_meta")
        multiply = importlib.import_module("torch.sparse._triton_ops").bsr_dense_addmm
        matrix = problem.block_bsr
        if problem.product == "transposed":
            matrix = matrix.T.tobsr(matrix.blocksize)
        blocks = matrix.data.astype(problem.dtype)
        indptr, indices = (_to_torch(one, device) for one in (matrix.indptr, matrix.indices))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The layout is in beta, which it says at each use.
            tensor = torch.sparse_bsr_tensor(
                indptr, indices, _to_torch(blocks, device), size=matrix.shape
            )
        X = _to_torch(_operand(problem), device)
        added = torch.zeros((matrix.shape[0], X.shape[1]), dtype=X.dtype, device=device)
        scale: dict[str, Any] = {"beta": 0, "alpha": 1}
        key = (problem.product, matrix.shape, matrix.nnz, X.shape, X.dtype)
        if tuned and key not in known:
            known[key] = tuning.tune_bsr_dense_addmm(added, tensor, X, **scale, store=True)
        meta = known.get(key)
        return Prepared(
            run=lambda: multiply(added, tensor, X, **scale, meta=meta), fetch=_fetch_torch
        )

    return pack


def _two_of_four(device: str) -> Callable[[Problem], Prepared]:
    def pack(problem: Problem) -> Prepared:
        import torch

        if not is_half(problem.dtype):
            raise ValueError(f"2:4 has float16 and bfloat16, not {problem.dtype.name}")
        if 2 * problem.pattern.nnz != problem.pattern.rows * problem.pattern.cols:
            raise ValueError("2:4 is 50 % sparse and nothing else")
        dense = _to_torch(problem.two_of_four_csr.toarray().astype(problem.dtype), device)
        matrix = torch.sparse.to_sparse_semi_structured(dense)
        X = _to_torch(problem.X, device)
        return Prepared(run=lambda: matrix @ X, fetch=_fetch_torch)

    return pack


# Shared ---------------------------------------------------------------------------------------

_ALL: tuple[Any, ...] = ("forward", "transposed", "sampled")


def _precision(problem: Problem) -> str | None:
    return "tf32" if problem.operand_error else None


def _operand(problem: Problem) -> NDArray[Any]:
    return problem.gradient if problem.product == "transposed" else problem.X


def _cupy() -> Any:
    return importlib.import_module("cupy")


def _fetch_cupy(array: Any) -> NDArray[Any]:
    host: NDArray[Any] = _cupy().asnumpy(array)
    return host


def _to_torch(array: NDArray[Any], device: str) -> Any:
    import torch

    contiguous = np.ascontiguousarray(array)
    if is_bfloat16(contiguous.dtype):
        # Of NumPy's bfloat16, which is that of another package, PyTorch knows nothing.
        return torch.from_numpy(contiguous.view(np.int16)).view(torch.bfloat16).to(device)
    return torch.from_numpy(contiguous).to(device)


def _fetch_torch(tensor: Any) -> NDArray[Any]:
    import torch

    on_cpu = tensor.cpu()
    return np.asarray((on_cpu.float() if on_cpu.dtype == torch.bfloat16 else on_cpu).numpy())


def _missing(*modules: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        for module in modules:
            try:
                importlib.import_module(module)
            except ImportError as error:
                return f"{module} cannot be imported: {error}"
        return None

    return missing


def _guarded(peer: Peer) -> Peer:
    """Return a peer that fails with ValueError, whatever goes wrong when it is packed or run.

    A peer is not this package's to mend, and a suite on a machine that is lent for an hour must
    not end because of one. The first call, which compiles, counts as packing here.
    """

    @functools.wraps(peer.pack)
    def pack(problem: Problem) -> Prepared:
        try:
            prepared = peer.pack(problem)
            error = problem.error(prepared.fetch(prepared.run()), peer.kind)
        except ValueError:
            raise
        except Exception as failure:
            raise ValueError(f"{type(failure).__name__}: {failure}") from failure
        if not error <= 1:
            raise ValueError(f"wrong by {error:.2g} times what rounding explains")
        return prepared

    return replace(peer, pack=pack)


def absent_reasons(found: Iterable[dict[str, Any]]) -> list[str]:
    """Return why peers were not timed, each reason once; that one has no such product is none."""
    absent = [entry for case in found for entry in case["absent"]]
    return sorted(
        {f"{e['name']}: {e['reason']}" for e in absent if not e["reason"].startswith("has no")}
    )
