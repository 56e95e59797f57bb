from __future__ import annotations

import copy
import json
import math
import pickle
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from rbgp_graphs.constructions import (
    chiu,
    complete,
    cyclic_lift,
    lps,
    morgenstern,
    projective_plane,
    two_lift,
)
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.testing.strategies import bipartite_graphs, biregular_graphs, lifts

SQUARE = BipartiteGraph.from_edges([(0, 0), (0, 1), (1, 0), (1, 1)], shape=(2, 2))


def cycle(half: int) -> BipartiteGraph:
    """Return the cycle with `half` vertices on each side."""
    edges = [(u, (u + step) % half) for u in range(half) for step in (0, 1)]
    return BipartiteGraph.from_edges(edges, shape=(half, half))


def as_networkx(graph: BipartiteGraph) -> Any:
    other = nx.Graph()
    other.add_nodes_from((("u", u) for u in range(graph.left)), bipartite=0)
    other.add_nodes_from((("v", v) for v in range(graph.right)), bipartite=1)
    other.add_edges_from((("u", u), ("v", v)) for u, v in graph.edges.tolist())
    return other


@st.composite
def sparse_graphs(draw: st.DrawFn) -> BipartiteGraph:
    """Generate trees, long cycles and forests: graphs with about as many edges as vertices."""
    left, right = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    cells = st.tuples(st.integers(0, left - 1), st.integers(0, right - 1))
    edges = draw(st.sets(cells, max_size=left + right))
    return BipartiteGraph.from_edges(sorted(edges), shape=(left, right))


def any_graphs() -> st.SearchStrategy[BipartiteGraph]:
    return st.one_of(bipartite_graphs(), sparse_graphs(), biregular_graphs(), lifts())


# Building


@given(bipartite_graphs(), st.randoms(use_true_random=False))
def test_every_way_to_build_a_graph_gives_the_same_one(graph: BipartiteGraph, random: Any) -> None:
    edges = graph.edges.tolist()
    random.shuffle(edges)
    dense = graph.biadjacency(np.float32).toarray()
    assert BipartiteGraph.from_edges(edges, shape=graph.shape) == graph
    assert BipartiteGraph.from_edges(iter(map(tuple, edges)), shape=graph.shape) == graph
    assert BipartiteGraph.from_biadjacency(dense) == graph
    assert BipartiteGraph.from_biadjacency(dense.tolist() or dense) == graph
    assert BipartiteGraph.from_networkx(as_networkx(graph)) == graph


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"])
@given(graph=bipartite_graphs(min_side=1))
def test_sparse_arrays_of_every_format_are_read_alike(form: str, graph: BipartiteGraph) -> None:
    matrix = graph.biadjacency(np.float64).asformat(form)  # type: ignore[call-overload]
    assert BipartiteGraph.from_biadjacency(matrix) == graph
    assert BipartiteGraph.from_biadjacency(sparse.csr_matrix(graph.biadjacency(float))) == graph


def test_explicit_zeros_are_no_edges_and_duplicates_are_one() -> None:
    rows, cols, values = [0, 0, 1, 1], [1, 1, 0, 1], [1.0, 2.0, 0.0, -5.0]
    matrix = sparse.coo_array((values, (rows, cols)), shape=(2, 2))
    assert BipartiteGraph.from_biadjacency(matrix).edges.tolist() == [[0, 1], [1, 1]]
    assert matrix.nnz == 4


def test_the_given_sparse_matrix_stays_as_it_was() -> None:
    matrix = sparse.csr_array(([1.0, 0.0, 2.0], [2, 1, 0], [0, 3]), shape=(1, 3))
    graph = BipartiteGraph.from_biadjacency(matrix)
    assert graph.edges.tolist() == [[0, 0], [0, 2]]
    assert matrix.indices.tolist() == [2, 1, 0]
    matrix.indices[0] = 1
    assert graph.indices.tolist() == [0, 2]


def test_the_order_of_networkx_nodes_is_kept() -> None:
    other = nx.Graph()
    other.add_nodes_from(["b", "a"], bipartite=0)
    other.add_nodes_from(["y", "x"], bipartite=1)
    other.add_edge("x", "b")
    assert BipartiteGraph.from_networkx(other).edges.tolist() == [[0, 1]]


# Structure


@given(any_graphs())
def test_all_views_of_the_edges_agree(graph: BipartiteGraph) -> None:
    dense = graph.biadjacency().toarray()
    assert dense.shape == graph.shape == (graph.left, graph.right)
    assert graph.num_edges == dense.sum() == len(graph.edges)
    np.testing.assert_array_equal(graph.edges, np.argwhere(dense))
    np.testing.assert_array_equal(graph.left_degrees, dense.sum(axis=1))
    np.testing.assert_array_equal(graph.right_degrees, dense.sum(axis=0))
    for u in range(graph.left):
        np.testing.assert_array_equal(graph.neighbors(u), np.flatnonzero(dense[u]))
    found = [[graph.has_edge(u, v) for v in range(graph.right)] for u in range(graph.left)]
    np.testing.assert_array_equal(np.array(found, dtype=bool).reshape(graph.shape), dense)
    assert graph.is_complete == bool(dense.all())


