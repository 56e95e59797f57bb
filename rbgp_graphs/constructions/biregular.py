"""Random biregular graphs."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_generator, as_int
from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.graph import BipartiteGraph

_LARGEST_NUM_EDGES = 2**28
#: Proposed switches per edge; 30 left no trace of the start in the spectra (tests).
_SWITCHES_PER_EDGE = 30
#: Below this many proposals the interpreter is done before a compiler has started.
_COMPILE_FROM = 1_000_000


def random_biregular(left: int, right: int, degree: int, rng: Any = None) -> BipartiteGraph:
    """Return a random simple graph in which all degrees of a side are equal.

    Parameters
    ----------
    left, right : int
        Number of left and of right vertices, at least 1.
    degree : int
        The left degree, from 1 to `right`; ``left * degree`` is a multiple of `right`.
    rng : int, numpy.random.Generator or None
        Source of randomness.

    Returns
    -------
    BipartiteGraph
        Nearly uniform among all simple graphs with these degrees. It need not be connected.

    Raises
    ------
    ArgumentError
        If a size or the degree leaves its range.
    InfeasibleError
        If ``left * degree`` is not a multiple of `right`; names the nearest degrees. If the
        graph would have more than 2**28 edges.

    Notes
    -----
    Starts from a circulant graph and proposes 30 switches for each edge: two edges (u, v) and
    (x, y) become (u, y) and (x, v) if both are new. The chain is symmetric and connects all
    graphs with these degrees [1]_, so its limit is uniform.

    References
    ----------
    .. [1] H. J. Ryser, Combinatorial properties of matrices of zeros and ones,
       Canadian J. Math. 9 (1957), 371-377.

    Examples
    --------
    >>> random_biregular(6, 9, 3, rng=0).degrees
    (3, 2)
    """
    left, right = as_int("left", left, minimum=1), as_int("right", right, minimum=1)
    degree = as_int("degree", degree, minimum=1, maximum=right)
    check_divisible(left, right, degree)
    count = left * degree
    if count > _LARGEST_NUM_EDGES:
        raise InfeasibleError(f"the graph has {count} edges, at most {_LARGEST_NUM_EDGES} fit")
    generator = as_generator(rng)
    table = (np.arange(count, dtype=np.int64) % right).reshape(left, degree)
    if degree < right:
        _shuffle(table, generator)
    indptr = np.arange(left + 1, dtype=np.int64) * degree
    return BipartiteGraph(left, right, indptr, np.sort(table, axis=1).ravel())


def check_divisible(left: int, right: int, degree: int) -> None:
    """Raise `InfeasibleError` unless degrees (degree, left * degree / right) fit the shape."""
    if left * degree % right == 0:
        return
    step = right // int(np.gcd(left, right))
    below, above = degree // step * step, -(-degree // step) * step
    choices = [d for d in (below, above) if 1 <= d <= right]
    raise InfeasibleError(
        f"no biregular graph has shape ({left}, {right}) and left degree {degree}: "
        f"{left} * {degree} is not a multiple of {right}; the nearest left degrees are "
        f"{' and '.join(map(str, sorted(set(choices))))}"
    )


def _shuffle(table: NDArray[np.int64], generator: np.random.Generator) -> None:
    proposals = _SWITCHES_PER_EDGE * table.size
    compiled = _compiled_switch() if proposals >= _COMPILE_FROM else None
    rows = table.tolist() if compiled is None else []
    while proposals > 0:
        chunk = min(proposals, 1 << 20)
        pairs = generator.integers(0, table.size, size=(chunk, 2))
        if compiled is None:
            _switch(rows, pairs.tolist())  # Lists are what the interpreter is quick with.
        else:
            compiled(table, pairs)
        proposals -= chunk
    if compiled is None:
        table[:] = rows


@functools.cache
def _compiled_switch() -> Any:
    """Return the compiled `_switch`, or None without numba: the same steps, only slower."""
    try:
        from numba import njit
    except ImportError:
        return None
    return njit(_switch)


def _switch(table: Any, pairs: Any) -> None:
    """Exchange the right ends of pairs of edges wherever the graph stays simple."""
    degree = len(table[0])
    for pair in pairs:
        u, place_u = divmod(pair[0], degree)
        x, place_x = divmod(pair[1], degree)
        row_u, row_x = table[u], table[x]
        v, y = row_u[place_u], row_x[place_x]
        if u == x or v == y:
            continue
        free = True
        for place in range(degree):
            if row_u[place] == y or row_x[place] == v:
                free = False
                break
        if free:
            row_u[place_u], row_x[place_x] = y, v
