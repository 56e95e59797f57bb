"""What computes a product: this package and its peers on the CPU, in one table.

A peer turns a `Problem` into a call. The harness counts that apart as packing. A suite for
another device is another table of peers with a timer of its own.
"""

from __future__ import annotations

import importlib.util
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.bench.problem import Kind, Mask, Problem, Product
from rbgp_graphs.gpu.matrix import RBGP4Matrix
from rbgp_graphs.gpu.operands import is_bfloat16
from rbgp_graphs.gpu.product import matmul

_ALL: tuple[Product, ...] = ("forward", "transposed", "sampled")
_NO_GRADIENT: tuple[Product, ...] = ("forward", "transposed")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A product that is ready to run.

    Attributes
    ----------
    run : callable
        Computes the product and returns it in the peer's own type.
    fetch : callable
        Turns that into a NumPy array in the order of the problem; not timed.
    """

    run: Callable[[], Any]
    # A factory: the pages would take a function that stands in the class for a method of it.
    fetch: Callable[[Any], NDArray[Any]] = field(default_factory=lambda: np.asarray)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One way to compute a product.

    Attributes
    ----------
    name : str
        What stands in tables.
    kind : {"own", "dense", "same pattern", "unstructured", "blocks", "2:4"}
        This package, a dense product, the same matrix in another format, or another mask of
        equal density.
    pack : callable
        ``pack(problem)`` returns a `Prepared` product; the problem is of the kind that the
        suite measures.
    missing : callable
        Returns why it does not run here, or None.
    products : tuple of str
        Which products it has.
    """

    name: str
    kind: Kind
    pack: Callable[[Any], Prepared]
    missing: Callable[[], str | None] = lambda: None
    products: tuple[Product, ...] = _NO_GRADIENT


# This package ---------------------------------------------------------------------------------


def own(backend: str = "auto", name: str = "rbgp_graphs") -> Peer:
    """Return this package as a peer, with a given backend."""

    def pack(problem: Problem) -> Prepared:
        matrix = RBGP4Matrix(problem.pattern, problem.matrix.values)
        if problem.product == "forward":
            return Prepared(run=lambda: matmul(matrix, problem.X, backend=backend))
        if problem.product == "transposed":
            return Prepared(run=lambda: matmul(matrix.T, problem.gradient, backend=backend))
        return Prepared(
            run=lambda: matrix.sampled_matmul(problem.gradient, problem.X, backend=backend),
        )

    return Peer(name=name, kind="own", pack=pack, products=_ALL)


# NumPy and SciPy ------------------------------------------------------------------------------


def _numpy_dense(problem: Problem) -> Prepared:
    dense = problem.matrix.to_dense(max_bytes=_DENSE_BYTES)
    if problem.product == "forward":
        return Prepared(run=lambda: dense @ problem.X)
    if problem.product == "transposed":
        return Prepared(run=lambda: dense.T @ problem.gradient)
    return Prepared(run=lambda: problem.gradient @ problem.X.T)


def _scipy_csr(mask: Mask) -> Callable[[Problem], Prepared]:
    def pack(problem: Problem) -> Prepared:
        matrix, operand = _csr_and_operand(problem, mask)
        return Prepared(run=lambda: matrix @ operand)

    return pack


