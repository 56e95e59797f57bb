from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs import field_lift, projective_plane
from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import cartesian, lexicographic, replacement, strong, zig_zag
from rbgp_graphs.spectral import verify
from rbgp_graphs.testing.strategies import bipartite_graphs, biregular_graphs

GRAPHS = bipartite_graphs(max_side=4)
FIRST_THREE = (cartesian, strong, lexicographic)


def adjacency(graph: BipartiteGraph) -> NDArray[np.int64]:
    matrix = graph.biadjacency(np.int64).toarray()
    left, right = graph.shape
    zeros = (np.zeros((side, side), dtype=np.int64) for side in (left, right))
    return np.block([[next(zeros), matrix], [matrix.T, next(zeros)]])


def eigenvalues(graph: BipartiteGraph) -> NDArray[np.float64]:
    return np.linalg.eigvalsh(adjacency(graph)) if sum(graph.shape) else np.empty(0)


def own_eigenvalues(cover: BipartiteGraph) -> NDArray[np.float64]:
    """Return the eigenvalues of the ordinary graph of which this is the double cover."""
    matrix = cover.biadjacency(float).toarray()
    assert (matrix == matrix.T).all()
    assert not matrix.diagonal().any()
    return np.linalg.eigvalsh(matrix) if len(matrix) else np.empty(0)


def ratio(graph: BipartiteGraph) -> float:
    values = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
    return float(values[1] / values[0]) if len(values) > 1 else 0.0


