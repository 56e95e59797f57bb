"""Signings of small norm by local search on a power norm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.graph import BipartiteGraph

#: The edge to flip is drawn from this many that promise most.
_CANDIDATES = 12
#: Relative increase of the power norm that is accepted with probability 1/e.
_TEMPERATURE = 1e-3
#: Steps during which an edge that was tried is left alone.
_TABU = 8


def reduce_power_norm(
    base: BipartiteGraph,
    signs: NDArray[np.int64],
    bound: float,
    power: int,
    steps: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    r"""Return signs whose matrix has a smaller power norm.

    Parameters
    ----------
    base : BipartiteGraph
        The graph whose edges are signed.
    signs : ndarray of int64, shape (base.num_edges,)
        Where to start.
    bound : float
        What singular values are measured by, positive.
    power : int
        The exponent :math:`p`, a power of two from 2 up.
    steps : int
        How many flips are tried.
    generator : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray of int64, shape (base.num_edges,)
        The best signs met.

    Notes
    -----
    With the signed matrix :math:`S` and :math:`M = SS^T/\beta^2` the goal is
    :math:`f = \operatorname{tr} M^p`, the sum of the :math:`2p`-th powers of the singular values
    over :math:`\beta`. It is smooth, unlike the norm, and its largest terms count most. Its
    gradient is a multiple of :math:`W = M^{p-1} S`, so that an edge with a large product
    :math:`s_e W_e` promises most when flipped. A step flips one of the twelve best; a little
    worse is accepted now and then, and what was tried rests for a while.

    Examples
    --------
    >>> from rbgp_graphs import complete
    >>> start, rng = np.ones(16, dtype=np.int64), np.random.default_rng(0)
    >>> found = reduce_power_norm(complete(4, 4), start, 2 * 3**0.5, 4, 200, rng)
    >>> float(np.linalg.norm(found.reshape(4, 4), 2).round(9))  # a Hadamard matrix
    2.0
    """
    u, v = base.edges.T if base.left <= base.right else base.edges.T[::-1]
    matrix = np.zeros((min(base.shape), max(base.shape)))
    matrix[u, v] = signs
    # Integers throughout, so that updating it for thousands of steps makes no error.
    gram = matrix @ matrix.T
    scale = bound**-2
    rests_until = np.zeros(len(u), dtype=np.int64)
    # In a small graph most edges would rest, or all be candidates.
    count, rest = (min(number, -(-len(u) // 4)) for number in (_CANDIDATES, _TABU))
    value, squares = _value(gram * scale, power)
    best_value, best = value, matrix[u, v]
    scores = None
    for step in range(steps):
        if scores is None:
            scores = matrix[u, v] * _gradient(squares, matrix)[u, v]
        free = np.where(rests_until <= step, scores, -np.inf)
        edge = generator.choice(np.argpartition(free, len(u) - count)[-count:])
        rests_until[edge] = step + rest
        _flip(gram, matrix, u[edge], v[edge])
        new_value, new_squares = _value(gram * scale, power)
        rise = (new_value - value) / value
        if rise > 0 and generator.random() >= np.exp(-rise / _TEMPERATURE):
            _flip(gram, matrix, u[edge], v[edge])
            continue
        value, squares, scores = new_value, new_squares, None
        if value < best_value:
            best_value, best = value, matrix[u, v]
    found: NDArray[np.int64] = best.astype(np.int64)
    return found


def _value(matrix: NDArray[np.float64], power: int) -> tuple[float, list[NDArray[np.float64]]]:
    """Return the trace of the power, and the matrix squared again and again up to half of it."""
    squares = [matrix]
    for _ in range(power.bit_length() - 2):
        squares.append(squares[-1] @ squares[-1])
    return float(np.vdot(squares[-1], squares[-1])), squares


def _gradient(
    squares: list[NDArray[np.float64]], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return M to the power ``p - 1`` times the signed matrix: 1 + 2 + ... + p/2 = p - 1."""
    for square in squares:
        matrix = square @ matrix
    return matrix


def _flip(gram: NDArray[np.float64], matrix: NDArray[np.float64], u: int, v: int) -> None:
    """Change one sign, and the Gram matrix with it."""
    others = 2 * matrix[u, v] * matrix[:, v]
    others[u] = 0
    gram[u, :] -= others
    gram[:, u] -= others
    matrix[u, v] *= -1
