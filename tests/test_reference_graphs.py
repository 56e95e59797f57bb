"""Graphs with values that were computed independently of this package.

The file data/reference_graphs.json says what each value is and how it was computed; the lift
towers and the largest graph are in data/reference_towers.json.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rbgp_graphs.constructions import complete, two_lift
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.spectral import spectrum, verify
from tests.spectral.reference import GRAPHS, build

_TOWERS = Path(__file__).parent / "data" / "reference_towers.json"
ENTRIES: dict[str, dict[str, Any]] = {
    entry["name"]: entry for entry in [*GRAPHS, *json.loads(_TOWERS.read_text())["graphs"]]
}
#: Above this size the diameter takes too long for a test.
LARGE = 3000


@functools.cache
def reference_object(name: str) -> BipartiteGraph | TensorProduct:
    entry = ENTRIES[name]
    if entry["family"] != "lift":
        return build(entry)
    graph = complete(*entry["params"]["base"])
    for level in entry["signs_hex_packbits_rowmajor"]:
        packed = np.frombuffer(bytes.fromhex(level), dtype=np.uint8)
        crossed = np.unpackbits(packed, count=graph.num_edges).astype(np.int64)
        graph = two_lift(graph, 1 - 2 * crossed)
    return graph


@functools.cache
def reference_graph(name: str) -> BipartiteGraph:
    found = reference_object(name)
    if isinstance(found, BipartiteGraph):
        return found
    return BipartiteGraph.from_biadjacency(found.mask())


def small_side(graph: BipartiteGraph) -> BipartiteGraph:
    return graph if graph.left <= graph.right else graph.T


def singular_values_of_lps(graph: BipartiteGraph, q: int) -> NDArray[np.float64]:
    """Return all singular values from the blocks of the cyclic symmetry of order q."""
    matrix = graph.biadjacency(float).toarray().reshape(q + 1, q, -1, q + 1, q, (q - 1) // 2)
    assert (np.roll(matrix, (1, 1), axis=(1, 4)) == matrix).all()
    size = graph.left // q
    blocks = np.fft.rfft(matrix[:, 0], axis=3).transpose(3, 0, 1, 2, 4).reshape(-1, size, size)
    # All blocks but the first stand for themselves and their conjugates.
    values = np.linalg.svd(blocks, compute_uv=False)
    found: NDArray[np.float64] = np.sort(np.concatenate((values, values[1:])).ravel())
    return found[::-1]


@pytest.mark.parametrize("name", ENTRIES)
def test_size_degrees_and_components_are_reproduced(name: str) -> None:
    entry, graph = ENTRIES[name], reference_graph(name)
    assert graph.shape == (entry["U"], entry["V"])
    assert graph.degrees == (entry["dl"], entry["dr"])
    assert graph.num_edges == entry["U"] * entry["dl"]
    assert graph.num_components == entry["components"]


@pytest.mark.parametrize("name", ENTRIES)
def test_the_girth_is_reproduced(name: str) -> None:
    assert reference_graph(name).girth() == ENTRIES[name]["girth"]


@pytest.mark.parametrize("name", [name for name in ENTRIES if ENTRIES[name]["U"] <= LARGE])
def test_the_diameter_is_reproduced(name: str) -> None:
    expected = ENTRIES[name]["diameter"]
    assert reference_graph(name).diameter() == (math.inf if expected is None else expected)


@pytest.mark.parametrize("name", ENTRIES)
def test_moments_are_reproduced_as_integers(name: str) -> None:
    entry, graph = ENTRIES[name], small_side(reference_graph(name))
    moments = [int(moment) for moment in entry["moments"]]
    # Entries of the cube stay below 2^53, so float64 is exact; diagonals of the sixth power
    # stay below 2^63.
    assert (entry["dl"] * entry["dr"]) ** 6 < 2**63
    if entry["family"] == "lps" and graph.left > 700:
        assert exact_moments_of_one_root(graph) == moments
        return
    matrix = graph.biadjacency(np.float64).toarray()
    power = [np.eye(graph.left), matrix @ matrix.T]
    power += [power[1] @ power[1]]
    power += [power[2] @ power[1]]
    whole = [each.astype(np.int64) for each in power]
    for k, moment in enumerate(moments, start=1):
        one, other = whole[k // 2], whole[k - k // 2]
        assert sum(np.einsum("ij,ij->i", one, other).tolist()) == moment


def exact_moments_of_one_root(graph: BipartiteGraph) -> list[int]:
    """Return the moments of a graph that looks the same from every left vertex."""
    matrix = graph.biadjacency(np.int64)
    roots = np.random.default_rng(0).choice(graph.left, size=4, replace=False)
    start = np.zeros((graph.left, 4), dtype=np.int64)
    start[roots, np.arange(4)] = 1
    walks, moments = start, []
    for _ in range(6):
        walks = matrix @ (matrix.T @ walks)
        (count,) = {*walks[roots, np.arange(4)].tolist()}
        moments.append(graph.left * count)
    return moments


@pytest.mark.parametrize("name", [name for name in ENTRIES if ENTRIES[name]["sv_clusters"]])
def test_singular_values_are_reproduced_with_multiplicities(name: str) -> None:
    entry = ENTRIES[name]
    expected = np.concatenate([np.full(count, float(x)) for x, count in entry["sv_clusters"]])
    if entry["family"] == "lps" and entry["U"] > 400:
        values = singular_values_of_lps(reference_graph(name), entry["params"]["q"])
        np.testing.assert_allclose(values, expected, atol=1e-9)
    elif name == "2 x LPS(3,11) (disconnected)":
        graph = reference_graph(name)
        half = BipartiteGraph.from_edges(graph.edges[: graph.num_edges // 2], shape=(660, 660))
        values = np.repeat(singular_values_of_lps(half, 11), 2)
        np.testing.assert_allclose(values, expected, atol=1e-9)
    else:
        result = spectrum(reference_object(name))
        assert result.multiplicities.tolist() == [count for _, count in entry["sv_clusters"]]
        np.testing.assert_allclose(result.expand(), expected, atol=1e-7)


@pytest.mark.parametrize(
    "name",
    [name for name in ENTRIES if min(ENTRIES[name]["U"], ENTRIES[name]["V"]) <= 130],
)
def test_the_characteristic_polynomial_is_reproduced(name: str) -> None:
    flint = pytest.importorskip("flint")
    matrix = small_side(reference_graph(name)).biadjacency(np.int64).toarray()
    polynomial: Any = flint.fmpz_mat((matrix @ matrix.T).tolist()).charpoly()
    text = ",".join(str(int(c)) for c in reversed(polynomial.coeffs()))
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == ENTRIES[name]["charpoly_BBt_sha256"]


@pytest.mark.parametrize("name", ENTRIES)
def test_the_second_singular_value_and_the_verdict_are_reproduced(name: str) -> None:
    entry, verdict = ENTRIES[name], verify(reference_object(name))
    assert verdict.sigma1 == pytest.approx(float(entry["lambda1"]), rel=1e-13)
    assert verdict.sigma2 == pytest.approx(float(entry["lambda2"]), rel=1e-12, abs=1e-12)
    assert verdict.bound == pytest.approx(float(entry["bound"]), rel=1e-13)
    if verdict.tie and verdict.sigma2_squared is None:
        assert float(entry["lambda2"]) == pytest.approx(float(entry["bound"]), rel=1e-14)
        assert verdict.is_ramanujan is None
    else:
        assert verdict.is_ramanujan == entry["ramanujan"]