@given(any_graphs())
def test_degrees_are_given_exactly_if_each_side_has_only_one(graph: BipartiteGraph) -> None:
    sides = {*graph.left_degrees.tolist()}, {*graph.right_degrees.tolist()}
    if min(graph.shape) == 0:
        assert graph.degrees == (0, 0)
    elif max(map(len, sides)) == 1:
        assert graph.degrees == (min(sides[0]), min(sides[1]))
    else:
        assert graph.degrees is None


@given(biregular_graphs())
def test_the_neighbor_table_holds_the_neighbors_of_every_vertex(graph: BipartiteGraph) -> None:
    for u, row in enumerate(graph.neighbor_table):
        np.testing.assert_array_equal(row, graph.neighbors(u))


@given(any_graphs())
def test_transposition_is_an_involution(graph: BipartiteGraph) -> None:
    turned = graph.T
    np.testing.assert_array_equal(turned.biadjacency().toarray(), graph.biadjacency().toarray().T)
    assert graph == turned.T
    assert turned.T.recipe == graph.recipe
    np.testing.assert_array_equal(graph.edges[graph.transpose_order][:, ::-1], turned.edges)


@given(any_graphs())
def test_transposition_keeps_distances_and_components(graph: BipartiteGraph) -> None:
    turned = graph.T
    assert turned.num_components == graph.num_components
    assert turned.girth() == graph.girth()
    assert turned.diameter() == graph.diameter()


@given(any_graphs(), st.integers(0, 2**32 - 1))
def test_new_labels_change_no_invariant(graph: BipartiteGraph, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, cols = rng.permutation(graph.left), rng.permutation(graph.right)
    renamed = BipartiteGraph.from_biadjacency(graph.biadjacency().toarray()[rows][:, cols])
    assert renamed.degrees == graph.degrees
    assert renamed.num_components == graph.num_components
    assert renamed.girth() == graph.girth()
    assert renamed.diameter() == graph.diameter()


@given(any_graphs())
def test_networkx_finds_the_same_components_girth_and_diameter(graph: BipartiteGraph) -> None:
    other = as_networkx(graph)
    assert graph.num_components == nx.number_connected_components(other)
    assert graph.girth() == nx.girth(other)
    connected = graph.num_components == 1
    assert graph.is_connected == connected
    if graph.num_components:
        assert graph.diameter() == (nx.diameter(other) if connected else math.inf)


@pytest.mark.parametrize("half", [2, 3, 10, 33, 100])
def test_a_cycle_has_its_length_as_girth_and_half_of_it_as_diameter(half: int) -> None:
    graph = cycle(half)
    assert graph.girth() == 2 * half
    assert graph.diameter() == half


def test_a_tree_has_no_cycle() -> None:
    path = BipartiteGraph.from_edges([(u, v) for u in range(9) for v in (u, u + 1)], shape=(9, 10))
    assert path.girth() == math.inf
    assert path.diameter() == 18
    assert complete(1, 5).girth() == math.inf
    assert complete(1, 5).diameter() == 2


def test_a_short_cycle_far_from_the_first_vertex_is_found() -> None:
    edges = np.concatenate((cycle(6).edges, cycle(4).edges + 6, cycle(5).edges + 10))
    graph = BipartiteGraph.from_edges(edges, shape=(15, 15))
    assert graph.girth() == 8
    assert graph.num_components == 3


@pytest.mark.parametrize("graph", [lps(3, 5), lps(5, 7).T, chiu(3), morgenstern(2, 2)], ids=repr)
def test_one_vertex_of_each_side_tells_girth_and_diameter_of_a_cayley_graph(
    graph: BipartiteGraph,
) -> None:
    unknown = BipartiteGraph(graph.left, graph.right, graph.indptr, graph.indices)
    assert graph.girth() == unknown.girth()
    assert graph.diameter() == unknown.diameter()


def test_girth_and_diameter_are_right_where_memory_forces_many_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = lps(3, 7)
    whole = graph.girth(), graph.diameter()
    monkeypatch.setattr("rbgp_graphs.graph._STEP_ENTRIES", 1500)
    assert (graph.girth(), graph.diameter()) == whole


@pytest.mark.parametrize(
    ("left", "right", "components", "diameter"),
    [(0, 0, 0, 0), (1, 0, 1, 0), (0, 3, 3, math.inf), (2, 1, 3, math.inf)],
)
def test_graphs_without_edges_have_a_component_for_each_vertex(
    left: int, right: int, components: int, diameter: float
) -> None:
    graph = BipartiteGraph.from_edges([], shape=(left, right))
    assert graph.num_components == components
    assert graph.diameter() == diameter
    assert graph.girth() == math.inf
    assert graph.degrees == (0, 0)


def test_edges_are_found_in_graphs_too_large_for_a_bitmask() -> None:
    rng = np.random.default_rng(0)
    matrix = sparse.random_array((3000, 2001), density=0.001, rng=rng, format="csr")
    graph = BipartiteGraph.from_biadjacency(matrix)
    edges = {*map(tuple, graph.edges.tolist())}
    cells = rng.integers(0, (3000, 2001), size=(2000, 2))
    for u, v in [*cells.tolist(), *graph.edges[:2000].tolist()]:
        assert graph.has_edge(u, v) == ((u, v) in edges)


@pytest.mark.parametrize("cell", [(-1, 0), (0, -1), (2, 0), (0, 2)])
def test_cells_outside_the_graph_are_no_edges(cell: tuple[int, int]) -> None:
    assert not SQUARE.has_edge(*cell)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.int64, np.uint64])
