"""Sparsity patterns that others use, as masks to compare a product with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs._validation import as_fraction_of_one, as_generator, as_int
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph

_LARGEST_SIDE = 1 << 20
#: The counts of random rows are drawn together, which NumPy does up to this many cells.
_MOST_CELLS = 10**9


def unstructured(rows: int, cols: int, sparsity: float, *, rng: Any = 0) -> BipartiteGraph:
    """Return a mask whose nonzeros lie anywhere, all masks of that many being equally likely.

    Parameters
    ----------
    rows, cols : int
        Shape, with fewer than 10**9 cells.
    sparsity : float
        Share of zeros, from 0 up to but not including 1.
    rng : int, numpy.random.Generator or None
        Source of randomness.

    Returns
    -------
    BipartiteGraph
        With ``round((1 - sparsity) * rows * cols)`` edges.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If an argument is out of range.

    Examples
    --------
    >>> unstructured(64, 32, 0.75).num_edges
    512
    """
    rows, cols = _as_sides(rows, cols)
    share = as_fraction_of_one("sparsity", sparsity)
    return BipartiteGraph.from_biadjacency(_scatter(rows, cols, share, as_generator(rng)))


def block_sparse(
    rows: int, cols: int, sparsity: float, block: tuple[int, int] = (16, 16), *, rng: Any = 0
) -> BipartiteGraph:
    """Return a mask of dense blocks at places that are drawn at random.

    Parameters
    ----------
    rows, cols : int
        Shape; multiples of the block, with fewer than 10**9 cells.
    sparsity : float
        Share of zeros, rounded to a whole number of blocks.
    block : (int, int)
        Rows and columns of a block.
    rng : int, numpy.random.Generator or None
        Source of randomness.

    Returns
    -------
    BipartiteGraph
        The mask.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If an argument is out of range, or the block does not divide the shape.

    Examples
    --------
    >>> mask = block_sparse(64, 64, 0.75, (16, 16)).biadjacency().toarray()
    >>> np.unique(mask.reshape(4, 16, 4, 16).sum(axis=(1, 3))).tolist()
    [0, 256]
    """
    rows, cols = _as_sides(rows, cols)
    share = as_fraction_of_one("sparsity", sparsity)
    height, width = _as_block(block, rows, cols)
    blocks = _scatter(rows // height, cols // width, share, as_generator(rng))
    return _fill_blocks(blocks, height, width)


def n_of_m(rows: int, cols: int, n: int = 2, m: int = 4, *, rng: Any = 0) -> BipartiteGraph:
    """Return an N:M mask: of each m neighbours in a row, n are nonzero.

    Parameters
    ----------
    rows, cols : int
        Shape, with fewer than 10**9 cells; `m` divides `cols`.
    n, m : int
        Nonzeros in a group and cells in a group, with ``1 <= n <= m``. The default is the 2:4
        pattern of NVIDIA's sparse tensor cores.
    rng : int, numpy.random.Generator or None
        Source of randomness.

    Returns
    -------
    BipartiteGraph
        Every row has ``cols * n / m`` nonzeros; columns differ.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If an argument is out of range, or `m` does not divide `cols`.

    Examples
    --------
    >>> mask = n_of_m(8, 16).biadjacency().toarray()
    >>> np.unique(mask.reshape(8, 4, 4).sum(axis=2)).tolist()
    [2]
    """
    rows, cols = _as_sides(rows, cols)
    m = as_int("m", m, minimum=1, maximum=cols)
    n = as_int("n", n, minimum=1, maximum=m)
    _check_divides("m", m, "cols", cols)
    keys = as_generator(rng).random((rows, cols // m, m))
    chosen = np.sort(np.argpartition(keys, n - 1, axis=2)[:, :, :n], axis=2)
    columns = chosen + m * np.arange(cols // m)[:, None]
    return _from_rows(columns.reshape(rows, -1), cols)


def butterfly(
    rows: int, cols: int, block: tuple[int, int] = (1, 1), *, levels: int | None = None
) -> BipartiteGraph:
    """Return the flat block butterfly: the union of the factors of a butterfly matrix.

    Parameters
    ----------
    rows, cols : int
        Shape, with fewer than 10**9 cells. There are as many rows of blocks as columns of
        blocks, a power of two.
    block : (int, int)
        Rows and columns of a dense block.
    levels : int, optional
        How many factors to unite, those of the smallest strides first; all by default.

    Returns
    -------
    BipartiteGraph
        Block (i, j) is nonzero if i = j, or i and j differ in one of the `levels` lowest bits
        alone.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If an argument is out of range, or the blocks do not form such a grid.

    References
    ----------
    .. [1] B. Chen, T. Dao, K. Liang, J. Yang, Z. Song, A. Rudra and C. Ré, Pixelated butterfly:
       simple and efficient sparse training for neural network models, arXiv:2112.00029.

    Examples
    --------
    >>> butterfly(256, 256, (4, 4)).degrees
    (28, 28)
    """
    rows, cols = _as_sides(rows, cols)
    height, width = _as_block(block, rows, cols)
    size = rows // height
    if size != cols // width or size & (size - 1):
        raise ArgumentError(
            f"block {(height, width)} leaves {size} x {cols // width} blocks, expected as many "
            "rows as columns of blocks, a power of two"
        )
    depth = size.bit_length() - 1
    if levels is not None:
        depth = as_int("levels", levels, minimum=0, maximum=depth)
    strides = np.array([0, *(1 << k for k in range(depth))])
    blocks = _from_rows(np.sort(np.arange(size)[:, None] ^ strides, axis=1), size)
    return _fill_blocks(blocks.biadjacency(), height, width)


def banded(rows: int, cols: int, width: int) -> BipartiteGraph:
    """Return a band along the diagonal, closed to a ring at the edges.

    Parameters
    ----------
    rows, cols : int
        Shape, with fewer than 10**9 cells.
    width : int
        Nonzeros in every row, at most `cols`.

    Returns
    -------
    BipartiteGraph
        Row i has `width` neighbouring columns around ``i * cols / rows``, modulo `cols`.

    Raises
    ------
    ArgumentTypeError
        If an argument is not an integer.
    ArgumentError
        If an argument is out of range.

    Examples
    --------
    >>> banded(4, 4, 2).neighbors(0).tolist()
    [0, 3]
    """
    rows, cols = _as_sides(rows, cols)
    width = as_int("width", width, minimum=1, maximum=cols)
    start = np.arange(rows) * cols // rows - width // 2
    return _from_rows(np.sort((start[:, None] + np.arange(width)) % cols, axis=1), cols)


def _scatter(
    rows: int, cols: int, sparsity: float, rng: np.random.Generator
) -> sparse.csr_array[Any, tuple[int, int]]:
    """Return a mask drawn from all masks with this share of zeros."""
    count = round((1 - sparsity) * rows * cols)
    degrees = rng.multivariate_hypergeometric([cols] * rows, count, method="marginals")
    chosen = [rng.choice(cols, degree, replace=False, shuffle=False) for degree in degrees]
    indices = np.concatenate(chosen) if chosen else np.empty(0, np.int64)
    indptr = np.concatenate(([0], np.cumsum(degrees)))
    return sparse.csr_array((np.ones(count, dtype=bool), indices, indptr), shape=(rows, cols))


def _from_rows(columns: NDArray[np.int64], cols: int) -> BipartiteGraph:
    rows, degree = columns.shape
    indptr = np.arange(rows + 1) * degree
    ones = np.ones(columns.size, dtype=bool)
    csr = sparse.csr_array((ones, columns.ravel(), indptr), shape=(rows, cols))
    return BipartiteGraph.from_biadjacency(csr)


def _fill_blocks(
    blocks: sparse.csr_array[Any, tuple[int, int]], height: int, width: int
) -> BipartiteGraph:
    ones = sparse.csr_array(np.ones((height, width), dtype=bool))
    return BipartiteGraph.from_biadjacency(sparse.kron(blocks, ones, format="csr"))


def _as_sides(rows: Any, cols: Any) -> tuple[int, int]:
    rows = as_int("rows", rows, minimum=1, maximum=_LARGEST_SIDE)
    cols = as_int("cols", cols, minimum=1, maximum=_LARGEST_SIDE)
    if rows * cols >= _MOST_CELLS:
        raise ArgumentError(f"shape ({rows}, {cols}) has too many cells, expected below 10**9")
    return rows, cols


def _as_block(block: Any, rows: int, cols: int) -> tuple[int, int]:
    try:
        height, width = block
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"block is {block!r}, expected a pair (rows, cols)") from None
    height = as_int("block rows", height, minimum=1, maximum=rows)
    width = as_int("block cols", width, minimum=1, maximum=cols)
    _check_divides("block rows", height, "rows", rows)
    _check_divides("block cols", width, "cols", cols)
    return height, width


def _check_divides(name: str, part: int, whole_name: str, whole: int) -> None:
    if whole % part:
        divisors = [d for d in range(1, math.isqrt(whole) + 1) if whole % d == 0]
        divisors += [whole // d for d in divisors]
        near = min(divisors, key=lambda d: (abs(d - part), d))
        raise ArgumentError(
            f"{name} is {part}, expected a divisor of {whole_name} = {whole}; the nearest is {near}"
        )
