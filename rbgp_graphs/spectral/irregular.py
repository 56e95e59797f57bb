"""Masks of any form as graphs, and the two largest singular values without biregularity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.products.tensor import MAX_BYTES
from rbgp_graphs.spectral.numeric import DENSE_SIDE, dense_singular_values
from rbgp_graphs.spectral.verdict import verify

Matrix = sparse.csr_array[Any, tuple[int, int]]


def as_pattern(mask: Any) -> BipartiteGraph | TensorProduct:
    """Return a graph or a product as it is, and any other mask as the graph of its nonzeros.

    Parameters
    ----------
    mask : BipartiteGraph, TensorProduct, array_like or SciPy sparse array
        A matrix is two-dimensional and holds finite numbers or bools.

    Returns
    -------
    BipartiteGraph or TensorProduct
        The pattern.

    Raises
    ------
    ArgumentTypeError
        If the entries are not numbers.
    ArgumentError
        If a matrix is not two-dimensional or holds NaN or infinity.

    Examples
    --------
    >>> as_pattern([[0.5, 0], [-2, 1]]).num_edges
    3
    """
    if isinstance(mask, (BipartiteGraph, TensorProduct)):
        return mask
    if mask is None or isinstance(mask, (str, bytes)):
        raise ArgumentTypeError(
            f"mask is a {type(mask).__name__}, expected a graph, a product or a matrix"
        )
    try:
        return BipartiteGraph.from_biadjacency(mask)
    except ArgumentError as error:
        raise type(error)(f"mask: {error}") from None


def as_graph(pattern: BipartiteGraph | TensorProduct) -> BipartiteGraph:
    """Return a product as one graph; refuse if its indices would take more than 4 GiB.

    Examples
    --------
    >>> from rbgp_graphs import TensorProduct, complete, projective_plane
    >>> as_graph(TensorProduct(projective_plane(2), complete(1, 2))).shape
    (7, 14)
    """
    if isinstance(pattern, BipartiteGraph):
        return pattern
    return BipartiteGraph.from_biadjacency(pattern.to_csr(max_bytes=MAX_BYTES))


def two_largest(pattern: BipartiteGraph | TensorProduct) -> tuple[float, float]:
    """Return the two largest singular values, with multiplicity, of a graph with an edge.

    Biregular graphs and products go the way of `verify`.

    Examples
    --------
    >>> twice = BipartiteGraph.from_biadjacency(np.kron(np.eye(2), np.ones((2, 2))))
    >>> two_largest(twice)
    (2.0, 2.0)
    """
    if isinstance(pattern, TensorProduct) or pattern.degrees is not None:
        verdict = verify(pattern)
        return verdict.sigma1, verdict.sigma2
    return two_largest_of_matrix(pattern.biadjacency(np.float64))


def two_largest_of_matrix(matrix: Matrix) -> tuple[float, float]:
    """Return the two largest singular values, with multiplicity, of a nonnegative matrix.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array of float64
        Nonnegative, with a positive entry and without explicit zeros.

    Returns
    -------
    (float, float)
        Descending; the second is 0 if a side has one vertex. In components with more than 768
        vertices on both sides, a second value below a millionth of the first is returned as 0.

    Notes
    -----
    Large matrices are split into their components first. In a component the largest value is
    simple (Perron and Frobenius), so that it can be deflated; equal values of different
    components cannot hide each other from an iterative solver.

    Examples
    --------
    >>> two_largest_of_matrix(sparse.csr_array(np.diag([3.0, 1.0, 2.0])))
    (3.0, 2.0)
    """
    if min(matrix.shape) <= DENSE_SIDE:
        return _two_dense(matrix)
    values = [value for block in component_blocks(matrix) for value in _two_of_component(block)]
    first, second, *_ = sorted(values, reverse=True)
    return first, second


def component_blocks(matrix: Matrix) -> Iterator[Matrix]:
    """Yield the blocks of the components that have edges, rows and columns in ascending order."""
    from scipy.sparse import csgraph

    left = matrix.shape[0]
    blocks: Any = [[None, matrix], [matrix.T, None]]
    square: Any = sparse.block_array(blocks, format="csr")
    count, labels = csgraph.connected_components(square, directed=False)
    rows = np.argsort(labels[:left], kind="stable")
    columns = np.argsort(labels[left:], kind="stable")
    sorted_matrix = sparse.csr_array(matrix[rows][:, columns])
    ends = [
        np.concatenate(([0], np.cumsum(np.bincount(side, minlength=count))))
        for side in (labels[:left], labels[left:])
    ]
    for k in range(count):
        block = sparse.csr_array(
            sorted_matrix[ends[0][k] : ends[0][k + 1], ends[1][k] : ends[1][k + 1]]
        )
        if block.nnz:
            yield block


def _two_dense(matrix: Matrix) -> tuple[float, float]:
    values = dense_singular_values(matrix)
    return float(values[0]), float(values[1]) if len(values) > 1 else 0.0


def _two_of_component(matrix: Matrix) -> tuple[float, float]:
    if min(matrix.shape) <= DENSE_SIDE:
        return _two_dense(matrix)
    from scipy.sparse.linalg import LinearOperator, svds

    start = np.ones(min(matrix.shape))
    u, (first,), vt = svds(matrix, k=1, v0=start, solver="arpack", maxiter=20_000)
    u, v = u[:, 0], vt[0]
    rest = float((matrix.data.astype(np.float64) ** 2).sum()) - float(first) ** 2
    if rest <= 1e-12 * float(first) ** 2:
        # A solver cannot start on what is left of a matrix of rank one. By the trace, the second
        # value is below a millionth of the first.
        return float(first), 0.0
    transposed = sparse.csr_array(matrix.T)

    def forward(x: NDArray[Any]) -> NDArray[Any]:
        columns = x.reshape(len(x), -1)
        return np.asarray(matrix @ columns - np.outer(first * u, v @ columns)).reshape(
            -1, *x.shape[1:]
        )

    def backward(x: NDArray[Any]) -> NDArray[Any]:
        columns = x.reshape(len(x), -1)
        return np.asarray(transposed @ columns - np.outer(first * v, u @ columns)).reshape(
            -1, *x.shape[1:]
        )

    deflated: Any = LinearOperator(
        matrix.shape,
        matvec=forward,
        rmatvec=backward,
        matmat=forward,
        rmatmat=backward,
        dtype=np.float64,
    )
    # A start vector may miss the largest value, two rarely do.
    found = [
        svds(
            deflated,
            k=1,
            v0=np.random.default_rng(seed).standard_normal(len(start)),
            solver="arpack",
            maxiter=20_000,
            return_singular_vectors=False,
        )
        for seed in (0, 1)
    ]
    return float(first), float(np.max(found))
