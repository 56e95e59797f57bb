r"""One rank's share of the rows of a pattern, as an RBGP4 pattern of its own.

A rank holds a range of left vertices of the outer graph. All of them have the same degree, so the
shares are equal; but a right vertex may have more neighbours in one range than in another, and
the factors of an RBGP4 are biregular. So a right vertex with d neighbours in the range becomes
d / q copies with q neighbours each, where q is the greatest common divisor of all those d. The
share of the matrix is then :math:`L C`: L has a biregular pattern, and C copies tiles of rows of
the operand. If every right vertex has the same number of neighbours in the range, C is the
identity and nothing is copied.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_int, require
from rbgp_graphs.errors import ArgumentError, InfeasibleError
from rbgp_graphs.gpu.operands import as_pattern
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4

Split = Literal["rows", "cols"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shard:
    """One rank's range of the rows of a pattern; made by `row_shard`.

    Attributes
    ----------
    pattern : RBGP4
        The whole pattern.
    rank, size : int
        Which share this is, and of how many.
    local : RBGP4
        The pattern of the rank's rows, over the columns that `gather` makes.
    tiles : ndarray of int64, shape (local.outer.right,)
        The column tile of `pattern` that each column tile of `local` is a copy of, ascending.
    """

    pattern: RBGP4
    rank: int
    size: int
    local: RBGP4
    tiles: NDArray[np.int64]

    @property
    def rows(self) -> range:
        """The rows of the whole pattern that this rank holds."""
        return range(self.rank * self.local.rows, (self.rank + 1) * self.local.rows)

    @property
    def copies(self) -> float:
        """Size of the operand that `gather` makes, over that of the whole one.

        At most the right degree of the outer graph over `size`. Nothing is copied at all where
        `is_direct` holds.
        """
        return len(self.tiles) / self.pattern.outer.right

    @functools.cached_property
    def is_direct(self) -> bool:
        """Whether the whole operand is used as it is, without a copy."""
        return np.array_equal(self.tiles, np.arange(self.pattern.outer.right))

    @functools.cached_property
    def _rounds(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The k-th copies of all tiles that have one, for each k: tiles, and their copies."""
        starts = np.searchsorted(self.tiles, self.tiles)
        nth = np.arange(len(self.tiles)) - starts
        places = (np.flatnonzero(nth == k) for k in range(int(nth.max()) + 1))
        return [(self.tiles[place], place) for place in places]

    def gather(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the operand of `local`: the tiles of rows of X that it reads.

        Parameters
        ----------
        X : array, shape (pattern.cols,) or (..., pattern.cols, N)
            A NumPy or CuPy array.

        Returns
        -------
        array, shape (local.cols,) or (..., local.cols, N)
            `X` itself where `is_direct` holds.
        """
        if self.is_direct:
            return X
        tiled = self._by_tile(X if X.ndim > 1 else X[:, None])
        taken = tiled.take(_beside(self.tiles, X), axis=-3)
        rows: NDArray[Any] = taken.reshape(*taken.shape[:-3], -1, taken.shape[-1])
        return rows if X.ndim > 1 else rows[:, 0]

    def sum_copies(self, Y: NDArray[Any]) -> NDArray[Any]:
        """Return the transpose of `gather`: the sums over the copies of each tile.

        Parameters
        ----------
        Y : array, shape (local.cols,) or (..., local.cols, N)
            A NumPy or CuPy array.

        Returns
        -------
        array, shape (pattern.cols,) or (..., pattern.cols, N)
            `Y` itself where `is_direct` holds.
        """
        if self.is_direct:
            return Y
        tiled = self._by_tile(Y if Y.ndim > 1 else Y[:, None])
        shape = (*tiled.shape[:-3], self.pattern.outer.right, *tiled.shape[-2:])
        sums = _zeros(shape, Y)
        for tiles, copies in self._rounds:
            sums[..., _beside(tiles, Y), :, :] += tiled.take(_beside(copies, Y), axis=-3)
        rows: NDArray[Any] = sums.reshape(*sums.shape[:-3], -1, sums.shape[-1])
        return rows if Y.ndim > 1 else rows[:, 0]

    def _by_tile(self, X: NDArray[Any]) -> NDArray[Any]:
        return X.reshape(*X.shape[:-2], -1, self.pattern.tile_shape[1], X.shape[-1])


def row_shard(pattern: RBGP4, rank: int, size: int) -> Shard:
    """Return one rank's share of the rows of a pattern.

    Parameters
    ----------
    pattern : RBGP4
        The whole pattern. For a share of its columns pass ``pattern.T``.
    rank : int
        From 0 to ``size - 1``.
    size : int
        Number of ranks; it divides ``pattern.outer.left``.

    Returns
    -------
    Shard
        The rows from ``rank * pattern.rows // size`` on. Every rank has as many nonzeros.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If `rank` is not one of the ranks.
    InfeasibleError
        If `size` does not divide the number of left vertices of the outer graph.

    Notes
    -----
    The values of the share are the rows ``shard.rows`` of the values of the pattern, unchanged.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete, projective_plane
    >>> inner = projective_plane(2)
    >>> shard = row_shard(RBGP4(complete(4, 4), (2, 1), inner, (1, 1)), rank=1, size=2)
    >>> shard.rows, shard.local.shape, shard.is_direct
    (range(28, 56), (28, 28), True)
    """
    outer = as_pattern(pattern).outer
    number = as_int("size", size, minimum=1)
    which = as_int("rank", rank, minimum=0, maximum=number - 1)
    if outer.left % number:
        raise InfeasibleError(
            f"the {outer.left} left vertices of the outer graph cannot be shared equally by "
            f"{number} ranks; world sizes that work: {', '.join(map(str, world_sizes(pattern)))}"
        )
    each = outer.left // number
    start, stop = outer.indptr[[which * each, (which + 1) * each]]
    columns = outer.indices[start:stop].astype(np.int64)
    counts = np.bincount(columns, minlength=outer.right)
    degree = int(np.gcd.reduce(counts))
    copies = counts // degree
    # An edge goes to the copy that its number among the edges of its right vertex says.
    order = np.argsort(columns, kind="stable")
    nth = np.empty_like(columns)
    nth[order] = np.arange(len(columns)) - (np.cumsum(counts) - counts)[columns[order]]
    indices = (np.cumsum(copies) - copies)[columns] + nth // degree
    tiles = np.repeat(np.arange(outer.right), copies)
    indptr = np.arange(each + 1) * (len(columns) // each)
    local = RBGP4(
        BipartiteGraph(each, len(tiles), indptr, indices),
        pattern.repeat,
        pattern.inner,
        pattern.block,
        None if pattern.shifts is None else pattern.shifts[start:stop],
        pattern.shift_side,
    )
    return Shard(pattern=pattern, rank=which, size=number, local=local, tiles=tiles)


def world_sizes(pattern: RBGP4, split: Split = "rows") -> tuple[int, ...]:
    """Return the numbers of ranks that can share a pattern equally.

    Parameters
    ----------
    pattern : RBGP4
        The pattern.
    split : {"rows", "cols"}
        What is shared.

    Returns
    -------
    tuple of int
        The divisors of the number of left (or right) vertices of the outer graph, ascending.

    Raises
    ------
    ArgumentTypeError
        If `pattern` is not an `RBGP4`.
    ArgumentError
        If `split` is something else.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> world_sizes(RBGP4(complete(6, 4), (1, 1), complete(2, 2), (1, 1)), "cols")
    (1, 2, 4)
    """
    check_split(split)
    left, right = as_pattern(pattern).outer.shape
    count = left if split == "rows" else right
    return tuple(size for size in range(1, count + 1) if count % size == 0)


def check_split(split: Any) -> None:
    """Raise unless `split` names a side."""
    if split not in ("rows", "cols"):
        raise ArgumentError(f"split is {split!r}, expected 'rows' or 'cols'")


def _zeros(shape: tuple[int, ...], like: Any) -> Any:
    if isinstance(like, np.ndarray):
        return np.zeros(shape, like.dtype)
    with like.device:
        return require("cupy", "gpu-cu13").zeros(shape, like.dtype)


def _beside(index: NDArray[np.int64], array: Any) -> Any:
    """Return an index where `array` lies."""
    if isinstance(array, np.ndarray):
        return index
    with array.device:
        return require("cupy", "gpu-cu13").asarray(index)