def test_vertices_may_be_numpy_integers_of_any_width(dtype: type[np.integer[Any]]) -> None:
    graph = cycle(1000)
    assert graph.has_edge(dtype(999), dtype(0))  # type: ignore[arg-type]
    assert not graph.has_edge(dtype(999), dtype(998))  # type: ignore[arg-type]


# Identity


@given(any_graphs(), any_graphs())
def test_graphs_are_equal_exactly_if_their_matrices_are(
    one: BipartiteGraph, other: BipartiteGraph
) -> None:
    same = np.array_equal(one.biadjacency().toarray(), other.biadjacency().toarray())
    assert (one == other) == same
    assert (one.digest == other.digest) == same
    if same:
        assert hash(one) == hash(other)
    assert one != one.biadjacency().toarray().tolist()


def test_equality_does_not_ask_how_a_graph_was_built() -> None:
    assert complete(2, 2) == SQUARE
    assert {SQUARE: 1}[complete(2, 2)] == 1
    assert SQUARE.recipe != complete(2, 2).recipe


@given(any_graphs())
def test_a_recipe_survives_json_and_rebuilds_the_graph(graph: BipartiteGraph) -> None:
    rebuilt = from_recipe(json.loads(json.dumps(graph.recipe)))
    assert rebuilt == graph
    assert rebuilt.recipe == graph.recipe


def test_a_large_sparse_graph_keeps_lists_of_neighbors_in_its_recipe() -> None:
    assert cycle(3).recipe["kind"] == "bitmask"
    large = cycle(500)
    assert large.recipe["kind"] == "edges"
    assert from_recipe(large.recipe) == large
    assert from_recipe(large.T.recipe) == large.T


@given(any_graphs())
def test_pickling_and_copying_keep_graph_and_recipe(graph: BipartiteGraph) -> None:
    for twin in (pickle.loads(pickle.dumps(graph)), copy.deepcopy(graph), copy.copy(graph)):
        assert twin == graph
        assert twin.recipe == graph.recipe
        assert not twin.indices.flags.writeable
        assert not twin.indptr.flags.writeable


def test_the_arrays_of_a_graph_are_read_only() -> None:
    graph = two_lift(complete(3, 4), [1, -1] * 6)
    arrays = (
        graph.indptr,
        graph.indices,
        graph.left_degrees,
        graph.right_degrees,
        graph.transpose_order,
        graph.neighbor_table,
        graph.neighbors(0),
    )
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_the_properties_of_a_graph_cannot_be_set() -> None:
    for name in ("shape", "left", "num_edges", "edges", "recipe", "indices"):
        with pytest.raises(AttributeError):
            setattr(SQUARE, name, 0)


def test_changing_a_recipe_that_was_handed_out_does_not_change_the_graph() -> None:
    graph = cyclic_lift(complete(2, 2), 3, [0, 1, 2, 0])
    recipe = graph.recipe
    recipe["k"] = 99
    recipe["base"]["left"] = 99
    assert from_recipe(graph.recipe) == graph


def test_biadjacency_returns_a_new_matrix_each_time() -> None:
    graph = projective_plane(2)
    matrix = graph.biadjacency(np.float64)
    matrix.data[:] = 7
    matrix.indices[:] = 0
    assert graph.biadjacency(np.float64).toarray().max() == 1
    assert graph.girth() == 6


