from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete, lps, projective_plane, random_biregular
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.spectral import composed_gap, path_counts


@st.composite
def networks(draw: st.DrawFn) -> list[BipartiteGraph]:
    """Generate one to four layers, of which the sides that meet are equal."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=5))
    layers = []
    for left, right in itertools.pairwise(sizes):
        cells = draw(st.lists(st.booleans(), min_size=left * right, max_size=left * right))
        layers.append(BipartiteGraph.from_biadjacency(np.array(cells).reshape(left, right)))
    return layers


@given(networks())
def test_paths_are_counted_as_by_walking_them(layers: list[BipartiteGraph]) -> None:
    result = path_counts(*layers)
    for start in range(layers[0].left):
        paths = [start]
        for layer in layers:
            paths = [int(v) for u in paths for v in layer.neighbors(u)]
        expected = np.bincount(paths, minlength=layers[-1].right)
        np.testing.assert_array_equal(result.counts[start], expected)
    everything = result.counts
    assert result.total == everything.sum()
    assert (result.minimum, result.maximum) == (everything.min(), everything.max())
    assert result.mean == pytest.approx(everything.mean())
    assert result.zero_share == pytest.approx((everything == 0).mean())
    assert json.loads(json.dumps(result.as_dict()))["total"] == result.total


def test_counts_beyond_64_bits_stay_exact() -> None:
    graph = random_biregular(8, 8, 5, rng=0)
    layers = [graph, graph.T] * 20
    result = path_counts(*layers)
    assert result.counts.dtype == object
    assert result.total == 8 * 5**40
    exact = np.linalg.matrix_power(graph.biadjacency(int).toarray().astype(object), 1)
    gram = exact.dot(exact.T)
    expected = gram
    for _ in range(19):
        expected = expected.dot(gram)
    assert (result.counts == expected).all()
    assert result.maximum > 2**63
    # Just below the limit the same numbers come out of machine integers.
    fewer = path_counts(*layers[:26])
    assert fewer.counts.dtype == np.int64
    assert fewer.total == 8 * 5**26


@given(networks())
def test_the_composed_gap_is_that_of_the_product_of_the_matrices(
    layers: list[BipartiteGraph],
) -> None:
    product = np.eye(layers[0].left)
    for layer in layers:
        product = product @ layer.biadjacency(float).toarray()
    values = np.append(np.linalg.svd(product, compute_uv=False), 0.0)
    result = composed_gap(*layers)
    assert (result.sigma1, result.sigma2) == pytest.approx(tuple(values[:2]), abs=1e-8)
    assert result.gap == pytest.approx(values[0] - values[1], abs=1e-8)
    assert result.shape == product.shape
    assert json.loads(json.dumps(result.as_dict()))["ratio"] == result.ratio


@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_layers_that_are_biregular_multiply_their_gaps_and_spread_their_paths(
    seed: int, depth: int
) -> None:
    rng = np.random.default_rng(seed)
    layers = [random_biregular(12, 12, int(rng.integers(2, 6)), rng=rng) for _ in range(depth)]
    result = composed_gap(*layers)
    assert result.product_bound is not None
    assert result.sigma2 <= result.product_bound * (1 + 1e-9) + 1e-9
    degrees = math.prod(int(layer.left_degrees[0]) for layer in layers)
    assert result.sigma1 == pytest.approx(degrees)
    paths = path_counts(*layers)
    deviation = np.abs(paths.counts - paths.mean).max()
    assert deviation <= result.sigma2 * (1 - 1 / 12) + 1e-9


def test_a_graph_and_its_transpose_square_the_ratio() -> None:
    graph = lps(3, 5)
    result = composed_gap(graph, graph.T, graph)
    assert result.ratio == pytest.approx((3 / 4) ** 3)
    assert result.product_bound == pytest.approx(27)


def test_products_are_layers_too() -> None:
    product = TensorProduct(projective_plane(2), complete(2, 2))
    result = composed_gap(product, product.T)
    assert result.ratio == pytest.approx(2 / 9)
    assert path_counts(product, product.T).minimum == 2


def test_irregular_layers_have_no_product_bound() -> None:
    assert composed_gap([[1, 1], [0, 1]], [[1, 0], [1, 1]]).product_bound is None
    empty = composed_gap([[1, 0]], [[0, 0], [1, 1]])
    assert (empty.sigma1, empty.sigma2, empty.ratio) == (0, 0, 0)
    assert path_counts([[1, 0]], [[0, 0], [1, 1]]).zero_share == 1


@pytest.mark.parametrize("call", [path_counts, composed_gap])
def test_layers_that_do_not_meet_are_refused(call: Any) -> None:
    with pytest.raises(ArgumentError, match="no layer was given"):
        call()
    with pytest.raises(ArgumentError, match=r"layer 0 has 3 right .* layer 1 has 2 left"):
        call(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(ArgumentError, match="layer 1 has shape"):
        call(np.ones((2, 3)), np.ones((3, 0)))
    with pytest.raises(ArgumentTypeError, match="mask is a str"):
        call("layer")


@pytest.mark.parametrize("call", [path_counts, composed_gap])
def test_a_product_of_layers_that_is_too_large_is_refused(
    call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rbgp_graphs.spectral.layered.MAX_BYTES", 800)
    call(complete(10, 1), complete(1, 10))
    with pytest.raises(ArgumentError, match="the paths of 10 x 11 pairs take more than 800 bytes"):
        call(complete(10, 1), complete(1, 11), complete(11, 1))
