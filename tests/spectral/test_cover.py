from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs.constructions import array_code, complete, lps, projective_plane, random_biregular
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.spectral import ramanujan_bound, universal_cover_bound
from rbgp_graphs.testing.strategies import bipartite_graphs, patterns


def has_positive_solution(graph: BipartiteGraph, radius: float) -> bool:
    """Iterate the definition: the Green's functions of the branches from 0 up."""
    u, v = graph.edges.T
    tail, head = np.concatenate((u, v + graph.left)), np.concatenate((v + graph.left, u))
    reverse = np.concatenate((np.arange(len(u), 2 * len(u)), np.arange(len(u))))
    w = np.zeros(2 * len(u))
    for _ in range(3000):
        rest = radius - (np.bincount(tail, w, sum(graph.shape))[head] - w[reverse])
        if rest.min() <= 0:
            return False
        w = 1 / rest
    return bool((np.bincount(tail, w) <= radius).all())


def ball_norm(graph: BipartiteGraph, root: int, depth: int) -> float:
    """Return the norm of a ball of the universal cover, grown walk by walk."""
    neighbors = [*(graph.neighbors(u) + graph.left for u in range(graph.left))]
    neighbors += [graph.T.neighbors(v) for v in range(graph.right)]
    nodes, level, edges = [(root, -1)], [0], []
    for _ in range(depth):
        following = []
        for index in level:
            vertex, parent = nodes[index]
            for other in neighbors[vertex]:
                if other != parent:
                    edges.append((index, len(nodes)))
                    following.append(len(nodes))
                    nodes.append((int(other), vertex))
        level = following
    matrix = np.zeros((len(nodes), len(nodes)))
    for a, b in edges:
        matrix[a, b] = matrix[b, a] = 1
    return float(np.linalg.eigvalsh(matrix)[-1])


@pytest.mark.parametrize(
    "graph",
    [complete(3, 3), complete(4, 8), projective_plane(3), array_code(5, 3), lps(3, 5)],
    ids=repr,
)
def test_the_bound_of_a_biregular_graph_is_the_ramanujan_bound(graph: BipartiteGraph) -> None:
    assert graph.degrees is not None
    expected = ramanujan_bound(*graph.degrees)
    assert universal_cover_bound(graph) == pytest.approx(expected, rel=1e-9)
    assert universal_cover_bound(graph.biadjacency()) == pytest.approx(expected, rel=1e-9)


@given(bipartite_graphs(max_side=7))
@settings(max_examples=20)
def test_the_definition_has_a_solution_just_above_the_bound_and_none_below(
    graph: BipartiteGraph,
) -> None:
    bound = universal_cover_bound(graph, rtol=1e-8)
    if graph.num_edges == 0:
        assert bound == 0
        return
    assert has_positive_solution(graph, bound * (1 + 1e-6))
    assert not has_positive_solution(graph, bound * (1 - 1e-3))


@given(bipartite_graphs(min_side=2, max_side=4))
def test_balls_of_the_cover_stay_below_the_bound(graph: BipartiteGraph) -> None:
    bound = universal_cover_bound(graph, rtol=1e-8)
    for root in range(sum(graph.shape)):
        assert ball_norm(graph, root, 3) <= bound * (1 + 1e-7)


@given(bipartite_graphs(min_side=3, max_side=7))
def test_mean_degrees_never_give_more_than_the_cover(graph: BipartiteGraph) -> None:
    means = [
        side[side > 0].mean() for side in (graph.left_degrees, graph.right_degrees) if any(side)
    ]
    if len(means) == 2 and min(means) >= 2:
        of_means = sum(math.sqrt(mean - 1) for mean in means)
        assert of_means <= universal_cover_bound(graph, rtol=1e-8) * (1 + 1e-7)


@given(bipartite_graphs(max_side=5), bipartite_graphs(max_side=5))
def test_of_several_components_the_largest_counts(a: BipartiteGraph, b: BipartiteGraph) -> None:
    edges = np.concatenate((a.edges, b.edges + np.array(a.shape)))
    both = BipartiteGraph.from_edges(edges, shape=(a.left + b.left, a.right + b.right))
    expected = max(universal_cover_bound(graph, rtol=1e-8) for graph in (a, b))
    assert universal_cover_bound(both, rtol=1e-8) == pytest.approx(expected, rel=2e-8)


