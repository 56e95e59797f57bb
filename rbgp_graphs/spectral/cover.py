"""The spectral radius of the universal cover: the Ramanujan bound of an irregular graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.spectral.irregular import as_pattern, component_blocks, two_largest_of_matrix

_MAX_STEPS = 20_000


def universal_cover_bound(mask: Any, *, rtol: float = 1e-9) -> float:
    r"""Return the spectral radius of the universal cover of a bipartite graph.

    It is to a graph with any degrees what :math:`\sqrt{d_l-1}+\sqrt{d_r-1}` is to a biregular
    one: a connected graph is called Ramanujan if its second singular value keeps to it.

    Parameters
    ----------
    mask : BipartiteGraph, TensorProduct, array_like or SciPy sparse array, shape (left, right)
        The graph, or a matrix whose nonzero entries are its edges.
    rtol : float
        Largest relative error, from 1e-12 to 1.

    Returns
    -------
    float
        The radius; the largest one if there are several components, 0 if there is no edge.
        That of a tree is its own largest singular value.

    Raises
    ------
    ArgumentTypeError
        If the entries of the mask are not numbers.
    ArgumentError
        If the mask is not a finite matrix, `rtol` leaves its range, or the error is still
        larger than `rtol` after 20 000 steps (seen with `rtol` below 1e-7 on few cycles joined
        by long paths).

    Notes
    -----
    The radius :math:`\rho` is the smallest :math:`\lambda` for which the branches of the cover
    have positive Green's functions :math:`w_{uv} = 1/(\lambda - \sum_{x \sim v, x \ne u} w_{vx})`.
    With the non-backtracking matrix :math:`B` of the directed edges this says that
    :math:`g_e(w) = 1/w_e + (Bw)_e \le \lambda` for a positive :math:`w`, which is a convex
    problem in :math:`\log w`. Its dual bounds :math:`\rho` from below:

    .. math:: \frac{2 \sum_e \sqrt{v_e (B^T v)_e}}{\sum_e v_e} \le \rho \le \max_e g_e(w)

    for all positive v and w. Setting :math:`w = \sqrt{v / B^T v}` closes the gap at the optimum,
    and multiplying :math:`v_e` by a power of :math:`g_e(w)` leads there, so the result carries
    its own error bound. A step costs as much as a pass over the edges.

    No infinite family of graphs with one universal cover has smaller second singular values in
    the limit [1]_, and every graph has a 2-lift whose new values keep to the bound [2]_. The
    bound says nothing about a single small graph: random masks are usually below it.

    References
    ----------
    .. [1] Y. Greenberg, On the spectrum of graphs and their universal coverings, PhD thesis,
       Hebrew University of Jerusalem, 1995.
    .. [2] A. W. Marcus, D. A. Spielman and N. Srivastava, Interlacing families I: bipartite
       Ramanujan graphs of all degrees, Annals of Mathematics 182 (2015), 307-325.

    Examples
    --------
    >>> from rbgp_graphs import random_biregular
    >>> round(universal_cover_bound(random_biregular(10, 20, 10, rng=0)), 7)  # 3 + 2
    5.0
    >>> universal_cover_bound([[1, 1, 1, 1]])  # a tree
    2.0
    """
    if isinstance(rtol, (bool, str)) or not 1e-12 <= rtol <= 1:
        raise ArgumentError(f"rtol is {rtol!r}, expected a number from 1e-12 to 1")
    pattern = as_pattern(mask)
    if isinstance(pattern, TensorProduct):
        small, large = sorted((pattern.row_degree, pattern.col_degree))
        return math.sqrt(large) if small == 1 else math.sqrt(small - 1) + math.sqrt(large - 1)
    radius = 0.0
    if pattern.num_edges:
        for block in component_blocks(pattern.biadjacency(np.float64)):
            # A connected graph is a tree if it has one edge less than vertices.
            if block.nnz == sum(block.shape) - 1:
                radius = max(radius, two_largest_of_matrix(block)[0])
            else:
                radius = max(radius, _radius_of_component(block, rtol))
    return radius


def _radius_of_component(block: sparse.csr_array[Any, tuple[int, int]], rtol: float) -> float:
    """Return the radius for a connected graph with a cycle."""
    tail, head, reverse = _recurring_edges(BipartiteGraph.from_biadjacency(block))
    size = len(tail)
    vertices = sum(block.shape)
    # The last entry stays 0; it stands for reverse edges that have been left out.
    v, w = np.full(size + 1, 1.0 / size), np.zeros(size + 1)
    v[size] = 0.0
    lower, upper = 0.0, math.inf
    for _ in range(_MAX_STEPS):
        before = np.bincount(head, v[:-1], vertices)[tail] - v[reverse]
        w[:-1] = np.sqrt(v[:-1] / before)
        g = 1 / w[:-1] + np.bincount(tail, w[:-1], vertices)[head] - w[reverse]
        value = 2 * float(np.sqrt(v[:-1] * before).sum())
        lower, upper = max(lower, value), min(upper, float(g.max()))
        if upper - lower <= rtol * upper:
            return (lower + upper) / 2
        # The power 3/2 takes two thirds of the steps of 1; 2 does not converge.
        step = g / value
        v[:-1] *= step * np.sqrt(step)
        v /= v.sum()
    raise ArgumentError(
        f"rtol is {rtol:g}, but after {_MAX_STEPS} steps the bound is only known to lie between "
        f"{lower!r} and {upper!r}; pass rtol={2 * (upper - lower) / upper:.1g} or more"
    )


def _recurring_edges(
    graph: BipartiteGraph,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return tails, heads and reverses of the directed edges that can be reached from a cycle.

    Edges that lead from a pending tree towards the cycles bound nothing and are left out. The
    reverse of an edge whose reverse was left out is the number of edges.
    """
    u, v = graph.edges.T
    tail = np.concatenate((u, v + graph.left))
    head = np.concatenate((v + graph.left, u))
    count = len(u)
    reverse = np.concatenate((np.arange(count, 2 * count), np.arange(count)))
    kept = np.ones(2 * count, dtype=bool)
    while True:
        entering = np.bincount(head[kept], minlength=sum(graph.shape))
        still = kept & (entering[tail] - kept[reverse] > 0)
        if still.sum() == kept.sum():
            break
        kept = still
    number = np.where(kept, np.cumsum(kept) - 1, kept.sum())
    return tail[kept], head[kept], number[reverse][kept]