def test_the_repr_names_size_degrees_and_origin() -> None:
    assert repr(lps(3, 5)) == "<BipartiteGraph 60 x 60, degrees=(4, 4), from lps>"
    irregular = BipartiteGraph.from_biadjacency([[1, 1], [0, 1]])
    assert repr(irregular) == "<BipartiteGraph 2 x 2, num_edges=3, from edges>"


# Errors


@pytest.mark.parametrize(
    ("edges", "shape", "message"),
    [
        ([(0, 2)], (2, 2), r"edge \(0, 2\) has a right vertex outside 0..1 for shape \(2, 2\)"),
        ([(0, 0), (5, 1)], (2, 2), r"edge \(5, 1\) has a left vertex outside 0..1"),
        ([(-1, 0)], (2, 2), r"edge \(-1, 0\) has a left vertex"),
        ([(0, 0)], (0, 2), r"left vertex outside 0..-1"),
        ([(0, 1), (1, 1), (0, 1)], (2, 2), "holds an edge twice, expected a simple graph"),
        ([0, 1], (2, 2), r"edges has shape \(2,\), expected \(num_edges, 2\)"),
        ([(0, 1, 1)], (2, 2), r"edges has shape \(1, 3\)"),
        ([(0, 1), (1,)], (2, 2), "edges"),
    ],
)
def test_wrong_edges_are_refused(edges: Any, shape: tuple[int, int], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        BipartiteGraph.from_edges(edges, shape=shape)


@pytest.mark.parametrize(
    ("edges", "shape", "message"),
    [
        ([(0.0, 1.0)], (2, 2), "edges has dtype float64, expected integers"),
        ([("a", "b")], (2, 2), "expected integers"),
        ([(True, False)], (2, 2), "edges has dtype bool"),
        ([(0, 1)], 4, r"shape is 4, expected a pair \(left, right\)"),
        ([(0, 1)], (2, 2, 2), "expected a pair"),
        ([(0, 1)], (2.0, 2), "left is 2.0 of type float"),
        (7, (2, 2), "edges"),
    ],
)
def test_edges_of_a_wrong_type_are_refused(edges: Any, shape: Any, message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        BipartiteGraph.from_edges(edges, shape=shape)


def test_negative_sizes_are_refused() -> None:
    with pytest.raises(ArgumentError, match="right is -2, expected at least 0"):
        BipartiteGraph.from_edges([], shape=(1, -2))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1.0, math.nan]], "holds NaN or infinity, expected finite entries"),
        ([[1.0, -math.inf]], "holds NaN or infinity"),
        ([1, 0], "has 1 dimensions, expected 2"),
        (5, "has 0 dimensions, expected 2"),
        (np.zeros((2, 2, 2)), "has 3 dimensions, expected 2"),
        (sparse.csr_array([[0.0, math.nan]]), "holds NaN or infinity"),
        ([[1, 0], [1]], "matrix"),
        ([["a"]], "expected numbers or bools"),
        ([[None]], "has dtype object"),
    ],
)
def test_wrong_matrices_are_refused(matrix: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        BipartiteGraph.from_biadjacency(matrix)


def test_networkx_graphs_without_sides_are_refused() -> None:
    with pytest.raises(ArgumentError, match="node 0 has bipartite=None, expected 0 or 1"):
        BipartiteGraph.from_networkx(nx.path_graph(2))
    triangle = nx.complete_graph(3)
    nx.set_node_attributes(triangle, {0: 0, 1: 0, 2: 1}, "bipartite")
    with pytest.raises(ArgumentError, match=r"edge \(0, 1\) joins two nodes with bipartite=0"):
        BipartiteGraph.from_networkx(triangle)


@pytest.mark.parametrize("kind", [nx.DiGraph, nx.MultiGraph, dict])
def test_other_kinds_of_networkx_graphs_are_refused(kind: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=rf"a {kind.__name__}, expected an undirected"):
        BipartiteGraph.from_networkx(kind())


@pytest.mark.parametrize(("u", "message"), [(2, "at most 1"), (-1, "at least 0")])
def test_neighbors_of_a_vertex_outside_the_graph_are_refused(u: int, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"u is {u}, expected {message}"):
        SQUARE.neighbors(u)


def test_vertices_that_are_no_integers_are_refused() -> None:
    for wrong in ("0", 0.5, None):
        with pytest.raises(ArgumentTypeError):
            SQUARE.neighbors(wrong)  # type: ignore[arg-type]
        with pytest.raises(ArgumentTypeError):
            SQUARE.has_edge(wrong, 0)  # type: ignore[arg-type]


def test_graphs_with_uneven_left_degrees_have_no_neighbor_table() -> None:
    with pytest.raises(ArgumentError, match="the left degrees differ"):
        _ = BipartiteGraph.from_biadjacency([[1, 1], [0, 1]]).neighbor_table
