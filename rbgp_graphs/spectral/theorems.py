"""What theorems say about families of graphs, and structure that is read off a graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral.composition import field_lift_fibres
from rbgp_graphs.spectral.gram import Rows

#: Largest side for `satisfies_gram_identity`, which multiplies dense matrices.
LARGEST_IDENTITY_SIDE = 4096


@dataclass(frozen=True)
class FamilyTheorem:
    r"""A theorem about :math:`\sigma_2^2` of a family.

    Attributes
    ----------
    parameters : tuple of str
        Names of the parameters of the construction.
    square : callable
        From the parameters to an integer that :math:`\sigma_2^2` does not exceed.
    is_exact : bool
        Whether it is equal.
    source : str
        Who proved it.
    """

    parameters: tuple[str, ...]
    square: Callable[..., int]
    is_exact: bool
    source: str


def _field_lift_square(q: int, b: int, m: int, j: int) -> int:
    fibres, _ = field_lift_fibres(q, b, m, j)
    return q * max(fibres)


THEOREMS: dict[str, FamilyTheorem] = {
    "affine_plane": FamilyTheorem(
        ("q",), lambda q: q, is_exact=True, source="two points lie on one line"
    ),
    "array_code": FamilyTheorem(
        ("l", "q"),
        lambda q, l: -(-l // q) * q,  # noqa: E741 - the name in the paper
        is_exact=True,
        source="Burnwal, Sinha and Vidyasagar, arXiv:1910.03937",
    ),
    "chiu": FamilyTheorem(
        ("q",),
        lambda q: 8,  # noqa: ARG005 - the bound does not depend on q
        is_exact=False,
        source="Chiu, Cubic Ramanujan graphs, Combinatorica 12 (1992)",
    ),
    "field_lift": FamilyTheorem(
        ("b", "j", "m", "q"),
        _field_lift_square,
        is_exact=True,
        source="fibres of the characters of an abelian lift, counted",
    ),
    "generalized_hexagon": FamilyTheorem(
        ("q",),
        lambda q: 3 * q,
        is_exact=True,
        source="Feit and Higman 1964, eigenvalues of generalized polygons",
    ),
    "generalized_quadrangle": FamilyTheorem(
        ("s", "t"),
        lambda s, t: s + t,
        is_exact=True,
        source="a point off a line is collinear with one point of the line",
    ),
    "lps": FamilyTheorem(
        ("p", "q"),
        lambda p, q: 4 * p,  # noqa: ARG005 - the bound does not depend on q
        is_exact=False,
        source=(
            "Lubotzky, Phillips, Sarnak 1988; primes 3 modulo 4 as constructed in "
            "Davidoff, Sarnak, Valette 2003"
        ),
    ),
    "morgenstern": FamilyTheorem(
        ("d", "q"),
        lambda q, d: 4 * q,  # noqa: ARG005 - the bound does not depend on d
        is_exact=False,
        source="Morgenstern, J. Combin. Theory B 62 (1994)",
    ),
    "projective_plane": FamilyTheorem(
        ("q",), lambda q: q, is_exact=True, source="two lines meet in one point"
    ),
}


def satisfies_gram_identity(rows: Rows, square: int) -> bool:
    """Say whether G (G - s I) is a multiple of the all-ones matrix, in exact arithmetic.

    False also where the matrix is too large or its entries too big for that.
    """
    # The rows of G sum to at most `trivial`, so every sum in the product stays below its square.
    if rows.size > LARGEST_IDENTITY_SIDE or rows.trivial * max(rows.trivial, square) > 2**51:
        return False
    gram = rows.gram()
    product = gram @ gram
    gram *= float(square)
    product -= gram
    return bool((product == product[0, 0]).all())


def split_two_lift(graph: BipartiteGraph) -> tuple[BipartiteGraph, Rows] | None:
    """Return base and signed matrix if the two halves of the vertices are copies of a base.

    Returns
    -------
    base : BipartiteGraph
    signed : Rows
        With -1 for the edges that the lift crosses. None if the graph is not such a lift.
    """
    left, right = graph.left // 2, graph.right // 2
    if graph.left % 2 or graph.right % 2 or not left or not right:
        return None
    matrix = graph.biadjacency(np.float64)
    upper, lower = matrix[:left], matrix[left:]
    parallel, crossed = upper[:, :right], upper[:, right:]
    differences = abs(lower[:, right:] - parallel) + abs(lower[:, :right] - crossed)
    if differences.count_nonzero():
        return None
    base = sparse.csr_array(parallel + crossed)
    if base.nnz and base.data.max() > 1:
        return None
    return BipartiteGraph.from_biadjacency(base), Rows.of_signed(parallel - crossed)
