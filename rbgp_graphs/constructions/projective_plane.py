"""Incidence graphs of projective planes."""

from __future__ import annotations

import numpy as np

from rbgp_graphs._validation import as_prime_power
from rbgp_graphs.constructions.finite_field import finite_field
from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.graph import BipartiteGraph

_LARGEST_ORDER = 512


def projective_plane(q: int) -> BipartiteGraph:
    r"""Return the incidence graph of lines and points of the projective plane PG(2, q).

    Parameters
    ----------
    q : int
        A prime power: the order of the plane.

    Returns
    -------
    BipartiteGraph
        With :math:`q^2 + q + 1` lines on the left and as many points on the right, degrees
        (q + 1, q + 1), girth 6 and diameter 3.

    Raises
    ------
    ArgumentError
        If q is not a prime power.
    InfeasibleError
        If q is above 512.
    MissingDependencyError
        If q is not prime and python-flint is not installed.

    Notes
    -----
    Any two lines meet in one point, so :math:`B B^T = qI + J`: the singular values are
    :math:`q + 1` once and :math:`\sqrt q` otherwise. No graph of this shape and degree has a
    smaller second singular value.

    Examples
    --------
    >>> projective_plane(2).girth()  # the Heawood graph
    6
    """
    p, k = as_prime_power("q", q)
    if p**k > _LARGEST_ORDER:
        raise InfeasibleError(f"projective_plane({q}) is too large, q is at most {_LARGEST_ORDER}")
    field = finite_field("q", q)
    q = field.order
    # Points (1, y, z), (0, 1, z), (0, 0, 1) have the numbers y q + z, q^2 + z, q^2 + q;
    # lines (a, b, 1), (a, 1, 0), (1, 0, 0) the numbers a q + b, q^2 + a, q^2 + q.
    elements = np.arange(q)
    a, b, y = elements[:, None, None], elements[:, None], elements
    z = field.negate(field.add(np.broadcast_to(a, (q, q, q)), field.multiply(b, y)[None]))
    affine = np.concatenate(
        (
            (y * q + z).reshape(q * q, q),
            np.tile(q * q + field.negate(elements), q)[:, None],
        ),
        axis=1,
    )
    vertical = np.concatenate(
        (field.negate(elements)[:, None] * q + elements, np.full((q, 1), q * q + q)), axis=1
    )
    infinite = q * q + np.arange(q + 1)[None]
    size = q * q + q + 1
    indices = np.sort(np.concatenate((affine, vertical, infinite)), axis=1).ravel()
    indptr = np.arange(size + 1, dtype=np.int64) * (q + 1)
    return BipartiteGraph(size, size, indptr, indices, {"kind": "projective_plane", "q": q})
