"""Lifts (covers) of a graph: 2-lifts by signs, cyclic lifts by shifts, lifts by permutations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs._validation import as_array, as_generator, as_int
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph, Recipe, encode_bytes, sort_edges


def two_lift(base: BipartiteGraph, signs: ArrayLike) -> BipartiteGraph:
    r"""Return the lift to twice as many vertices that crosses the edges signed -1.

    Vertex :math:`u` has the copies :math:`u` and :math:`u + n`, where :math:`n` is the size of
    its side. An edge signed +1 is doubled in parallel, an edge signed -1 crosswise.

    Parameters
    ----------
    base : BipartiteGraph
        The graph to lift.
    signs : array_like of int, shape (base.num_edges,)
        +1 or -1 for each row of ``base.edges``.

    Returns
    -------
    BipartiteGraph
        The lift, with twice the vertices and the same degrees.

    Raises
    ------
    ArgumentTypeError
        If `base` is not a graph or `signs` does not hold integers.
    ArgumentError
        If `signs` has another length or another entry.

    Notes
    -----
    The singular values of the lift are those of the biadjacency matrix :math:`B` of the base,
    together with those of :math:`B` signed entrywise [1]_. A lift of a Ramanujan graph is
    therefore Ramanujan exactly when it is connected and the signed matrix keeps to the bound.
    Every biregular graph has a signing that does [2]_.

    References
    ----------
    .. [1] Y. Bilu and N. Linial, Lifts, discrepancy and nearly optimal spectral gap,
       Combinatorica 26 (2006), 495-519.
    .. [2] A. W. Marcus, D. A. Spielman and N. Srivastava, Interlacing families I,
       Annals of Mathematics 182 (2015), 307-325, arXiv:1304.4132.

    Examples
    --------
    >>> from rbgp_graphs import complete
    >>> two_lift(complete(2, 2), [1, 1, 1, -1]).girth()  # one crossed edge: the 8-cycle
    8
    """
    sign = _edge_labels("signs", signs, base, (_num_edges(base),))
    if not np.isin(sign, (-1, 1)).all():
        wrong = np.setdiff1d(sign, (-1, 1))[0]
        raise ArgumentError(f"signs holds {wrong}, expected only +1 and -1")
    crossed = (sign == -1).astype(np.int64)
    recipe = {
        "kind": "two_lift",
        "base": base.recipe,
        "signs": encode_bytes(np.packbits(crossed.astype(bool))),
    }
    return _lift(base, np.column_stack((crossed, 1 - crossed)), recipe)


def cyclic_lift(base: BipartiteGraph, k: int, shifts: ArrayLike) -> BipartiteGraph:
    r"""Return the lift to k copies in which every edge turns the copies by its shift.

    Copy :math:`i` of a left vertex :math:`u` has the number :math:`u + i\,n`. An edge with the
    shift :math:`s` joins copy :math:`i` of its left end with copy :math:`i + s` modulo
    :math:`k` of its right end.

    Parameters
    ----------
    base : BipartiteGraph
        The graph to lift.
    k : int
        Number of copies, at least 1.
    shifts : array_like of int, shape (base.num_edges,)
        A shift from 0 to ``k - 1`` for each row of ``base.edges``.

    Returns
    -------
    BipartiteGraph
        The lift, with k times the vertices and the same degrees.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If `shifts` has another length or leaves its range.

    Notes
    -----
    The singular values are those of the :math:`k` matrices that arise from the biadjacency
    matrix by putting :math:`e^{2\pi i c s/k}` in place of the ones, for :math:`c = 0..k-1`.

    Examples
    --------
    >>> from rbgp_graphs import complete
    >>> cyclic_lift(complete(2, 2), 5, [0, 0, 0, 1]).girth()
    20
    """
    k = as_int("k", k, minimum=1, maximum=2**31)
    shift = _edge_labels("shifts", shifts, base, (_num_edges(base),))
    if shift.size and (shift.min() < 0 or shift.max() >= k):
        raise ArgumentError(
            f"shifts range from {shift.min()} to {shift.max()}, expected 0 to {k - 1}"
        )
    recipe = {
        "kind": "cyclic_lift",
        "base": base.recipe,
        "k": k,
        "shifts": encode_bytes(shift.astype("<u4")),
    }
    return _lift(base, (shift[:, None] + np.arange(k)) % k, recipe)


def lift(base: BipartiteGraph, permutations: ArrayLike) -> BipartiteGraph:
    """Return the lift in which every edge permutes the copies.

    Parameters
    ----------
    base : BipartiteGraph
        The graph to lift.
    permutations : array_like of int, shape (base.num_edges, k)
        For each row of ``base.edges`` a permutation of 0..k-1: copy i of the left end is
        adjacent to copy ``permutations[e, i]`` of the right end. Copy i of vertex u has the
        number ``u + i * n`` where n is the size of its side.

    Returns
    -------
    BipartiteGraph
        The lift, with k times the vertices and the same degrees.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If a row is not a permutation.

    Notes
    -----
    The spectrum of the base is part of the spectrum of the lift [1]_.

    References
    ----------
    .. [1] C. Hall, D. Puder and W. F. Sawin, Ramanujan coverings of graphs,
       Advances in Mathematics 323 (2018), 367-410.

    Examples
    --------
    >>> from rbgp_graphs import complete
    >>> lift(complete(1, 3), [[0, 1], [1, 0], [0, 1]]).shape
    (2, 6)
    """
    copies = as_array("permutations", permutations)
    if copies.ndim != 2 or copies.shape[1] < 1:
        raise ArgumentError(
            f"permutations has shape {copies.shape}, expected ({_num_edges(base)}, k)"
        )
    k = copies.shape[1]
    copies = _edge_labels("permutations", copies, base, (_num_edges(base), k))
    wrong = np.flatnonzero((np.sort(copies, axis=1) != np.arange(k)).any(axis=1))
    if wrong.size:
        raise ArgumentError(
            f"permutations[{wrong[0]}] is {copies[wrong[0]].tolist()}, "
            f"expected a permutation of 0..{k - 1}"
        )
    recipe = {
        "kind": "lift",
        "base": base.recipe,
        "k": k,
        "permutations": encode_bytes(copies.astype("<u4")),
    }
    return _lift(base, copies, recipe)


def random_lift(base: BipartiteGraph, k: int = 2, rng: Any = None) -> BipartiteGraph:
    """Return a uniformly random lift.

    Parameters
    ----------
    base : BipartiteGraph
        The graph to lift.
    k : int
        Number of copies, at least 1.
    rng : int, numpy.random.Generator or None
        Source of randomness. The recipe of the lift holds what was drawn, not the seed.

    Returns
    -------
    BipartiteGraph
        A `two_lift` for ``k=2``, else a `lift`.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If `k` is below 1.

    Examples
    --------
    >>> from rbgp_graphs import complete
    >>> random_lift(complete(4, 4), rng=0).degrees
    (4, 4)
    """
    k = as_int("k", k, minimum=1, maximum=2**20)
    generator = as_generator(rng)
    count = _num_edges(base)
    if k == 2:
        return two_lift(base, generator.choice((-1, 1), size=count))
    copies = np.broadcast_to(np.arange(k), (count, k))
    return lift(base, generator.permuted(copies, axis=1))


def _lift(base: BipartiteGraph, copies: NDArray[np.int64], recipe: Recipe) -> BipartiteGraph:
    """Join copy i of the left end of edge e with copy ``copies[e, i]`` of its right end."""
    u, v = base.edges.T
    k = copies.shape[1]
    left, right = k * base.left, k * base.right
    lifted_u = u[:, None] + base.left * np.arange(k)
    lifted_v = v[:, None] + base.right * copies
    indptr, indices, _ = sort_edges(lifted_u.ravel(), lifted_v.ravel(), left, right)
    return BipartiteGraph(left, right, indptr, indices, recipe)


def _num_edges(base: Any) -> int:
    if not isinstance(base, BipartiteGraph):
        raise ArgumentTypeError(f"base is a {type(base).__name__}, expected a BipartiteGraph")
    return base.num_edges


def _edge_labels(
    name: str, labels: ArrayLike, base: BipartiteGraph, shape: tuple[int, ...]
) -> NDArray[np.int64]:
    array = as_array(name, labels)
    if array.shape != shape:
        raise ArgumentError(
            f"{name} has shape {array.shape}, expected {shape}: one for each of the "
            f"{base.num_edges} edges"
        )
    if not np.issubdtype(array.dtype, np.integer) and array.size:
        raise ArgumentTypeError(f"{name} has dtype {array.dtype}, expected integers")
    return array.astype(np.int64)
