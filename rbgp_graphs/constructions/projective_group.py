"""Cayley graphs of 2 x 2 matrices over a finite field up to scalars."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.constructions.finite_field import FiniteField
from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.graph import BipartiteGraph

_LARGEST_NUM_EDGES = 2**24
_IntArray = NDArray[np.int64]


def group_order(order: int) -> int:
    """Return the number of elements of PSL(2, order)."""
    return order * (order * order - 1) // (1 if order % 2 == 0 else 2)


def check_size(name: str, order: int, degree: int) -> None:
    """Raise `InfeasibleError` if a graph on PSL(2, order) of this degree is too large."""
    num_edges = group_order(order) * degree
    if num_edges > _LARGEST_NUM_EDGES:
        raise InfeasibleError(
            f"{name} has {num_edges} edges, at most {_LARGEST_NUM_EDGES} fit; take a smaller graph"
        )


def cayley_graph(
    name: str, field: FiniteField, generators: _IntArray, recipe: dict[str, Any]
) -> BipartiteGraph:
    """Return the bipartite graph of the matrices g and g s for the generators s.

    The left vertices are the classes of matrices with square determinant. The right vertices
    are the classes with the determinants that g s has: nonsquare ones if those of the
    generators are nonsquare, else square ones again (a bipartite double cover).

    Parameters
    ----------
    name : str
        The graph, for errors.
    field : FiniteField
        The field of the entries.
    generators : ndarray of int64, shape (degree, 2, 2)
        Matrices whose determinants are all squares or all nonsquares.
    recipe : dict
        The recipe of the graph.

    Raises
    ------
    InfeasibleError
        If two generators differ by a scalar, so that the graph is not simple.
    """
    neighbors = np.sort(_neighbors(field, generators), axis=1)
    if (neighbors[:, 1:] == neighbors[:, :-1]).any():
        raise InfeasibleError(f"{name} has parallel edges; take a larger field")
    size, degree = neighbors.shape
    indptr = np.arange(size + 1, dtype=np.int64) * degree
    return BipartiteGraph(size, size, indptr, neighbors.ravel(), recipe)


def _neighbors(field: FiniteField, generators: _IntArray) -> _IntArray:
    """Return the right neighbours of all left vertices: shape (group order, degree).

    A class of matrices is known by its bottom row as a point (0:1) or (1:d) of the projective
    line, scaled so, by one more entry, and by its determinant among those that are allowed.
    """
    q = field.order
    nonzero = np.arange(1, q)
    squares = np.unique(field.multiply(nonzero, nonzero))
    rank = np.zeros(q, dtype=np.int64)
    rank[squares] = np.arange(len(squares))
    others = np.setdiff1d(nonzero, squares)
    rank[others] = np.arange(len(others))
    # A table look-up is faster than the field's own arithmetic on arrays of this size.
    elements = np.arange(q)
    sums = field.add(elements[:, None], elements).ravel()
    products = field.multiply(elements[:, None], elements).ravel()
    inverse, negative = field.inverse(elements), field.negate(elements)

    def add(x: Any, y: Any) -> _IntArray:
        return np.asarray(sums[x * q + y])

    def times(x: Any, y: Any) -> _IntArray:
        return np.asarray(products[x * q + y])

    half = len(squares)
    point, entry, number = np.ogrid[: q + 1, :q, :half]
    infinite = point == q
    det = squares[number]
    shape = (q + 1, q, half)
    # At infinity the matrix is (det, entry; 0, 1), else (entry, entry d - det; 1, d).
    row = np.minimum(point, q - 1)
    c, d = np.where(infinite, 0, 1), np.where(infinite, 1, row)
    a = np.where(infinite, det, entry)
    b = np.where(infinite, entry, add(times(entry, row), negative[det]))
    a, b, c, d = (np.broadcast_to(part, shape).ravel() for part in (a, b, c, d))
    columns = []
    for (e, f), (g, h) in generators.tolist():
        new_c, new_d = add(times(c, e), times(d, g)), add(times(c, f), times(d, h))
        at_infinity = new_c == 0
        scale = inverse[np.where(at_infinity, new_d, new_c)]
        new_a = times(add(times(a, e), times(b, g)), scale)
        new_b = times(add(times(a, f), times(b, h)), scale)
        new_d = times(new_d, scale)
        new_det = np.where(at_infinity, new_a, add(times(new_a, new_d), negative[new_b]))
        new_point = np.where(at_infinity, q, new_d)
        new_entry = np.where(at_infinity, new_b, new_a)
        columns.append((new_point * q + new_entry) * half + rank[new_det])
    return np.stack(columns, axis=1)
