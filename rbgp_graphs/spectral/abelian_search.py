"""Local search for covers with an abelian group that have a small second singular value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs._validation import as_array, as_generator, as_int
from rbgp_graphs.constructions.abelian_cover import abelian_cover, as_orders, characters
from rbgp_graphs.errors import ArgumentError, InfeasibleError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral.bounds import ramanujan_bound

#: Powers of the norm, each starting from the best of the one before.
_POWERS = (4, 8, 16, 32)
#: The edge to move is drawn from this many that promise most, its new place from so many.
_CANDIDATES, _PLACES = 12, 4
#: Relative increase of the power norm that is accepted with probability 1/e.
_TEMPERATURE = 1e-3
#: Steps during which an edge that was tried is left alone.
_TABU = 8
#: Digits of scores and rises that count, so that rounding does not change the way of a search.
_DIGITS = 9


@dataclass(frozen=True, kw_only=True)
class CoverSearchResult:
    """What `search_abelian_cover` has found.

    Attributes
    ----------
    graph : BipartiteGraph
        The cover.
    sigma2 : float
        Its second singular value; sigma1 if it is not connected.
    bound : float
        The Ramanujan bound.
    """

    graph: BipartiteGraph
    sigma2: float
    bound: float

    @property
    def ratio(self) -> float:
        """Second singular value over the bound; at most 1 for a Ramanujan graph."""
        return self.sigma2 / self.bound


def search_abelian_cover(
    weights: ArrayLike,
    orders: Sequence[int],
    *,
    steps: int = 2000,
    rng: Any = 0,
) -> CoverSearchResult:
    r"""Look for a cover of a bipartite multigraph with a small second singular value.

    Parameters
    ----------
    weights : array_like of int, shape (a, b)
        Number of parallel edges between the vertices of the multigraph: all rows have the same
        sum, and all columns.
    orders : sequence of int
        Orders of the cyclic factors of the group, k elements together.
    steps : int
        How many moves are tried in all.
    rng : int, numpy.random.Generator or None
        Source of randomness. The default makes results repeat.

    Returns
    -------
    CoverSearchResult
        A graph with :math:`a k` left and :math:`b k` right vertices, as `abelian_cover` makes it.

    Raises
    ------
    ArgumentError
        If the weights are not those of a biregular multigraph, or an order is below 2.
    InfeasibleError
        If a weight exceeds the number of elements of the group.

    Notes
    -----
    The goal is :math:`\sum_\chi \operatorname{tr}(H_\chi H_\chi^*/\beta^2)^p` over the nontrivial
    characters, where :math:`H_\chi` is the matrix of blocks summed over :math:`\chi`. A step moves
    one edge orbit to another group element of its block, chosen by the gradient among the moves
    that promise most; a little worse is accepted now and then, and what was tried rests for a
    while. The power p is 4, 8, 16 and 32 in turn.

    Examples
    --------
    >>> found = search_abelian_cover([[6]], [16], steps=400)
    >>> found.graph.degrees, found.sigma2 < 3
    ((6, 6), True)
    """
    matrix, factors = _as_weights(weights), as_orders(orders)
    steps = as_int("steps", steps, minimum=0, maximum=10**8)
    size = math.prod(factors)
    if matrix.max() > size:
        raise InfeasibleError(
            f"weights holds {matrix.max()}, but a block over a group of {size} elements has room "
            f"for {size} edges"
        )
    state = _Cover(matrix, factors, as_generator(rng))
    for power in _POWERS:
        state.improve(power, steps // len(_POWERS))
    graph = abelian_cover(factors, state.best)
    return CoverSearchResult(graph=graph, sigma2=state.sigma2, bound=state.bound)


def _as_weights(weights: Any) -> NDArray[np.int64]:
    matrix = as_array("weights", weights)
    if matrix.ndim != 2 or not matrix.size or not np.issubdtype(matrix.dtype, np.integer):
        raise ArgumentError(
            f"weights has shape {matrix.shape} and dtype {matrix.dtype}, expected integers (a, b)"
        )
    sums = [np.unique(matrix.sum(axis=axis)) for axis in (0, 1)]
    if matrix.min() < 0 or any(len(values) > 1 or values[0] < 1 for values in sums):
        raise ArgumentError(
            "weights is not a biregular multigraph: all rows need the same positive sum, and all "
            "columns"
        )
    return matrix.astype(np.int64)


class _Cover:
    """A cover that is being improved, by its matrix at each character."""

    def __init__(
        self, weights: NDArray[np.int64], orders: tuple[int, ...], generator: np.random.Generator
    ) -> None:
        a, b = weights.shape
        self.generator = generator
        self.bound = ramanujan_bound(int(weights[0].sum()), int(weights[:, 0].sum()))
        # At degree 1 the bound may be 0, and any other scale does.
        self.scale = max(self.bound, 1.0) ** -2
        self.is_wide = a <= b
        table, counts = characters(orders)
        self.table, self.counts = table[:, 1:], counts[1:].astype(np.float64)
        values = np.linalg.svd(weights.astype(np.float64), compute_uv=False)
        self.base_sigma2 = float(values[1]) if len(values) > 1 else 0.0
        size = table.shape[0]
        order = generator.permuted(np.broadcast_to(np.arange(size), (a, b, size)), axis=2)
        self.mask = order < weights[:, :, None]
        self.best, self.sigma2 = self.mask.copy(), math.inf
        self._keep_if_better(self._transform())

    def _transform(self) -> NDArray[Any]:
        """Return the matrix of each nontrivial character, shape (r, a, b)."""
        found: NDArray[Any] = np.moveaxis(self.mask.astype(np.float64) @ self.table, 2, 0)
        return np.ascontiguousarray(found)

    def _gram(self, hat: NDArray[Any]) -> NDArray[Any]:
        adjoint = np.conj(np.swapaxes(hat, 1, 2))
        gram: NDArray[Any] = hat @ adjoint if self.is_wide else adjoint @ hat
        return gram

    def _keep_if_better(self, hat: NDArray[Any]) -> None:
        if not hat.size:
            self.sigma2 = self.base_sigma2
            return
        gram = self._gram(hat)
        top = gram.real.max() if gram.shape[1] == 1 else np.linalg.eigvalsh(gram)[:, -1].max()
        sigma2 = max(self.base_sigma2, math.sqrt(max(float(top), 0.0)))
        if sigma2 < self.sigma2 * (1 - 10.0**-_DIGITS):
            self.best, self.sigma2 = self.mask.copy(), sigma2

    def _value(self, hat: NDArray[Any], power: int) -> tuple[float, list[NDArray[Any]]]:
        """Return the power norm, and the Gram matrices squared up to half of the power."""
        squares = [self._gram(hat) * self.scale]
        for _ in range(power.bit_length() - 2):
            squares.append(squares[-1] @ squares[-1])
        last = squares[-1]
        traces = np.einsum("rij,rij->r", last, last.conj()).real
        return float(self.counts @ traces), squares

    def _scores(self, hat: NDArray[Any], squares: list[NDArray[Any]]) -> NDArray[np.float64]:
        """Return the gradient of the power norm for each place of an edge, shape (k, a b)."""
        moved = hat
        for square in squares:
            moved = square @ moved if self.is_wide else moved @ square
        weighted = (self.counts[:, None, None] * moved).conj().reshape(len(hat), -1)
        scores: NDArray[np.float64] = (self.table @ weighted).real
        rounded: NDArray[np.float64] = np.round(scores / max(np.abs(scores).max(), 1e-300), _DIGITS)
        return rounded

    def improve(self, power: int, steps: int) -> None:
        """Move edges from the best cover so far, by the norm with this power."""
        self.mask = self.best.copy()
        hat = self._transform()
        if not hat.size:
            return
        a, b, size = self.mask.shape
        value, squares = self._value(hat, power)
        smallest, scores = value, None
        movable = np.logical_not(self.mask.all(axis=2) | ~self.mask.any(axis=2)).ravel()
        if not movable.any():
            return
        rests_until = np.zeros((size, a * b), dtype=np.int64)
        for step in range(steps):
            if scores is None:
                scores = self._scores(hat, squares)
            present = self.mask.reshape(a * b, size).T
            ready = present & (rests_until <= step) & movable
            draws = self.generator.random(3)
            choice = _choose(np.where(ready, scores, -np.inf).ravel(), _CANDIDATES, draws[0])
            old, block = divmod(choice, a * b)
            free = np.where(present[:, block], np.inf, scores[:, block])
            new = _choose(-free, min(_PLACES, int((~present[:, block]).sum())), draws[1])
            if not ready[old, block]:
                continue
            i, j = divmod(block, b)
            before = hat[:, i, j].copy()
            hat[:, i, j] += self.table[new] - self.table[old]
            new_value, new_squares = self._value(hat, power)
            rise = (new_value - value) / value
            rests_until[new, block] = step + _TABU
            if rise > 10.0**-_DIGITS and draws[2] >= math.exp(-rise / _TEMPERATURE):
                hat[:, i, j] = before
                rests_until[old, block] = step + _TABU
                continue
            self.mask[i, j, old], self.mask[i, j, new] = False, True
            value, squares, scores = new_value, new_squares, None
            if value < smallest * (1 - 10.0**-_DIGITS):
                smallest = value
                self._keep_if_better(hat)


def _choose(scores: NDArray[np.float64], count: int, draw: float) -> int:
    """Return one of the places with the largest scores; `draw` is uniform in [0, 1)."""
    count = max(1, min(count, len(scores)))
    best = np.argpartition(scores, len(scores) - count)[-count:]
    return int(best[int(draw * count)])