@given(bipartite_graphs(max_side=6))
def test_transposing_changes_nothing(graph: BipartiteGraph) -> None:
    one, other = (universal_cover_bound(side, rtol=1e-8) for side in (graph, graph.T))
    assert one == pytest.approx(other, rel=2e-8)


@given(st.integers(2, 9), st.data())
def test_a_tree_is_its_own_cover(size: int, data: st.DataObject) -> None:
    parents = [data.draw(st.integers(0, k - 1)) for k in range(1, size)]
    depth = [0]
    for parent in parents:
        depth.append(depth[parent] + 1)
    matrix = np.zeros((size, size))
    for k, parent in enumerate(parents, 1):
        one, other = (k, parent) if depth[k] % 2 else (parent, k)
        matrix[one, other] = 1
    top = np.linalg.svd(matrix, compute_uv=False)[0]
    assert universal_cover_bound(matrix) == pytest.approx(top, rel=1e-12)


@given(patterns(max_side=3))
@settings(max_examples=15)
def test_a_product_is_bounded_without_its_matrix(pattern: TensorProduct) -> None:
    assert universal_cover_bound(pattern) == pytest.approx(
        universal_cover_bound(pattern.to_csr()), rel=1e-8
    )


def test_a_random_mask_keeps_well_below_its_bound() -> None:
    mask = np.random.default_rng(3).random((32, 32)) < 0.25
    # All three numbers were computed by bisection of the definition, elsewhere.
    assert np.linalg.svd(mask.astype(float), compute_uv=False)[1] == pytest.approx(4.167, abs=1e-3)
    assert universal_cover_bound(mask) == pytest.approx(5.795, abs=1e-3)
    assert 2 * math.sqrt(mask.sum() / 32 - 1) == pytest.approx(5.303, abs=1e-3)


@pytest.mark.parametrize(
    ("mask", "radius"),
    [
        (np.zeros((3, 4)), 0),
        (np.zeros((0, 4)), 0),
        (np.ones((1, 1)), 1),
        (np.ones((1, 9)), 3),
        (np.ones((2, 2)), 2),
        (np.eye(5) + np.roll(np.eye(5), 1, axis=0), 2),
        # A 4-cycle with one pending edge at each vertex: its cover is a comb, of norm 1 + sqrt 2.
        (np.block([[np.ones((2, 2)), np.eye(2)], [np.eye(2), np.zeros((2, 2))]]), 1 + math.sqrt(2)),
    ],
    ids=str,
)
def test_known_radii_come_out(mask: NDArray[Any], radius: float) -> None:
    assert universal_cover_bound(mask) == pytest.approx(radius, abs=1e-8)


def test_what_cannot_be_reached_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rbgp_graphs.spectral.cover._MAX_STEPS", 5)
    mask = np.random.default_rng(3).random((32, 32)) < 0.25
    with pytest.raises(ArgumentError, match=r"after 5 steps .* pass rtol=0\.\d") as caught:
        universal_cover_bound(mask)
    advised = float(str(caught.value).split("pass rtol=")[1].split()[0])
    rough = universal_cover_bound(mask, rtol=advised)
    assert rough == pytest.approx(5.795, rel=advised)


@pytest.mark.parametrize("rtol", [0, -1, 1.5, math.nan, "small", True])
def test_a_useless_tolerance_is_refused(rtol: Any) -> None:
    with pytest.raises(ArgumentError, match=r"rtol is .* expected a number from 1e-12 to 1"):
        universal_cover_bound(random_biregular(4, 4, 2, rng=0), rtol=rtol)


@pytest.mark.parametrize("mask", [None, "mask", np.array([["a", "b"]])])
def test_what_is_no_mask_is_refused(mask: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="mask"):
        universal_cover_bound(mask)


@pytest.mark.parametrize("mask", [np.ones(3), np.ones((2, 2, 2)), [[math.nan, 1]], [[math.inf]]])
def test_a_bad_matrix_is_refused(mask: Any) -> None:
    with pytest.raises(ArgumentError, match="mask: "):
        universal_cover_bound(mask)