def _scipy_bsr_of_groups(problem: Problem) -> Prepared:
    """Bring the rows of a group together: then each column of theirs is one block."""
    pattern = problem.pattern.T if problem.product == "transposed" else problem.pattern
    values = problem.matrix.T.values if problem.product == "transposed" else problem.matrix.values
    operand = problem.gradient if problem.product == "transposed" else problem.X
    group, width, degree = pattern.row_group, pattern.block.right, pattern.row_degree
    sizes = [factor.left for factor in pattern.factors]
    order = np.arange(pattern.rows).reshape(sizes).swapaxes(1, 2).ravel()
    count = pattern.rows // group
    columns = pattern.group_columns(0, pattern.outer.left).reshape(count, degree)
    grouped = values.astype(problem.pattern_csr.dtype)[order]
    blocks = grouped.reshape(count, group, degree // width, width).transpose(0, 2, 1, 3)
    matrix = sparse.bsr_array(
        (
            blocks.reshape(-1, group, width),
            (columns[:, ::width] // width).ravel().astype(np.int32),
            np.arange(count + 1, dtype=np.int32) * np.int32(degree // width),
        ),
        shape=pattern.shape,
    )
    operand = operand.astype(matrix.dtype, copy=False)

    def fetch(result: NDArray[Any]) -> NDArray[Any]:
        ordered = np.empty_like(result)
        ordered[order] = result
        return ordered

    return Prepared(run=lambda: matrix @ operand, fetch=fetch)


def _scipy_bsr_of_blocks(problem: Problem) -> Prepared:
    matrix, operand = _bsr_and_operand(problem)
    return Prepared(run=lambda: matrix @ operand)


# PyTorch --------------------------------------------------------------------------------------


def _torch_dense(problem: Problem) -> Prepared:
    X, dY = _to_torch(problem.X), _to_torch(problem.gradient)
    dense = _to_torch(problem.matrix.to_dense(max_bytes=_DENSE_BYTES))
    if problem.product == "forward":
        return Prepared(run=lambda: dense @ X, fetch=_from_torch)
    if problem.product == "transposed":
        return Prepared(run=lambda: dense.T @ dY, fetch=_from_torch)
    return Prepared(run=lambda: dY @ X.T, fetch=_from_torch)


def _to_torch(array: NDArray[Any]) -> Any:
    """Return a tensor on the memory of an array; torch does not know NumPy's bfloat16."""
    import torch

    if is_bfloat16(array.dtype):
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _torch_csr(mask: Mask) -> Callable[[Problem], Prepared]:
    def pack(problem: Problem) -> Prepared:
        import torch

        matrix, operand = _csr_and_operand(problem, mask)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The layout is in beta, which it says at each use.
            tensor = torch.sparse_csr_tensor(*_torch_parts(matrix), size=matrix.shape)
        X = torch.from_numpy(operand)
        return Prepared(run=lambda: tensor @ X, fetch=_from_torch)

    return pack


def _torch_bsr(problem: Problem) -> Prepared:
    import torch

    matrix, operand = _bsr_and_operand(problem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensor = torch.sparse_bsr_tensor(*_torch_parts(matrix), size=matrix.shape)
    X = torch.from_numpy(operand)
    return Prepared(run=lambda: tensor @ X, fetch=_from_torch)


def _torch_parts(matrix: Any) -> tuple[Any, Any, Any]:
    from torch import from_numpy

    return from_numpy(matrix.indptr), from_numpy(matrix.indices), from_numpy(matrix.data)


def _from_torch(tensor: Any) -> NDArray[Any]:
    import torch

    # Not timed, and exact.
    return np.asarray((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())


def torch_missing() -> str | None:
    """Return why PyTorch cannot be a peer here, or None."""
    return _not_installed("torch", "torch", "torch")


# MKL ------------------------------------------------------------------------------------------


def _mkl(pack_matrix: Callable[[Problem], tuple[Any, NDArray[Any]]]) -> Callable[..., Prepared]:
    def pack(problem: Problem) -> Prepared:
        import sparse_dot_mkl

        matrix, operand = pack_matrix(problem)
        return Prepared(run=lambda: sparse_dot_mkl.dot_product_mkl(matrix, operand))

    return pack


def _mkl_missing() -> str | None:
    missing = _not_installed("sparse_dot_mkl", "sparse-dot-mkl", "bench")
    if missing is not None:
        return missing
    # The package looks in system folders only; a wheel puts the library into the environment.
    if "MKL_RT" not in os.environ:
        library = _mkl_library()
        if library is not None:
            os.environ["MKL_RT"] = library
    # Its threads would wait in a loop for 0.2 s after a call and slow down whoever comes next.
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    try:
        importlib.import_module("sparse_dot_mkl")
    except ImportError:
        return "the MKL library is not there; pip install mkl, or set MKL_RT to libmkl_rt"
    return None


def _mkl_library() -> str | None:
    """Return the path of the MKL library that a wheel has installed."""
    try:
        files = metadata.files("mkl") or []
    except metadata.PackageNotFoundError:
        return None
    names = (file for file in files if re.fullmatch(r"(lib)?mkl_rt\..*(so|dylib|dll).*", file.name))
    return next((os.path.realpath(file.locate()) for file in names), None)


# Shared ---------------------------------------------------------------------------------------

#: The largest dense matrix: 16384 x 16384 in float64.
_DENSE_BYTES = 1 << 31


def _csr_and_operand(problem: Problem, mask: Mask) -> tuple[Any, NDArray[Any]]:
    # A cached matrix would hide the packing.
    matrix: Any = problem.pack_csr() if mask == "pattern" else problem.csr(mask)
    operand = problem.X
    if problem.product == "transposed":
        matrix, operand = matrix.T.tocsr(), problem.gradient
    return matrix, operand.astype(matrix.dtype, copy=False)


def _bsr_and_operand(problem: Problem) -> tuple[Any, NDArray[Any]]:
    matrix = problem.block_bsr
    operand = problem.X
    if problem.product == "transposed":
        matrix, operand = matrix.T.tobsr(matrix.blocksize), problem.gradient
    return matrix, operand.astype(matrix.dtype, copy=False)


def _not_installed(module: str, distribution: str, extra: str) -> str | None:
    if importlib.util.find_spec(module) is not None:
        return None
    return f'{distribution} is not installed; pip install "rbgp-graphs[{extra}]"'


#: The peers on the CPU, without this package itself.
CPU_PEERS = (
    Peer(name="numpy dense", kind="dense", pack=_numpy_dense, products=_ALL),
    Peer(
        name="torch dense",
        kind="dense",
        pack=_torch_dense,
        missing=torch_missing,
        products=_ALL,
    ),
    Peer(name="scipy CSR", kind="same pattern", pack=_scipy_csr("pattern")),
    Peer(name="scipy BSR, rows grouped", kind="same pattern", pack=_scipy_bsr_of_groups),
    Peer(
        name="torch CSR",
        kind="same pattern",
        pack=_torch_csr("pattern"),
        missing=torch_missing,
    ),
    Peer(
        name="MKL CSR",
        kind="same pattern",
        pack=_mkl(lambda problem: _csr_and_operand(problem, "pattern")),
        missing=_mkl_missing,
    ),
    Peer(name="scipy CSR, unstructured", kind="unstructured", pack=_scipy_csr("unstructured")),
    Peer(
        name="torch CSR, unstructured",
        kind="unstructured",
        pack=_torch_csr("unstructured"),
        missing=torch_missing,
    ),
    Peer(
        name="MKL CSR, unstructured",
        kind="unstructured",
        pack=_mkl(lambda problem: _csr_and_operand(problem, "unstructured")),
        missing=_mkl_missing,
    ),
    Peer(name="scipy BSR, blocks", kind="blocks", pack=_scipy_bsr_of_blocks),
    Peer(name="torch BSR, blocks", kind="blocks", pack=_torch_bsr, missing=torch_missing),
    Peer(name="MKL BSR, blocks", kind="blocks", pack=_mkl(_bsr_and_operand), missing=_mkl_missing),
)
