"""Symmetries of graphs: proposed for a family, checked on the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs._validation import prime_power
from rbgp_graphs.constructions.finite_field import FiniteField, finite_field
from rbgp_graphs.constructions.projective_group import group_order
from rbgp_graphs.spectral.gram import Rows

#: Entries of a Gram matrix that is compared with its image: 192 MiB for each of the two.
_LARGEST_GRAM = 2**24

_IntArray = NDArray[np.int64]


def orbits(rows: Rows, permutations: list[_IntArray]) -> _IntArray | None:
    """Return the orbits of rows under permutations that leave the Gram matrix as it is.

    Parameters
    ----------
    rows : Rows
        The matrix.
    permutations : list of ndarray of int64, shape (n,)
        Where each row goes. They are not trusted.

    Returns
    -------
    ndarray of int64, shape (n,), or None
        The number of the orbit of each row. None if something is not a permutation of the rows
        or changes the Gram matrix, or if that matrix has too many entries.
    """
    from scipy.sparse import csgraph

    size = rows.size
    everyone = np.arange(size)
    # A row reaches itself by all of its walks, and at most one row by each of the others.
    if size * min(size, 1 + rows.trivial - rows.largest_degree) > _LARGEST_GRAM:
        return None
    gram = sparse.csr_array(rows.matrix @ rows.matrix.T)
    for permutation in permutations:
        if permutation.shape != (size,) or (np.sort(permutation) != everyone).any():
            return None
        changed: Any = gram[permutation][:, permutation] != gram
        if changed.nnz:
            return None
    images = np.concatenate((everyone, *permutations))
    sources = np.tile(everyone, len(permutations) + 1)
    joined = sparse.csr_array(
        (np.ones(len(images), dtype=np.int8), (sources, images)), shape=(size, size)
    )
    labels: _IntArray = csgraph.connected_components(joined, directed=False)[1].astype(np.int64)
    return labels


def projective_translations(order: int) -> list[_IntArray] | None:
    """Return left multiplications of PSL(2, order) on itself, numbered as in the LPS graphs.

    Parameters
    ----------
    order : int
        Number of elements of the field; None is returned unless it is a prime power.

    Returns
    -------
    list of ndarray of int64, shape (group order,)
        Those with generators of the group, so that all elements are one orbit. The numbers are
        those of the file format: those of the left vertices of `rbgp_graphs.lps`,
        `rbgp_graphs.chiu` and `rbgp_graphs.morgenstern`.
    """
    if prime_power(order) is None:
        return None
    field = finite_field("order", order)
    elements = np.arange(1, order)
    squares = np.unique(field.multiply(elements, elements))
    matrices = _elements(field, squares)
    # Every class of squares takes part: the inverses of generators s times the squares of a
    # primitive element give all upper triangular matrices.
    primitive = _primitive_element(field)
    generators = [
        (1, 1, 0, 1),
        (0, 1, int(field.negate(1)), 0),
        (primitive, 0, 0, int(field.inverse(primitive))),
    ]
    return [_numbers(field, squares, _product(field, g, matrices)) for g in generators]


def _elements(field: FiniteField, squares: _IntArray) -> tuple[_IntArray, ...]:
    """Return a, b, c, d of the scaled matrices of square determinant, in order."""
    q = field.order
    point, entry, rank = np.unravel_index(np.arange(group_order(q)), (q + 1, q, len(squares)))
    determinant = squares[rank]
    infinite = point == q
    row = np.minimum(point, q - 1)
    a = np.where(infinite, determinant, entry)
    b = np.where(infinite, entry, field.subtract(field.multiply(entry, row), determinant))
    return a, b, np.where(infinite, 0, 1), np.where(infinite, 1, row)


def _product(
    field: FiniteField, left: tuple[int, ...], right: tuple[_IntArray, ...]
) -> tuple[_IntArray, ...]:
    (a, b, c, d), (e, f, g, h) = left, right
    add, times = field.add, field.multiply
    return (
        add(times(a, e), times(b, g)),
        add(times(a, f), times(b, h)),
        add(times(c, e), times(d, g)),
        add(times(c, f), times(d, h)),
    )


def _numbers(field: FiniteField, squares: _IntArray, matrices: tuple[_IntArray, ...]) -> _IntArray:
    """Return the numbers of matrices of square determinant."""
    q = field.order
    c, d = matrices[2:]
    scale = field.inverse(np.where(c == 0, d, c))
    a, b, c, d = (field.multiply(part, scale) for part in matrices)
    determinant = field.subtract(field.multiply(a, d), field.multiply(b, c))
    rank = np.searchsorted(squares, determinant)
    point, entry = np.where(c == 0, q, d), np.where(c == 0, b, a)
    return (point * q + entry) * len(squares) + rank


def _primitive_element(field: FiniteField) -> int:
    q = field.order
    factors = [p for p in range(2, q) if (q - 1) % p == 0 and all(p % r for r in range(2, p))]
    return next(
        x for x in range(1, q) if all(int(field.power(x, (q - 1) // p)) != 1 for p in factors)
    )
