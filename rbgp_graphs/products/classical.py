"""The classical products of graphs, in their bipartite form.

Two readings of a `BipartiteGraph` occur here. `cartesian`, `strong` and `lexicographic` take it as
an ordinary graph, whose vertices are the left ones followed by the right ones. `replacement` takes
a square graph with a symmetric biadjacency matrix as the double cover of the ordinary graph with
that adjacency matrix. `zig_zag` needs neither: it works on the edges of any biregular graph.

A product that is not bipartite is returned as its *double cover*: the graph whose biadjacency
matrix is the adjacency matrix of the product. Singular values are then absolute eigenvalues.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products.tensor import check_factor

_Matrix = sparse.csr_array[Any, tuple[int, int]]

#: A gigabyte of indices; larger products are refused before they are built.
_LARGEST_NUM_EDGES = 1 << 28


def cartesian(first: BipartiteGraph, second: BipartiteGraph) -> BipartiteGraph:
    r"""Return the Cartesian product of two bipartite graphs, which is bipartite again.

    Vertices are pairs; two pairs are adjacent if they agree in one place and are adjacent in the
    other. With the sides :math:`(L_1, R_1)` and :math:`(L_2, R_2)` the left vertices are the
    pairs in :math:`L_1 \times L_2` followed by those in :math:`R_1 \times R_2`, and the right
    vertices the pairs in :math:`L_1 \times R_2` followed by those in :math:`R_1 \times L_2`,
    each in lexicographic order.

    Parameters
    ----------
    first, second : BipartiteGraph
        The factors, regular or not.

    Returns
    -------
    BipartiteGraph
        With ``first.left * second.left + first.right * second.right`` left vertices.

    Raises
    ------
    ArgumentTypeError
        If a factor is not a `BipartiteGraph`.
    InfeasibleError
        If the product would have more than 2**28 edges.

    Notes
    -----
    The eigenvalues of the whole adjacency matrix are the sums :math:`\lambda + \mu` of an
    eigenvalue of each factor [1]_. The gap of the product is the smaller of the two gaps while
    its degree is the sum, so products of many factors (grids, the hypercube) are poor expanders.

    References
    ----------
    .. [1] A. E. Brouwer and W. H. Haemers, Spectra of Graphs, Springer 2012, section 1.4.6.

    Examples
    --------
    >>> from rbgp_graphs import complete
    >>> edge = complete(1, 1)
    >>> cube = cartesian(cartesian(edge, edge), edge)
    >>> cube.shape, cube.degrees, cube.diameter()
    ((4, 4), (3, 3), 3)
    """
    _check_graph("first", first)
    _check_graph("second", second)
    _check_size(_order(first) * second.num_edges + _order(second) * first.num_edges)
    one, two = first.biadjacency(np.int8), second.biadjacency(np.int8)
    blocks = [
        [_kron(_identity(first.left), two), _kron(one, _identity(second.left))],
        [_kron(one.T, _identity(second.right)), _kron(_identity(first.right), two.T)],
    ]
    return _graph(sparse.block_array(blocks))


def strong(first: BipartiteGraph, second: BipartiteGraph) -> BipartiteGraph:
    r"""Return the double cover of the strong product of two bipartite graphs.

    Two different pairs of vertices are adjacent if they are equal or adjacent in each place. The
    product of two edges is already :math:`K_4`, so this product is not bipartite. The pair
    :math:`(a, b)` has the number ``a * n + b``, where n is the number of vertices of `second` and
    the vertices of a factor are its left ones followed by its right ones.

    Parameters
    ----------
    first, second : BipartiteGraph
        The factors, regular or not.

    Returns
    -------
    BipartiteGraph
        Square, with a symmetric biadjacency matrix: the adjacency matrix of the strong product.

    Raises
    ------
    ArgumentTypeError
        If a factor is not a `BipartiteGraph`.
    InfeasibleError
        If the product would have more than 2**28 edges.

    Notes
    -----
    The adjacency matrix is :math:`(A_1 + I) \otimes (A_2 + I) - I`. Its eigenvalues are
    :math:`(\lambda + 1)(\mu + 1) - 1` for the eigenvalues of the whole adjacency matrices of the
    factors [1]_, and the singular values of the result are their absolute values.

    References
    ----------
    .. [1] A. E. Brouwer and W. H. Haemers, Spectra of Graphs, Springer 2012, section 1.4.8.

    Examples
    --------
    >>> from rbgp_graphs import complete
    >>> strong(complete(1, 1), complete(1, 1)).biadjacency(int).toarray()
    array([[0, 1, 1, 1],
           [1, 0, 1, 1],
           [1, 1, 0, 1],
           [1, 1, 1, 0]])
    """
    _check_graph("first", first)
    _check_graph("second", second)
    orders = (_order(first), _order(second))
    _check_size((2 * first.num_edges + orders[0]) * (2 * second.num_edges + orders[1]))
    one, two = (_adjacency(g) + _identity(_order(g)) for g in (first, second))
    return _graph(_kron(one, two) - _identity(orders[0] * orders[1]))


def lexicographic(first: BipartiteGraph, second: BipartiteGraph) -> BipartiteGraph:
    r"""Return the double cover of the lexicographic product of two bipartite graphs.

    Every vertex of `first` becomes a copy of `second`, and all vertices of two copies are
    adjacent if their vertices of `first` are. This product is not bipartite as soon as both
    factors have edges. Pairs are numbered as in `strong`.

    Parameters
    ----------
    first, second : BipartiteGraph
        The factors, regular or not.

    Returns
    -------
    BipartiteGraph
        Square, with a symmetric biadjacency matrix: the adjacency matrix of the product.

    Raises
    ------
    ArgumentTypeError
        If a factor is not a `BipartiteGraph`.
    InfeasibleError
        If the product would have more than 2**28 edges.

    Notes
    -----
    The adjacency matrix is :math:`A_1 \otimes J + I \otimes A_2`, with the all-ones matrix J.
    If `second` is regular of degree d on n vertices, the eigenvalues are
    :math:`n \lambda + d` for every eigenvalue :math:`\lambda` of `first` (vectors that are
    constant on every copy), and the eigenvalues of `second` other than one d, each as often as
    `first` has vertices (vectors that sum to zero on every copy). Large copies therefore ruin the
    gap unless `first` has a large one.

    Examples
    --------
    >>> from rbgp_graphs import complete
    >>> product = lexicographic(complete(1, 1), complete(2, 2))
    >>> product.shape, product.degrees
    ((8, 8), (6, 6))
    """
    _check_graph("first", first)
    _check_graph("second", second)
    orders = (_order(first), _order(second))
    _check_size(2 * first.num_edges * orders[1] ** 2 + 2 * second.num_edges * orders[0])
    ones = sparse.csr_array(np.ones((orders[1], orders[1]), dtype=np.int8))
    return _graph(_kron(_adjacency(first), ones) + _kron(_identity(orders[0]), _adjacency(second)))


def replacement(outer: BipartiteGraph, inner: BipartiteGraph) -> BipartiteGraph:
    r"""Return the double cover of the replacement product of two ordinary graphs.

    Both factors are given as double covers, square with symmetric biadjacency matrices. Every
    vertex of the D-regular graph `outer` becomes a cloud: a copy of `inner`, which has D
    vertices. The i-th edge of a vertex starts at vertex i of its cloud, where edges are numbered
    by ascending neighbours (the rotation map). Vertex i of cloud u has the number ``u * D + i``.

    Parameters
    ----------
    outer : BipartiteGraph
        Symmetric, regular of degree D, with no edge (u, u).
    inner : BipartiteGraph
        Symmetric, regular of degree d, with D vertices on each side.

    Returns
    -------
    BipartiteGraph
        Square and symmetric, regular of degree d + 1.

    Raises
    ------
    ArgumentTypeError
        If a factor is not a `BipartiteGraph`.
    ArgumentError
        If a factor is not square, symmetric and regular with an edge, `outer` has an edge (u, u),
        or the size of `inner` is not the degree of `outer`.
    InfeasibleError
        If the product would have more than 2**28 edges.

    Notes
    -----
    The adjacency matrix is :math:`P + I \otimes A`, where P matches the two ends of each edge of
    `outer`. Write :math:`\lambda_1, \lambda_2, \lambda` for :math:`\sigma_2/\sigma_1` of `outer`,
    `inner` and the product. The cube of the walk on the product holds the walk on the zig-zag
    product with probability :math:`p = d^2/(d+1)^3`, so [1]_

    .. math:: \lambda^3 \le 1 - p + p (\lambda_1 + \lambda_2 + \lambda_2^2).

    References
    ----------
    .. [1] O. Reingold, S. Vadhan and A. Wigderson, Entropy waves, the zig-zag graph product, and
       new constant-degree expanders, Annals of Mathematics 155 (2002), 157-187,
       arXiv:math/0406038.

    Examples
    --------
    >>> tetrahedron = BipartiteGraph.from_biadjacency(1 - np.eye(4))
    >>> triangle = BipartiteGraph.from_biadjacency(1 - np.eye(3))
    >>> replacement(tetrahedron, triangle).degrees  # the truncated tetrahedron
    (3, 3)
    """
    degree = _check_undirected("outer", outer)
    inner_degree = _check_undirected("inner", inner)
    if outer.biadjacency(np.int8).diagonal().any():
        raise ArgumentError("outer has an edge (u, u), expected an adjacency matrix without loops")
    _check_cloud("inner", inner.left, degree, "degree")
    _check_size(outer.num_edges * (1 + inner_degree))
    clouds = _kron(_identity(outer.left), inner.biadjacency(np.int8))
    return _graph(_rotation(outer) + clouds)


def zig_zag(
    outer: BipartiteGraph, inner: BipartiteGraph, right_inner: BipartiteGraph | None = None
) -> BipartiteGraph:
    r"""Return the zig-zag product of biregular graphs.

    An edge of the product is a step in a small graph, a step along an edge of `outer`, and
    another step in a small graph. Left vertex i of `inner` in cloud u is adjacent to right vertex
    j of `right_inner` in cloud v if `outer` has the edge (u, v), this is edge number k of u
    and edge number l of v, (i, k) is an edge of `inner` and (l, j) one of `right_inner`. The edges
    of a vertex are numbered by ascending neighbours (the rotation map). A pair (u, i) has the
    number ``u * n + i``, with the n vertices i of its cloud.

    Parameters
    ----------
    outer : BipartiteGraph
        Biregular.
    inner : BipartiteGraph
        Biregular; its right side is the left degree of `outer`.
    right_inner : BipartiteGraph, optional
        Biregular; its left side is the right degree of `outer`. By default ``inner.T``, which
        needs equal degrees of `outer`.

    Returns
    -------
    BipartiteGraph
        With ``outer.left * inner.left`` left and ``outer.right * right_inner.right`` right
        vertices. Its degrees are the products of those of `inner` and `right_inner`.

    Raises
    ------
    ArgumentTypeError
        If a factor is not a `BipartiteGraph`.
    ArgumentError
        If a factor is not biregular with an edge, or the sizes do not fit.
    InfeasibleError
        If the product would have more than 2**28 edges.

    Notes
    -----
    The biadjacency matrix is :math:`(I \otimes H) P (I \otimes H')`, where P matches the two
    ends of each edge of `outer`. With :math:`\lambda_1, \lambda_2, \lambda_2'` for
    :math:`\sigma_2/\sigma_1` of the three graphs, the product has

    .. math:: \sigma_2/\sigma_1 \le \lambda_1 + \max(\lambda_2, \lambda_2') + \lambda_2\lambda_2',

    which is the bound :math:`\lambda_1 + \lambda_2 + \lambda_2^2` of [1]_ for one small graph.
    With symmetric `outer` and `inner` this is the double cover of their zig-zag product.
    The degrees depend on the small graphs alone, the gap on all three.

    References
    ----------
    .. [1] O. Reingold, S. Vadhan and A. Wigderson, Entropy waves, the zig-zag graph product, and
       new constant-degree expanders, Annals of Mathematics 155 (2002), 157-187,
       arXiv:math/0406038.

    Examples
    --------
    >>> from rbgp_graphs import field_lift, projective_plane
    >>> product = zig_zag(field_lift(7, 7), projective_plane(2))
    >>> product.shape, product.degrees
    ((343, 343), (9, 9))
    """
    check_factor("outer", outer)
    check_factor("inner", inner)
    left_degree, right_degree = _degrees(outer)
    _check_cloud("inner", inner.right, left_degree, "left degree")
    if right_inner is None:
        if left_degree != right_degree:
            raise ArgumentError(
                f"outer has degrees ({left_degree}, {right_degree}), so right_inner must be given: "
                f"a graph with {right_degree} left vertices"
            )
        right_inner = inner.T
    check_factor("right_inner", right_inner)
    _check_cloud("right_inner", right_inner.left, right_degree, "right degree")
    # Each edge of outer joins all pairs of a neighbour of its one end and one of its other.
    _check_size(outer.num_edges * _degrees(inner)[1] * _degrees(right_inner)[0])
    zig = _kron(_identity(outer.left), inner.biadjacency(np.int8))
    zag = _kron(_identity(outer.right), right_inner.biadjacency(np.int8))
    return _graph(zig @ _rotation(outer) @ zag)


def _rotation(outer: BipartiteGraph) -> _Matrix:
    """Return the permutation matrix from the edges by left vertex to those by right vertex."""
    order = outer.transpose_order
    ones = np.ones(outer.num_edges, dtype=np.int8)
    places = (order, np.arange(outer.num_edges))
    return sparse.csr_array((ones, places), shape=(outer.num_edges, outer.num_edges))


def _adjacency(graph: BipartiteGraph) -> _Matrix:
    matrix = graph.biadjacency(np.int8)
    corners = [sparse.csr_array((side, side), dtype=np.int8) for side in graph.shape]
    blocks: Any = [[corners[0], matrix], [matrix.T, corners[1]]]
    return sparse.csr_array(sparse.block_array(blocks))


def _identity(size: int) -> _Matrix:
    return sparse.csr_array(sparse.eye_array(size, dtype=np.int8))


def _kron(one: Any, two: Any) -> _Matrix:
    return sparse.csr_array(sparse.kron(one, two))


def _graph(matrix: Any) -> BipartiteGraph:
    return BipartiteGraph.from_biadjacency(sparse.csr_array(matrix))


def _order(graph: BipartiteGraph) -> int:
    return graph.left + graph.right


def _degrees(graph: BipartiteGraph) -> tuple[int, int]:
    return graph.degrees or (0, 0)


def _check_graph(name: str, graph: Any) -> None:
    if not isinstance(graph, BipartiteGraph):
        raise ArgumentTypeError(f"{name} is a {type(graph).__name__}, expected a BipartiteGraph")


def _check_undirected(name: str, graph: BipartiteGraph) -> int:
    """Return the degree of a graph given by its double cover, or raise."""
    check_factor(name, graph)
    if graph.left != graph.right:
        raise ArgumentError(
            f"{name} has shape {graph.shape}, expected a square graph: the double cover of an "
            "ordinary one"
        )
    if graph != graph.T:
        raise ArgumentError(
            f"{name} has no symmetric biadjacency matrix, so it is not the double cover of an "
            "ordinary graph; zig_zag takes any biregular graph"
        )
    return _degrees(graph)[0]


def _check_cloud(name: str, size: int, expected: int, degree_name: str) -> None:
    if size != expected:
        raise ArgumentError(
            f"{name} has {size} vertices where it meets outer, expected {expected}, the "
            f"{degree_name} of outer"
        )


def _check_size(num_edges: int) -> None:
    if num_edges > _LARGEST_NUM_EDGES:
        raise InfeasibleError(
            f"the product has about {num_edges} edges, at most {_LARGEST_NUM_EDGES} fit; "
            "TensorProduct and RBGP4 are never materialised"
        )