def assert_same(found: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    assert found.shape == expected.ravel().shape
    np.testing.assert_allclose(np.sort(found), np.sort(expected.ravel()), atol=1e-9)


def ordinary_graphs(size: int, degree: int, seed: int) -> BipartiteGraph:
    graph = nx.random_regular_graph(degree, size, seed=seed)
    return BipartiteGraph.from_biadjacency(nx.to_numpy_array(graph))


# Spectral statements


@settings(max_examples=30)
@given(GRAPHS, GRAPHS)
def test_eigenvalues_of_a_cartesian_product_are_sums(
    first: BipartiteGraph, second: BipartiteGraph
) -> None:
    sums = np.add.outer(eigenvalues(first), eigenvalues(second))
    assert_same(eigenvalues(cartesian(first, second)), sums)


@settings(max_examples=30)
@given(GRAPHS, GRAPHS)
def test_eigenvalues_of_a_strong_product_are_shifted_products(
    first: BipartiteGraph, second: BipartiteGraph
) -> None:
    values = np.multiply.outer(eigenvalues(first) + 1, eigenvalues(second) + 1) - 1
    assert_same(own_eigenvalues(strong(first, second)), values)


@settings(max_examples=30)
@given(GRAPHS, st.integers(1, 4), st.integers(0, 4), st.integers(0, 99))
def test_eigenvalues_of_a_lexicographic_product_with_a_regular_factor(
    first: BipartiteGraph, side: int, degree: int, seed: int
) -> None:
    degree = min(degree, side)
    shifts = np.random.default_rng(seed).permutation(side)[:degree]
    rows = np.repeat(np.arange(side), degree)
    edges = np.column_stack((rows, (rows + np.tile(shifts, side)) % side))
    second = BipartiteGraph.from_edges(edges, shape=(side, side))
    # eigvalsh sorts ascending, so the last eigenvalue is the one of the constant vector.
    others = np.tile(eigenvalues(second)[:-1], sum(first.shape))
    values = np.concatenate((2 * side * eigenvalues(first) + degree, others))
    assert_same(own_eigenvalues(lexicographic(first, second)), values)


@settings(max_examples=20)
@given(st.sampled_from([(8, 3), (9, 4), (10, 5)]), st.integers(0, 99))
def test_a_replacement_product_keeps_to_the_bound(shape: tuple[int, int], seed: int) -> None:
    size, degree = shape
    outer = ordinary_graphs(size, degree, seed)
    inner = ordinary_graphs(degree, 2, seed)
    product = replacement(outer, inner)
    assert product.shape == (size * degree, size * degree)
    assert product.degrees == (3, 3)
    own_eigenvalues(product)
    one, two = ratio(outer), ratio(inner)
    share = 4 / 27
    assert ratio(product) ** 3 <= 1 - share + share * (one + two + two**2) + 1e-9


@settings(max_examples=40)
@given(biregular_graphs(max_side=8), st.data())
def test_a_zig_zag_product_keeps_to_the_bound(outer: BipartiteGraph, data: st.DataObject) -> None:
    dl, dr = outer.degrees or (0, 0)
    sides = st.integers(0, 99)
    inner = regular_between(data.draw(sides), dl).T
    other = regular_between(data.draw(sides), dr)
    product = zig_zag(outer, inner, other)
    assert product.shape == (outer.left * inner.left, outer.right * other.right)
    degrees = zip(inner.degrees or (), other.degrees or (), strict=True)
    assert product.degrees == tuple(a * b for a, b in degrees)
    one, two, three = ratio(outer), ratio(inner), ratio(other)
    assert ratio(product) <= one + max(two, three) + two * three + 1e-9


def regular_between(seed: int, left: int) -> BipartiteGraph:
    """Return a biregular graph with `left` left vertices and a few right ones."""
    generator = np.random.default_rng(seed)
    copies = int(generator.integers(1, 3))
    degree = int(generator.integers(1, left + 1))
    cells = [np.roll(np.arange(left) < degree, k) for k in generator.permutation(left)]
    return BipartiteGraph.from_biadjacency(np.tile(np.array(cells), (1, copies)))


def test_the_zig_zag_bound_is_no_empty_statement() -> None:
    outer, inner = field_lift(13, 13), projective_plane(3)
    bound = ratio(outer) + ratio(inner) + ratio(inner) ** 2
    verdict = verify(zig_zag(outer, inner))
    assert ratio(outer) < verdict.sigma2 / verdict.sigma1 <= bound < 0.9


# Against other definitions


def union_graph(graph: BipartiteGraph) -> nx.Graph[Any]:
    return nx.from_numpy_array(adjacency(graph))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(strong, nx.strong_product), (lexicographic, nx.lexicographic_product)],
)
@settings(max_examples=15)
@given(GRAPHS, GRAPHS)
def test_networkx_has_the_same_adjacency_matrix(
    ours: Callable[..., BipartiteGraph],
    theirs: Callable[..., nx.Graph[Any]],
    first: BipartiteGraph,
    second: BipartiteGraph,
) -> None:
    product = theirs(union_graph(first), union_graph(second))
    nodes = [*itertools.product(range(sum(first.shape)), range(sum(second.shape)))]
    matrix = nx.to_numpy_array(product, nodelist=nodes, weight=None) if nodes else np.empty((0, 0))
    assert (ours(first, second).biadjacency(int).toarray() == matrix).all()


@settings(max_examples=15)
@given(GRAPHS, GRAPHS)
def test_cartesian_vertices_are_numbered_as_documented(
    first: BipartiteGraph, second: BipartiteGraph
) -> None:
    def pairs(sides: list[tuple[int, int]]) -> list[tuple[int, int]]:
        ranges = ((range(a.left), range(a.left, a.left + a.right)) for a in (first, second))
        one, two = ranges
        return [pair for a, b in sides for pair in itertools.product(one[a], two[b])]

    left, right = pairs([(0, 0), (1, 1)]), pairs([(0, 1), (1, 0)])
    product = nx.cartesian_product(union_graph(first), union_graph(second))
    ours = cartesian(first, second)
    assert ours.shape == (len(left), len(right))
    for u, v in itertools.product(range(len(left)), range(len(right))):
        assert ours.has_edge(u, v) == product.has_edge(left[u], right[v])


