"""Hypothesis strategies for graphs and patterns.

This module needs hypothesis, which the package itself does not: import it in tests only. All
objects are small, so that a test can compare them with dense matrices.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs.constructions.complete import complete
from rbgp_graphs.constructions.lifts import cyclic_lift, lift, two_lift
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct


@st.composite
def bipartite_graphs(draw: st.DrawFn, *, min_side: int = 0, max_side: int = 6) -> BipartiteGraph:
    """Generate any bipartite graph: irregular, disconnected, without edges, without vertices.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    min_side, max_side : int
        Range of the number of vertices on each side.
    """
    left = draw(st.integers(min_side, max_side))
    right = draw(st.integers(min_side, max_side))
    cells = draw(st.lists(st.booleans(), min_size=left * right, max_size=left * right))
    return BipartiteGraph.from_biadjacency(np.array(cells, dtype=bool).reshape(left, right))


@st.composite
def biregular_graphs(
    draw: st.DrawFn, *, max_side: int = 8, min_degree: int = 1, max_switches: int = 6
) -> BipartiteGraph:
    """Generate a biregular graph with unequal sides and degrees.

    It starts from a circulant graph, where `u` and `v` are adjacent if ``v - u`` modulo the
    greatest common divisor of the sides is one of some offsets, and exchanges the ends of
    pairs of edges. Every feasible shape and degree occurs; disconnected graphs and complete
    graphs do too.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_side : int
        Largest number of vertices on a side.
    min_degree : int
        Smallest degree; 0 also gives graphs without edges.
    max_switches : int
        Largest number of exchanges tried. With 0 the graph is circulant.
    """
    # Sides with a common divisor, because all graphs with coprime sides are complete.
    divisor = draw(st.integers(1, max_side))
    multiples = st.integers(1, max_side // divisor)
    left, right = (max(min_degree, divisor * draw(multiples)) for _ in range(2))
    classes = math.gcd(left, right)
    # Every offset adds right / classes and left / classes to the degrees.
    fewest = -(-min_degree * classes // min(left, right))
    offsets = draw(st.sets(st.integers(0, classes - 1), min_size=fewest, max_size=classes))
    difference = (np.arange(right)[None, :] - np.arange(left)[:, None]) % classes
    cells = np.isin(difference, list(offsets))
    edges = np.argwhere(cells)
    if len(edges) > 1:
        place = st.integers(0, len(edges) - 1)
        for first, second in draw(st.lists(st.tuples(place, place), max_size=max_switches)):
            (u, v), (x, y) = edges[first], edges[second]
            if not (cells[u, y] or cells[x, v]):
                cells[[u, x, u, x], [v, y, y, v]] = False, False, True, True
                edges[first], edges[second] = (u, y), (x, v)
    return BipartiteGraph.from_biadjacency(cells)


@st.composite
def complete_graphs(draw: st.DrawFn, *, max_side: int = 4) -> BipartiteGraph:
    """Generate a complete bipartite graph, with sides from 1 to `max_side`."""
    return complete(draw(st.integers(1, max_side)), draw(st.integers(1, max_side)))


@st.composite
def signings(draw: st.DrawFn, base: BipartiteGraph) -> NDArray[np.int8]:
    """Generate one sign for each edge of `base`: int8 of +1 and -1, shape (num_edges,)."""
    count = base.num_edges
    return np.array(
        draw(st.lists(st.sampled_from((1, -1)), min_size=count, max_size=count)), dtype=np.int8
    )


@st.composite
def lifts(
    draw: st.DrawFn,
    *,
    base: st.SearchStrategy[BipartiteGraph] | None = None,
    max_levels: int = 2,
    max_edges: int = 128,
) -> BipartiteGraph:
    """Generate a tower of lifts, of several kinds, over a small biregular graph.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    base : strategy, optional
        Generates the graph below; `biregular_graphs` with sides up to 4 by default.
    max_levels : int
        Largest number of lifts, at least 1.
    max_edges : int
        The tower ends where the next lift would have more edges than this.
    """
    graph = draw(biregular_graphs(max_side=4) if base is None else base)
    for _ in range(draw(st.integers(1, max_levels))):
        graph = draw(_one_lift(graph, max(2, max_edges // max(1, graph.num_edges))))
        if 2 * graph.num_edges > max_edges:
            break
    return graph


@st.composite
def _one_lift(draw: st.DrawFn, base: BipartiteGraph, max_sheets: int) -> BipartiteGraph:

    kind = draw(st.sampled_from(("two_lift", "cyclic_lift", "lift")))
    if kind == "two_lift":
        return two_lift(base, draw(signings(base)))
    sheets = draw(st.integers(2, min(4, max_sheets)))
    count = base.num_edges
    if kind == "cyclic_lift":
        one = st.integers(0, sheets - 1)
        return cyclic_lift(base, sheets, draw(st.lists(one, min_size=count, max_size=count)))
    rows = draw(st.lists(st.permutations(range(sheets)), min_size=count, max_size=count))
    return lift(base, np.array(rows, dtype=np.int64).reshape(count, sheets))


def factor_graphs(*, max_side: int = 4) -> st.SearchStrategy[BipartiteGraph]:
    """Generate a graph that can be a factor of a product: biregular, with an edge."""
    return st.one_of(
        biregular_graphs(max_side=max_side),
        complete_graphs(max_side=min(3, max_side)),
        lifts(base=biregular_graphs(max_side=max(1, max_side // 2)), max_levels=1, max_edges=32),
    )


@st.composite
def tensor_products(draw: st.DrawFn, *, max_factors: int = 3, max_side: int = 4) -> TensorProduct:
    """Generate a product of one to `max_factors` biregular graphs."""
    factors = st.lists(factor_graphs(max_side=max_side), min_size=1, max_size=max_factors)
    return TensorProduct(*draw(factors))


@st.composite
def rbgp4_patterns(draw: st.DrawFn, *, twisted: bool | None = None, max_side: int = 4) -> RBGP4:
    """Generate an RBGP4 pattern, plain or twisted, shifted on either side.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    twisted : bool, optional
        Whether every pattern is given shifts (which may still all be zero), or none is. Both
        by default.
    max_side : int
        Largest side of the outer and inner graphs (lifts of smaller graphs included).
    """
    outer, inner = draw(factor_graphs(max_side=max_side)), draw(factor_graphs(max_side=max_side))
    small = st.tuples(st.integers(1, 3), st.integers(1, 3))
    repeat, block = draw(small), draw(small)
    if twisted is None:
        twisted = draw(st.booleans())
    if not twisted:
        return RBGP4(outer, repeat, inner, block)
    side: Any = draw(st.sampled_from(("right", "left")))
    modulus = inner.right if side == "right" else inner.left
    count = outer.num_edges
    shifts = draw(st.lists(st.integers(0, modulus - 1), min_size=count, max_size=count))
    return RBGP4(outer, repeat, inner, block, shifts, side)


def patterns(*, max_side: int = 4) -> st.SearchStrategy[TensorProduct]:
    """Generate a pattern: a `TensorProduct`, or an `RBGP4` plain or twisted."""
    return st.one_of(tensor_products(max_side=max_side), rbgp4_patterns(max_side=max_side))
