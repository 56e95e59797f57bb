from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.constructions import lps, random_biregular
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.spectral import (
    delta_r,
    delta_s,
    imdb,
    mask_measures,
    narc,
    ramanujan_bound,
    universal_cover_bound,
    verify,
    weighted_gap,
)
from rbgp_graphs.spectral.irregular import two_largest_of_matrix
from rbgp_graphs.testing.strategies import biregular_graphs, patterns

masks = st.builds(
    lambda rows, columns, density, seed: (
        np.random.default_rng(seed).random((rows, columns)) < density
    ),
    st.integers(3, 14),
    st.integers(3, 14),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)


def reference_scores(mask: NDArray[Any], dim_out: int) -> tuple[float, ...] | None:
    """Follow the paper's code on the adjacency matrix; inputs are the rows here."""
    live = mask[mask.any(axis=1)][:, mask.any(axis=0)].astype(float)
    size = sum(live.shape)
    adjacency = np.zeros((size, size))
    adjacency[: len(live), len(live) :] = live
    adjacency += adjacency.T
    degrees = adjacency.sum(axis=0)
    if not live.size:
        return None
    mean_in, mean_out = degrees[: len(live)].mean(), degrees[len(live) :].mean()
    if mean_in < 3 or mean_out < 3:
        return None
    values = np.sort(np.abs(np.linalg.eigvalsh(adjacency)))[::-1]
    first, second = values[0], values[2]
    bounds = 2 * math.sqrt(first - 1), math.sqrt(mean_in - 1) + math.sqrt(mean_out - 1)
    m_in, m_out = live.shape
    random = (second**2 / 4 + 1) * math.sqrt(m_in * m_out)
    random -= abs(adjacency.sum() - mean_in / dim_out * m_in * m_out)
    return bounds[0] - second, bounds[1] - second, random / mask.size, *bounds, m_out / m_in


@given(masks)
def test_the_scores_are_those_of_the_papers(mask: NDArray[Any]) -> None:
    expected = reference_scores(mask.T, dim_out=len(mask))
    if expected is None:
        assert delta_s(mask) is delta_r(mask) is narc(mask) is None
        return
    found = (delta_s(mask), delta_r(mask), narc(mask))
    assert found == pytest.approx(expected[:3], abs=1e-8)
    assert narc(mask.T, inputs="left") == pytest.approx(expected[2], abs=1e-8)


@given(masks)
def test_imdb_averages_the_scores_of_the_input_regular_subgraphs(mask: NDArray[Any]) -> None:
    degrees = mask.sum(axis=0)
    groups = [mask[:, degrees == d].T for d in np.unique(degrees) if d and (degrees == d).sum() > 2]
    scores = [s for s in (reference_scores(group, len(mask)) for group in groups) if s is not None]
    result = imdb(mask)
    if not scores:
        assert result is None
        return
    assert result is not None
    assert result.num_subgraphs == len(scores)
    assert result.delta_s == pytest.approx(np.mean([s[0] for s in scores]), abs=1e-8)
    assert result.delta_r == pytest.approx(np.mean([s[1] for s in scores]), abs=1e-8)
    assert result.delta_s_normalized == pytest.approx(np.mean([s[0] / s[3] for s in scores]))
    assert result.delta_r_normalized == pytest.approx(np.mean([s[1] / s[4] for s in scores]))
    assert result.mean_expansion == pytest.approx(np.mean([s[5] for s in scores]))
    assert result.max_expansion == pytest.approx(max(s[5] for s in scores))
    transposed = imdb(mask.T, inputs="left")
    assert transposed is not None
    assert dataclasses.astuple(transposed) == pytest.approx(dataclasses.astuple(result))


@given(biregular_graphs(max_side=12, min_degree=3))
def test_a_biregular_graph_has_the_difference_to_the_ramanujan_bound(
    graph: BipartiteGraph,
) -> None:
    assert graph.degrees is not None
    expected = ramanujan_bound(*graph.degrees) - verify(graph).sigma2
    assert delta_r(graph) == pytest.approx(expected)
    result = imdb(graph)
    assert result is not None
    assert result.delta_r == pytest.approx(expected)
    assert result.num_subgraphs == 1


@given(masks)
@settings(max_examples=15)
def test_all_measures_together_are_those_one_by_one(mask: NDArray[Any]) -> None:
    weights = np.random.default_rng(0).normal(size=mask.shape)
    result = mask_measures(mask, weights)
    assert result.delta_s == delta_s(mask)
    assert result.delta_r == delta_r(mask)
    assert result.narc == narc(mask)
    assert result.imdb == imdb(mask)
    assert result.universal_cover_bound == universal_cover_bound(mask)
    assert result.weighted_gap == weighted_gap(weights, mask)
    assert result.live == (mask.any(axis=1).sum(), mask.any(axis=0).sum())
    assert result.density == pytest.approx(mask.mean())
    values = np.linalg.svd(mask.astype(float), compute_uv=False)
    assert (result.sigma1, result.sigma2) == pytest.approx(tuple(values[:2]), abs=1e-9)
    if mask.any():
        assert result.ratio == pytest.approx(values[1] / values[0], abs=1e-9)
        assert result.cover_ratio == result.sigma2 / result.universal_cover_bound
    assert json.loads(json.dumps(result.as_dict()))["shape"] == list(mask.shape)


