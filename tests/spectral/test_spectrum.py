from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs.constructions import (
    complete,
    cyclic_lift,
    field_lift,
    lps,
    projective_plane,
    random_biregular,
    random_lift,
)
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.spectral import Spectrum, singular_values, spectrum
from rbgp_graphs.testing.strategies import (
    bipartite_graphs,
    biregular_graphs,
    lifts,
    patterns,
    rbgp4_patterns,
    tensor_products,
)

#: The function of the same name hides the module.
MODULE: Any = importlib.import_module("rbgp_graphs.spectral.spectrum")


def dense_values(matrix: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.linalg.svd(np.asarray(matrix, dtype=float), compute_uv=False)
    return values


def assert_is_spectrum_of(result: Spectrum, matrix: Any) -> None:
    values = dense_values(matrix)
    assert result.count == len(values)
    assert (np.diff(result.values) < 0).all()
    assert (result.multiplicities >= 1).all()
    # Zeros of a Gram matrix are only as exact as the root of the rounding error.
    np.testing.assert_allclose(result.expand(), values, atol=1e-7)


@given(st.one_of(bipartite_graphs(min_side=1), biregular_graphs(), lifts(max_levels=3)))
def test_the_spectrum_of_a_graph_is_that_of_its_matrix(graph: BipartiteGraph) -> None:
    assert_is_spectrum_of(spectrum(graph), graph.biadjacency().toarray())
    assert_is_spectrum_of(spectrum(graph.T), graph.biadjacency().toarray())


@given(st.one_of(bipartite_graphs(min_side=1), biregular_graphs()), st.integers(0, 2**32 - 1))
def test_new_labels_change_no_spectrum(graph: BipartiteGraph, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = graph.biadjacency().toarray()
    renamed = matrix[rng.permutation(graph.left)][:, rng.permutation(graph.right)]
    found = spectrum(BipartiteGraph.from_biadjacency(renamed))
    np.testing.assert_allclose(found.expand(), spectrum(graph).expand(), atol=1e-9)


@given(tensor_products())
def test_the_singular_values_of_a_product_are_products(pattern: TensorProduct) -> None:
    result = spectrum(pattern)
    assert_is_spectrum_of(result, pattern.mask())
    products = np.ones(1)
    for factor in pattern.factors:
        own = dense_values(factor.biadjacency().toarray())
        products = np.multiply.outer(products, own).ravel()
    products = np.sort(products)[::-1]
    positive = products[products > 1e-9]
    np.testing.assert_allclose(result.expand()[: len(positive)], positive, atol=1e-9)


@given(rbgp4_patterns())
def test_the_spectrum_of_a_twisted_pattern_is_that_of_its_mask(pattern: RBGP4) -> None:
    assert_is_spectrum_of(spectrum(pattern), pattern.mask())
    assert_is_spectrum_of(spectrum(pattern.T), pattern.mask())


@given(st.one_of(patterns(), biregular_graphs()), st.data())
def test_the_largest_values_are_the_first_of_all(
    pattern: BipartiteGraph | TensorProduct, data: st.DataObject
) -> None:
    everything = singular_values(pattern)
    k = data.draw(st.integers(1, min(pattern.shape)))
    np.testing.assert_array_equal(singular_values(pattern, k), everything[:k])


@given(biregular_graphs())
def test_the_largest_value_counts_the_components(graph: BipartiteGraph) -> None:
    result = spectrum(graph)
    assert graph.degrees is not None
    assert result.values[0] == pytest.approx(math.sqrt(math.prod(graph.degrees)))
    assert result.multiplicities[0] == graph.num_components


@given(biregular_graphs(max_side=5), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_the_spectrum_of_a_lift_contains_that_of_the_base(
    base: BipartiteGraph, k: int, seed: int
) -> None:
    shifts = np.random.default_rng(seed).integers(0, k, base.num_edges)
    for lifted in (random_lift(base, k, rng=seed), cyclic_lift(base, k, shifts)):
        all_values = spectrum(lifted)
        own = spectrum(base)
        for value, count in zip(own.values, own.multiplicities, strict=True):
            place = np.abs(all_values.values - value).argmin()
            assert all_values.values[place] == pytest.approx(value, abs=1e-7)
            assert all_values.multiplicities[place] >= count


@pytest.mark.parametrize(
    ("graph", "values", "multiplicities"),
    [
        (complete(3, 12), [6, 0], [1, 2]),
        (complete(1, 9), [3], [1]),
        (projective_plane(4), [5, 2], [1, 20]),
        (field_lift(4, 4), [4, 2, 0], [1, 12, 3]),
        (field_lift(9, 9, 1, 1), [9, 3, 0], [1, 18, 8]),
        (lps(3, 5), [4, 3, 2, 1, 0], None),
        (BipartiteGraph.from_edges([], shape=(2, 3)), [0], [2]),
    ],
    ids=repr,
)
def test_known_spectra_come_out(
    graph: BipartiteGraph, values: list[float], multiplicities: list[int] | None
) -> None:
    result = spectrum(graph)
    np.testing.assert_allclose(result.values, values, atol=1e-9)
    if multiplicities is not None:
        assert result.multiplicities.tolist() == multiplicities


def test_a_huge_product_is_composed_from_its_factors() -> None:
    pattern = TensorProduct(*[projective_plane(4)] * 7)
    assert pattern.rows == 21**7
    result = spectrum(pattern)
    # 5^(7-i) 2^i as often as 7 over i times 20^i.
    expected = [(5 ** (7 - i) * 2**i, math.comb(7, i) * 20**i) for i in range(8)]
    np.testing.assert_allclose(result.values, [value for value, _ in expected])
    assert result.multiplicities.tolist() == [count for _, count in expected]
    assert singular_values(pattern, 3) == pytest.approx([5**7, *[5**6 * 2] * 2])
    with pytest.raises(ArgumentError, match="1801088541 singular values are too many to list"):
        singular_values(pattern)


def test_a_field_lift_of_any_size_needs_no_matrix() -> None:
    result = spectrum(field_lift(256, 256, 1, 4))
    assert result.values.tolist() == pytest.approx([256, 16, 0])
    assert result.count == 4096


def test_few_values_of_a_large_graph_need_no_dense_matrix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = random_biregular(60, 90, 6, rng=0)
    expected = singular_values(graph)
    monkeypatch.setattr(MODULE, "_LARGEST_DENSE_SIDE", 20)
    np.testing.assert_allclose(singular_values(graph, 5), expected[:5], atol=1e-9)
    with pytest.raises(ArgumentError, match=r"which stops at 20; use singular_values\(graph, k="):
        spectrum(graph)


def test_equal_values_of_a_large_graph_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    plane = lps(3, 5)
    edges = np.concatenate((plane.edges, plane.edges + plane.left))
    twice = BipartiteGraph.from_edges(edges, shape=(120, 120))
    monkeypatch.setattr(MODULE, "_LARGEST_DENSE_SIDE", 20)
    np.testing.assert_allclose(singular_values(twice, 3), [4, 4, 3], atol=1e-9)


def test_close_values_are_one_and_different_ones_are_two() -> None:
    result = MODULE._clusters([2.0, 1.0, 2.0 + 1e-10, 1.0 + 1e-6], [1, 2, 3, 4])
    np.testing.assert_allclose(result.values, [2, 1 + 1e-6, 1], rtol=1e-9)
    assert result.multiplicities.tolist() == [4, 4, 2]


@pytest.mark.parametrize("wrong", [None, np.eye(3), "lps", 3])
def test_other_things_have_no_spectrum(wrong: Any) -> None:
    for call in (spectrum, singular_values, lambda x: singular_values(x, 1)):
        with pytest.raises(ArgumentTypeError, match=f"got a {type(wrong).__name__}"):
            call(wrong)


@pytest.mark.parametrize("k", [0, -1, 8])
def test_more_values_than_there_are_cannot_be_asked_for(k: int) -> None:
    with pytest.raises(ArgumentError, match=f"k is {k}, expected at (least 1|most 7)"):
        singular_values(projective_plane(2), k)


def test_a_fractional_number_of_values_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match=r"k is 2\.5 of type float"):
        singular_values(projective_plane(2), 2.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_a_graph_without_a_side_has_no_spectrum(shape: tuple[int, int]) -> None:
    graph = BipartiteGraph.from_edges([], shape=shape)
    for call in (spectrum, singular_values):
        with pytest.raises(ArgumentError, match="has no singular values"):
            call(graph)