def test_zig_zag_follows_the_rotation_map() -> None:
    outer = BipartiteGraph.from_edges(
        [(0, 0), (0, 1), (1, 1), (1, 2), (2, 0), (2, 2)], shape=(3, 3)
    )
    inner = BipartiteGraph.from_edges([(0, 1), (1, 0)], shape=(2, 2))
    product = zig_zag(outer, inner)
    for u, i, v, j in itertools.product(range(3), range(2), range(3), range(2)):
        k, ends = 1 - i, outer.neighbors(u).tolist()
        back = outer.T.neighbors(v).tolist()
        reached = ends[k] == v and back.index(u) == 1 - j
        assert product.has_edge(2 * u + i, 2 * v + j) == reached


def test_a_replacement_product_of_complete_graphs_is_a_truncated_polyhedron() -> None:
    tetrahedron = BipartiteGraph.from_biadjacency(1 - np.eye(4))
    triangle = BipartiteGraph.from_biadjacency(1 - np.eye(3))
    matrix = replacement(tetrahedron, triangle).biadjacency(int).toarray()
    known = nx.truncated_tetrahedron_graph()
    assert nx.is_isomorphic(nx.from_numpy_array(matrix), known)


# Errors


@pytest.mark.parametrize("product", FIRST_THREE)
def test_only_graphs_are_accepted(product: Callable[..., BipartiteGraph]) -> None:
    with pytest.raises(ArgumentTypeError, match="second is a ndarray, expected a BipartiteGraph"):
        product(complete(1, 1), np.eye(2))
    with pytest.raises(ArgumentTypeError, match="first is a int"):
        product(3, complete(1, 1))


@pytest.mark.parametrize("product", FIRST_THREE)
def test_products_too_large_are_refused_before_they_are_built(
    product: Callable[..., BipartiteGraph],
) -> None:
    large = complete(2000, 2000)
    with pytest.raises(InfeasibleError, match="at most 268435456 fit; TensorProduct"):
        product(large, large)


@pytest.mark.parametrize(
    ("outer", "inner", "message"),
    [
        (complete(2, 3), complete(3, 3), r"outer has shape \(2, 3\), expected a square graph"),
        (BipartiteGraph.from_biadjacency(np.roll(np.eye(3), 1, 0)), complete(1, 1), "symmetric"),
        (complete(3, 3), complete(3, 3), r"outer has an edge \(u, u\)"),
        (
            BipartiteGraph.from_biadjacency(1 - np.eye(4)),
            complete(4, 4),
            "inner has 4 vertices where it meets outer, expected 3, the degree of outer",
        ),
        (BipartiteGraph.from_biadjacency([[1, 1], [1, 0]]), complete(1, 1), "not biregular"),
        (
            BipartiteGraph.from_biadjacency(1 - np.eye(2)),
            BipartiteGraph.from_biadjacency([[0]]),
            "inner has no edges",
        ),
    ],
)
def test_replacement_refuses(outer: BipartiteGraph, inner: BipartiteGraph, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        replacement(outer, inner)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((complete(3, 3), complete(2, 2)), "expected 3, the left degree of outer"),
        ((complete(2, 3), complete(3, 3)), r"degrees \(3, 2\), so right_inner must be given: a gr"),
        ((complete(2, 3), complete(3, 3), complete(3, 3)), "expected 2, the right degree of outer"),
        ((BipartiteGraph.from_biadjacency([[1, 1], [1, 0]]), complete(1, 1)), "not biregular"),
    ],
)
def test_zig_zag_refuses(arguments: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        zig_zag(*arguments)


def test_zig_zag_refuses_other_types_and_large_products() -> None:
    with pytest.raises(ArgumentTypeError, match="right_inner is a str"):
        zig_zag(complete(2, 2), complete(2, 2), "K22")  # type: ignore[arg-type]
    with pytest.raises(InfeasibleError, match="edges, at most"):
        zig_zag(complete(1024, 1024), complete(1024, 1024))
    with pytest.raises(InfeasibleError, match="edges, at most"):
        replacement(BipartiteGraph.from_biadjacency(1 - np.eye(801)), complete(800, 800))
