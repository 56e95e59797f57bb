"""Largest singular values in floating point, with what is known about their error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.graph import BipartiteGraph

#: Up to this many rows or columns on the smaller side a dense SVD is the safer and faster way.
DENSE_SIDE = 768
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A singular value as computed.

    Attributes
    ----------
    value : float
        The value.
    error_bound : float
        How far `value` is from a singular value; for iterative methods the residual.
    method : str
        How it was computed.
    square : int or None
        The exact square, where a theorem gives it.
    """

    value: float
    error_bound: float
    method: str
    square: int | None = None


def from_square(square: int, method: str) -> Estimate:
    """Return the estimate whose square is an exactly known integer."""
    value = float(np.sqrt(float(square)))
    return Estimate(value=value, error_bound=4 * _EPS * value, method=method, square=square)


def largest(estimates: list[Estimate]) -> Estimate:
    """Return the largest of several values; its square is exact only if no other can exceed it."""
    best = max(estimates, key=lambda estimate: estimate.value)
    rivals = [e for e in estimates if e.square is None and e.value + e.error_bound >= best.value]
    if best.square is None or not rivals:
        return best
    error = max(estimate.error_bound for estimate in (best, *rivals))
    return replace(best, error_bound=error, square=None)


def largest_singular_value(matrix: Any) -> Estimate:
    """Return the largest singular value of a dense or sparse matrix.

    Dense SVD up to `DENSE_SIDE`, else ARPACK from two start vectors.
    """
    if min(matrix.shape) <= DENSE_SIDE:
        return _dense(matrix, skip=0)
    return _iterative(matrix, matrix.shape, matrix.conj().T)


def second_singular_value_directly(graph: BipartiteGraph) -> Estimate:
    r"""Return the second singular value of a connected biregular graph, without its recipe.

    Notes
    -----
    Above `DENSE_SIDE` this is the largest singular value of the deflated operator
    :math:`B - \sigma_1 u v^T`, whose leading vectors are known exactly. Asking ARPACK for two
    values of :math:`B` itself is less reliable.
    """
    if min(graph.shape) == 1 or graph.is_complete:
        return from_square(0, "complete graph")
    matrix = graph.biadjacency(np.float64)
    if min(graph.shape) <= DENSE_SIDE:
        return _dense(matrix, skip=1)
    from scipy.sparse.linalg import LinearOperator

    mean = graph.num_edges / (graph.left * graph.right)
    transposed = sparse.csr_array(matrix.T)

    def apply(side: Any, x: NDArray[Any]) -> NDArray[Any]:
        columns = x.reshape(len(x), -1)
        moved: NDArray[Any] = side @ columns - mean * columns.sum(axis=0, keepdims=True)
        return moved.reshape(-1, *x.shape[1:])

    forward: Any = LinearOperator(
        graph.shape,
        matvec=lambda x: apply(matrix, x),
        rmatvec=lambda x: apply(transposed, x),
        matmat=lambda x: apply(matrix, x),
        rmatmat=lambda x: apply(transposed, x),
        dtype=np.float64,
    )
    return _iterative(forward, graph.shape, forward.H)


def dense_singular_values(matrix: Any) -> NDArray[np.float64]:
    """Return all singular values of a dense or sparse matrix, descending."""
    dense = np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)
    values: NDArray[np.float64] = np.linalg.svd(dense, compute_uv=False)
    return values


def _dense(matrix: Any, skip: int) -> Estimate:
    values = dense_singular_values(matrix)
    error = min(matrix.shape) * _EPS * float(values[0])
    return Estimate(value=float(values[skip]), error_bound=error, method="dense SVD")


def _iterative(operator: Any, shape: tuple[int, int], adjoint: Any) -> Estimate:
    from scipy.sparse.linalg import svds

    found = []
    for seed in (0, 1):
        start = np.random.default_rng(seed).standard_normal(min(shape))
        _, (value,), (vector,) = svds(operator, k=1, v0=start, solver="arpack", maxiter=20_000)
        vector = vector.conj()
        residual = adjoint @ (operator @ vector) - value**2 * vector
        error = float(np.linalg.norm(residual)) / max(float(value), _EPS)
        found.append(Estimate(value=float(value), error_bound=error, method="deflated ARPACK"))
    # Two runs that disagree show that one of them missed the largest value.
    spread = abs(found[0].value - found[1].value)
    best = largest(found)
    return Estimate(value=best.value, error_bound=max(best.error_bound, spread), method=best.method)