@given(patterns(max_side=3))
@settings(max_examples=15)
def test_a_product_is_measured_like_its_matrix(pattern: TensorProduct) -> None:
    ours = mask_measures(pattern).as_dict()
    direct = mask_measures(pattern.to_csr()).as_dict()
    assert ours.pop("imdb") == pytest.approx(direct.pop("imdb"), abs=1e-8)
    assert {k: ours[k] for k in ("shape", "live")} == {k: direct[k] for k in ("shape", "live")}
    for name in ours.keys() - {"shape", "live"}:
        assert ours[name] == pytest.approx(direct[name], abs=1e-7), name


def test_a_huge_product_needs_no_matrix() -> None:
    result = mask_measures(TensorProduct(*[lps(3, 5)] * 5))
    assert result.shape == (60**5, 60**5)
    assert result.ratio == pytest.approx(3 / 4)
    assert result.cover_ratio > 1


@given(masks, st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_the_weighted_gap_is_that_of_the_masked_absolute_weights(
    mask: NDArray[Any], seed: int, scale: float
) -> None:
    weights = np.random.default_rng(seed).normal(size=mask.shape)
    values = np.linalg.svd(np.abs(weights * mask), compute_uv=False)
    expected = values[0] - values[1]
    assert weighted_gap(weights, mask) == pytest.approx(expected, abs=1e-9)
    assert weighted_gap(weights * mask) == pytest.approx(expected, abs=1e-9)
    assert weighted_gap(sparse.coo_array(weights), mask) == pytest.approx(expected, abs=1e-9)
    assert weighted_gap(-scale * weights, mask) == pytest.approx(scale * expected, abs=1e-8)


@given(patterns(max_side=3), st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_weights_of_a_product_may_come_as_its_nonzeros(pattern: TensorProduct, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(pattern.rows, pattern.row_degree))
    dense = pattern.to_csr(values).toarray()
    expected = weighted_gap(dense, pattern)
    assert weighted_gap(values, pattern) == pytest.approx(expected, abs=1e-9)


def test_large_masks_are_decomposed_by_components(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    one = (rng.random((40, 50)) < 0.2).astype(float)
    other = (rng.random((30, 30)) < 0.3).astype(float)
    cases = [
        one,
        np.kron(np.eye(2), one),
        sparse.block_diag([one, other, np.ones((1, 3)), np.zeros((2, 2))]).toarray(),
        np.kron(np.eye(2), np.ones((12, 12))),
        np.ones((12, 20)),
        np.abs(rng.normal(size=(40, 50))) * (one > 0),
        random_biregular(30, 45, 6, rng=1).biadjacency(float).toarray(),
    ]
    expected = [np.linalg.svd(case, compute_uv=False)[:2] for case in cases]
    for module in ("irregular", "numeric"):
        monkeypatch.setattr(f"rbgp_graphs.spectral.{module}.DENSE_SIDE", 8)
    for case, values in zip(cases, expected, strict=True):
        np.testing.assert_allclose(
            two_largest_of_matrix(sparse.csr_array(case)), values, atol=1e-7 * values[0]
        )


def test_a_random_mask_stays_below_a_product_of_equal_density() -> None:
    pattern = TensorProduct(random_biregular(16, 16, 4, rng=0), random_biregular(16, 16, 4, rng=1))
    pruned = np.random.default_rng(0).random(pattern.shape) < pattern.density
    measured, ours = mask_measures(pruned), mask_measures(pattern)
    assert measured.density == pytest.approx(ours.density, rel=0.1)
    assert measured.cover_ratio < 1 < ours.cover_ratio


@pytest.mark.parametrize("mask", [np.zeros((3, 4)), np.zeros((0, 3)), np.zeros((0, 0))])
def test_a_mask_without_edges_is_described_by_zeros(mask: NDArray[Any]) -> None:
    result = mask_measures(mask, np.ones(mask.shape))
    assert (result.sigma1, result.sigma2, result.universal_cover_bound) == (0, 0, 0)
    assert (result.density, result.ratio, result.cover_ratio, result.weighted_gap) == (0, 0, 0, 0)
    assert result.delta_r is result.delta_s is result.narc is None
    assert result.imdb is None


@pytest.mark.parametrize("call", [imdb, narc, mask_measures])
def test_an_unknown_side_is_refused(call: Any) -> None:
    with pytest.raises(ArgumentError, match="inputs is 'rows', expected 'left' or 'right'"):
        call(np.ones((4, 4)), inputs="rows")


@pytest.mark.parametrize("call", [delta_s, delta_r, imdb, narc, mask_measures])
def test_what_is_no_mask_is_refused(call: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="mask is a NoneType"):
        call(None)
    with pytest.raises(ArgumentError, match="mask: matrix has 4 dimensions"):
        call(np.ones((2, 2, 3, 3)))


def test_weights_that_do_not_fit_are_refused() -> None:
    mask = np.ones((2, 3))
    with pytest.raises(ArgumentError, match=r"weights has shape \(3, 2\), expected \(2, 3\)"):
        weighted_gap(mask.T, mask)
    with pytest.raises(ArgumentError, match="weights has 1 dimensions"):
        weighted_gap([1, 2])
    with pytest.raises(ArgumentError, match="weights holds NaN or infinity"):
        weighted_gap([[1, math.nan]])
    for wrong in ([[1j]], [["a"]], None):
        with pytest.raises(ArgumentTypeError, match="weights has dtype"):
            weighted_gap(wrong)
