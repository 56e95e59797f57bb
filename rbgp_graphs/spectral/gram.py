"""The Gram matrix on the smaller side of a graph, and its leading vector in floating point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.graph import BipartiteGraph

#: Up to this side the leading vector comes from a dense eigenvalue solver.
_DENSE_SIDE = 96


@dataclass(frozen=True, eq=False)
class Rows:
    r"""A matrix S with entries -1, 0 and 1 whose Gram matrix is looked at.

    Attributes
    ----------
    matrix : scipy.sparse.csr_array of float64, shape (n, m)
        With at most as many rows as columns.
    trivial : int
        The eigenvalue of G that belongs to the all-ones vector and is left out, or 0 if all
        eigenvalues count.
    sign : int
        1 for :math:`G = S S^T`, -1 for :math:`G = -S S^T`, whose largest eigenvalue is that of
        the smallest singular value.
    """

    matrix: Any
    trivial: int
    sign: int = 1

    @classmethod
    def of_graph(cls, graph: BipartiteGraph) -> Rows:
        """Return the rows of a biregular graph; the all-ones vector is left out."""
        left_degree, right_degree = graph.degrees or (0, 0)
        return cls(_wide(graph.biadjacency(np.float64)), left_degree * right_degree)

    @classmethod
    def of_signed(cls, matrix: Any) -> Rows:
        """Return the rows of a signed matrix; every vector counts."""
        return cls(_wide(matrix), 0)

    def negated(self) -> Rows:
        """Return the rows with the negative Gram matrix, of which every eigenvalue counts."""
        return Rows(self.matrix, 0, -self.sign)

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self.matrix.shape[0])

    @property
    def largest_degree(self) -> int:
        """Largest number of nonzeros in a row, which no entry of G exceeds."""
        return int(np.diff(self.matrix.indptr).max(initial=0))

    def gram(self) -> NDArray[np.float64]:
        """Return G as a dense matrix of integers."""
        dense: NDArray[np.float64] = (self.matrix @ self.matrix.T).toarray()
        dense *= self.sign
        return dense

    def leading(self) -> tuple[float, NDArray[np.float64]]:
        """Return the largest eigenvalue that counts, and a vector for it, as computed."""
        n = self.size
        mean = self.trivial / n
        if n <= _DENSE_SIDE:
            values, vectors = np.linalg.eigh(self.gram() - mean)
            return float(values[-1]), vectors[:, -1]
        from scipy.sparse.linalg import LinearOperator, eigsh

        transposed = sparse.csr_array(self.matrix.T)

        def apply(x: NDArray[np.float64]) -> NDArray[np.float64]:
            moved: NDArray[np.float64] = self.matrix @ (transposed @ x)
            moved *= self.sign
            moved -= mean * x.sum(axis=0)
            return moved

        operator: Any = LinearOperator((n, n), matvec=apply, matmat=apply, dtype=np.float64)
        start = np.random.default_rng(0).standard_normal(n)
        values, vectors = eigsh(operator, k=1, which="LA", v0=start, maxiter=20_000)
        return float(values[0]), vectors[:, 0]


def _wide(matrix: Any) -> Any:
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    return sparse.csr_array(wide)
