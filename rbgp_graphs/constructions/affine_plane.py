"""Incidence graphs of affine planes."""

from __future__ import annotations

import numpy as np

from rbgp_graphs.constructions.finite_field import finite_field
from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.graph import BipartiteGraph

_LARGEST_ORDER = 512


def affine_plane(q: int) -> BipartiteGraph:
    r"""Return the incidence graph of points and lines of the affine plane AG(2, q).

    Parameters
    ----------
    q : int
        A prime power: the order of the plane.

    Returns
    -------
    BipartiteGraph
        With :math:`q^2` points on the left, :math:`q^2 + q` lines on the right, degrees
        (q + 1, q), girth 6 and diameter 4.

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
    Any two points lie on one line, so :math:`B B^T = qI + J`: the singular values are
    :math:`\sqrt{q(q+1)}` once and :math:`\sqrt q` otherwise.

    Examples
    --------
    >>> graph = affine_plane(3)
    >>> graph.shape, graph.degrees, graph.girth()
    ((9, 12), (4, 3), 6)
    """
    field = finite_field("q", q)
    q = field.order
    if q > _LARGEST_ORDER:
        raise InfeasibleError(f"affine_plane({q}) is too large, q is at most {_LARGEST_ORDER}")
    # The point (x, y) has the number x q + y, the line y = m x + c the number m q + c and the
    # line x = c the number q^2 + c.
    x, y, m = np.ogrid[:q, :q, :q]
    sloped = m * q + field.subtract(np.broadcast_to(y, (q, q, q)), field.multiply(m, x))
    vertical = np.broadcast_to(q * q + x, (q, q, 1))
    indices = np.concatenate((sloped, vertical), axis=2).ravel()
    indptr = np.arange(q * q + 1, dtype=np.int64) * (q + 1)
    return BipartiteGraph(q * q, q * q + q, indptr, indices, {"kind": "affine_plane", "q": q})
