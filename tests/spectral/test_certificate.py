"""Verdicts at the level "proved" and the replay of their certificates."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rbgp_graphs as rg
from rbgp_graphs import BipartiteGraph, TensorProduct, verify
from rbgp_graphs.constructions import abelian_cover
from rbgp_graphs.errors import (
    ArgumentError,
    ArgumentTypeError,
    FormatError,
    MissingDependencyError,
)
from rbgp_graphs.products import RBGP4
from rbgp_graphs.spectral import Verdict, cholesky
from rbgp_graphs.spectral.certificate import Certificate, _checksum
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.proofs import (
    _KINDS,
    Cholesky,
    Disconnected,
    GramIdentity,
    Proof,
    TwoLift,
)
from rbgp_graphs.spectral.prover import Finding, prove
from rbgp_graphs.spectral.threshold import Threshold
from rbgp_graphs.testing.strategies import biregular_graphs, lifts, patterns
from tests.spectral.reference import GRAPHS, build, from_networkx, plain

Pattern = BipartiteGraph | TensorProduct


def proved(pattern: Pattern) -> Verdict:
    return verify(pattern, level="proved")


K33_C6: Any = build(next(entry for entry in GRAPHS if entry["name"].startswith("K3,3 cart")))


def cycle(length: int) -> BipartiteGraph:
    return from_networkx(nx.cycle_graph(length))


def stored(verdict: Verdict) -> Certificate:
    """Return the certificate after a way through JSON text."""
    assert verdict.certificate is not None
    read = Certificate.from_dict(json.loads(json.dumps(verdict.certificate.to_dict())))
    assert read == verdict.certificate
    return read


def materialised(pattern: Pattern) -> BipartiteGraph:
    if isinstance(pattern, BipartiteGraph):
        return pattern
    return BipartiteGraph.from_biadjacency(pattern.to_csr())


def excess(pattern: Pattern) -> float:
    """Return sigma2 minus the bound by a dense SVD, infinity for a disconnected graph."""
    graph = materialised(pattern)
    if not graph.is_connected:
        return math.inf
    values = np.linalg.svd(graph.biadjacency(np.float64).toarray(), compute_uv=False)
    dl, dr = graph.degrees or (0, 0)
    second = values[1] if len(values) > 1 else 0.0
    return float(second - math.sqrt(dl - 1) - math.sqrt(dr - 1))


def moved_edge(graph: BipartiteGraph, seed: int) -> BipartiteGraph:
    """Exchange the ends of two edges, which keeps all degrees (a graph that is not complete)."""
    edges = graph.edges.copy()
    rng = np.random.default_rng(seed)
    while True:
        (a, b), (c, d) = edges[rng.choice(len(edges), 2, replace=False)]
        if not (graph.has_edge(a, d) or graph.has_edge(c, b)):
            break
    keep = ~((edges == (a, b)).all(axis=1) | (edges == (c, d)).all(axis=1))
    return BipartiteGraph.from_edges(
        np.concatenate((edges[keep], [(a, d), (c, b)])), shape=graph.shape
    )


# Reference graphs -------------------------------------------------------------------------------

#: How each is decided; all others by the theorem of their family.
_METHODS = {
    "Franklin": "abelian_cover",
    "F26A": "abelian_cover",
    "Foster": "abelian_cover",
    "K3,3 cart C6 (tight)": "characteristic_polynomial",
    "Q6 hypercube": "cholesky",
    "LPS(13,5)": "cholesky",
    "K(3,3)": "connected",
    "K(8,8)": "connected",
    "K(4,32)": "connected",
    "C20": "connected",
    "2 x LPS(3,11) (disconnected)": "disconnected",
    "AG(2,3)": "gram_identity",
    "AG(2,5)": "gram_identity",
    "W(2)=GQ(2,2)": "gram_identity",
    "Pappus": "gram_identity",
    "Tutte-Coxeter (LCF)": "gram_identity",
    "crown S8 (K8,8 - 8K2)": "gram_identity",
    "Q3 cube": "gram_identity",
    "Q4 hypercube": "gram_identity",
    "PG(2,2) (x) PG(2,2)": "product",
    "LPS(3,5) (x) K4,1": "product_factor",
    "array(5,3) (x) PG(2,2)": "product_factor",
    "Q8 hypercube": "test_vector",
    "Moebius-Kantor": "two_lift",
}


@pytest.mark.parametrize("entry", GRAPHS, ids=[entry["name"] for entry in GRAPHS])
def test_every_reference_graph_is_decided_and_its_certificate_replays(entry: Any) -> None:
    pattern = build(entry)
    verdict = proved(pattern)
    assert verdict.shape in ((entry["U"], entry["V"]), (entry["V"], entry["U"]))
    assert verdict.is_ramanujan is entry["ramanujan"]
    assert verdict.status == ("proved" if entry["ramanujan"] else "refuted")
    tie = entry["components"] == 1 and abs(float(entry["lambda2"]) - float(entry["bound"])) < 1e-9
    assert verdict.tie is tie
    certificate = stored(verdict)
    assert certificate.check(pattern)
    assert certificate.proof.kind == _METHODS.get(entry["name"], "theorem")


_SMALL = [
    entry for entry in GRAPHS if entry["components"] == 1 and min(entry["U"], entry["V"]) <= 350
]


@pytest.mark.parametrize("entry", _SMALL, ids=[entry["name"] for entry in _SMALL])
def test_the_same_holds_for_the_bare_matrix_without_a_recipe(entry: Any) -> None:
    graph = plain(materialised(build(entry)))
    verdict = proved(graph)
    assert verdict.is_ramanujan is entry["ramanujan"]
    certificate = stored(verdict)
    assert "theorem" not in json.dumps(certificate.to_dict())
    assert certificate.check(graph)


@pytest.mark.parametrize("graph", [rg.lps(3, 13), rg.random_biregular(900, 900, 3, rng=1)], ids=str)
def test_a_large_bare_matrix_is_proved_by_cholesky(graph: BipartiteGraph) -> None:
    verdict = proved(plain(graph))
    assert (verdict.status, verdict.method) == ("proved", "integer Cholesky factor")
    assert stored(verdict).check(graph)


def test_little_room_above_the_reach_of_polynomials_takes_a_finer_factor() -> None:
    graph = rg.random_biregular(500, 500, 3, rng=3)
    largest = Rows.of_graph(graph).leading()[0]
    for step, kind in ((1e-6, "cholesky"), (-1e-6, "test_vector")):
        threshold = Threshold(int(largest * (1 + step) * 10**12), 0, 10**12)
        finding = prove(graph, threshold)
        assert isinstance(finding, Finding)
        assert (finding.holds, finding.proof.kind) == (step > 0, kind)
        assert finding.proof.decide(graph, threshold) is finding.holds
    tie = prove(graph, Threshold(int(largest * 10**12), 0, 10**12))
    assert isinstance(tie, str) or not tie.holds


# Ties -------------------------------------------------------------------------------------------


def test_wenger_tie_is_decided_with_and_without_the_theorem() -> None:
    graph = rg.field_lift(4, 4, 3, 6)
    for same in (graph, plain(graph)):
        verdict = proved(same)
        assert (verdict.is_ramanujan, verdict.tie) == (True, True)
        assert stored(verdict).check(graph)
    assert verdict.method == "exact characteristic polynomial and root count"


def test_all_signings_of_k44_are_counted() -> None:
    bits = (np.arange(2**16)[:, None] >> np.arange(16)) & 1
    signed = (1 - 2 * bits).reshape(-1, 4, 4)
    gram = signed @ signed.transpose(0, 2, 1)
    # Faddeev-LeVerrier: the coefficients of the characteristic polynomial, in integers.
    step, coefficients = np.zeros_like(gram), [np.ones(2**16, dtype=np.int64)]
    for k in range(1, 5):
        step = gram @ step + coefficients[-1][:, None, None] * np.eye(4, dtype=np.int64)
        coefficients.append(-np.trace(gram @ step, axis1=1, axis2=2) // k)
    _, first, counts = np.unique(
        np.stack(coefficients, axis=1), axis=0, return_index=True, return_counts=True
    )
    tally = {"ramanujan": 0, "tie": 0, "norm 2": 0}
    for signing, count in zip(signed[first], counts, strict=True):
        lift = rg.two_lift(rg.complete(4, 4), signing.ravel())
        verdict = proved(lift)
        assert stored(verdict).check(lift)
        tally["ramanujan"] += count * (verdict.is_ramanujan is True)
        tally["tie"] += count * verdict.tie
        tally["norm 2"] += count * (abs(verdict.sigma2 - 2) < 1e-9)
    assert tally == {"ramanujan": 63_360, "tie": 3_072, "norm 2": 768}


def test_an_irrational_tie_of_a_product_is_found() -> None:
    # sigma2 of C12 is sqrt(3), and its product with itself is compared with 2 sqrt(3).
    square = TensorProduct(cycle(12), cycle(12))
    verdict = proved(square)
    assert verdict.degrees == (4, 4)
    assert (verdict.is_ramanujan, verdict.tie) == (True, True)
    assert stored(verdict).check(square)


# Lifts and products ------------------------------------------------------------------------------


def tower(left: int, right: int, levels: int) -> BipartiteGraph:
    graph, rng = rg.complete(left, right), np.random.default_rng(5)
    for _ in range(levels):
        while True:
            grown = rg.two_lift(graph, rng.choice((-1, 1), size=graph.num_edges))
            if verify(grown).is_ramanujan:
                break
        graph = grown
    return graph


@pytest.mark.parametrize(("left", "right", "levels"), [(8, 8, 4), (3, 6, 4), (6, 3, 3)])
def test_a_tower_is_proved_level_by_level(left: int, right: int, levels: int) -> None:
    graph = tower(left, right, levels)
    for same in (graph, plain(graph), graph.T):
        verdict = proved(same)
        assert verdict.status == "proved"
        assert verdict.method.startswith(f"{levels} levels of 2-lifts")
        assert stored(verdict).check(same)


def test_a_product_of_any_size_is_settled_by_its_factors() -> None:
    outer, inner = tower(8, 32, 2), tower(8, 8, 2)
    pattern = RBGP4(outer, (4, 1), inner, (1, 1))
    verdict = proved(pattern)
    assert (verdict.shape, verdict.status) == ((4096, 4096), "refuted")
    assert all(factor.status == "proved" for factor in verdict.factors)
    assert stored(verdict).check(pattern)
    assert not stored(verdict).check(RBGP4(inner, (4, 1), outer, (1, 1)))
    assert not stored(verdict).check(outer)


def test_a_disconnected_factor_refutes_the_product() -> None:
    split = rg.two_lift(rg.complete(3, 3), [1] * 9)
    pattern = TensorProduct(rg.projective_plane(2), split)
    verdict = proved(pattern)
    assert (verdict.status, verdict.connected) == ("refuted", False)
    assert isinstance(stored(verdict).proof.factor, Disconnected)  # type: ignore[union-attr]
    assert stored(verdict).check(pattern)


def test_a_degenerate_large_graph_is_proved_by_its_identity() -> None:
    matrix = 1 - np.eye(200)
    crown = BipartiteGraph.from_biadjacency(matrix)
    verdict = proved(crown)
    assert (verdict.status, verdict.sigma2_squared) == ("proved", 1)
    assert stored(verdict).proof == GramIdentity(1)
    assert stored(verdict).check(crown)
    matrix[:2, :2] = 1 - matrix[:2, :2]
    assert not stored(verdict).check(BipartiteGraph.from_biadjacency(matrix))
    wrong = Certificate(ramanujan=True, digest=crown.digest, proof=GramIdentity(2))
    assert not wrong.check(crown)


# Laws -------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.one_of(biregular_graphs(), lifts(), patterns(max_side=3)))
def test_every_small_graph_and_pattern_is_decided_as_a_dense_svd_says(pattern: Pattern) -> None:
    if materialised(pattern).degrees is None:
        return
    verdict = proved(pattern)
    assert verdict.status == ("proved" if verdict.is_ramanujan else "refuted")
    difference = excess(pattern)
    if verdict.tie:
        assert abs(difference) < 1e-6
    if abs(difference) > 1e-6:
        assert verdict.is_ramanujan is (difference < 0)
        assert not verdict.tie
    assert stored(verdict).check(pattern)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), st.data())
def test_the_proof_of_every_sample_with_an_edge_moved_proves_nothing_wrong(
    seed: int, data: st.DataObject
) -> None:
    which = data.draw(st.sampled_from(range(len(_SAMPLES))))
    graph, certificate = _SAMPLES[which], _CERTIFICATES[which]
    if not isinstance(graph, BipartiteGraph) or graph.is_complete:
        return
    other = moved_edge(graph, seed)
    assert not certificate.check(other)
    forged = Certificate(
        ramanujan=certificate.ramanujan, digest=other.digest, proof=certificate.proof
    )
    if forged.check(other):
        truth = verify(other, level="proved", two_sided=certificate.two_sided)
        assert truth.is_ramanujan is certificate.ramanujan


@settings(max_examples=60, deadline=None)
@given(st.one_of(biregular_graphs(min_degree=2), lifts()), st.integers(0, 99))
def test_a_proof_moved_to_another_graph_never_proves_what_is_wrong(
    graph: BipartiteGraph, seed: int
) -> None:
    if graph.is_complete or graph.degrees is None:
        return
    other = moved_edge(graph, seed)
    certificate = stored(proved(graph))
    assert not certificate.check(other)
    forged = Certificate(
        ramanujan=certificate.ramanujan, digest=other.digest, proof=certificate.proof
    )
    if forged.check(other):
        assert certificate.ramanujan is proved(other).is_ramanujan


@pytest.mark.parametrize(
    "graph",
    [
        rg.projective_plane(4),
        plain(rg.projective_plane(4)),
        rg.lps(3, 5),
        rg.field_lift(4, 4, 3, 6),
        K33_C6,
        tower(8, 8, 3),
        rg.cyclic_lift(rg.complete(4, 4), 9, np.random.default_rng(1).integers(0, 9, 16)),
    ],
    ids=["theorem", "identity", "lps", "field lift", "polynomial", "tower", "cyclic lift"],
)
def test_proofs_that_rest_on_structure_fail_with_one_edge_moved(graph: BipartiteGraph) -> None:
    certificate = stored(proved(graph))
    for seed in range(3):
        other = moved_edge(graph, seed)
        forged = Certificate(ramanujan=True, digest=other.digest, proof=certificate.proof)
        assert not forged.check(other)
        assert not certificate.check(other)


@pytest.mark.parametrize(
    ("graph", "square", "source"),
    [
        (rg.affine_plane(4), 4, "two points lie on one line"),
        (rg.affine_plane(5).T, 5, "two points lie on one line"),
        (rg.generalized_quadrangle(2, 4), 6, "collinear with one point"),
        (rg.generalized_quadrangle(3, 3), 6, "collinear with one point"),
        (rg.generalized_quadrangle(4, 2).T, 6, "collinear with one point"),
        (rg.generalized_hexagon(2), 6, "Feit and Higman"),
        (rg.generalized_hexagon(3), 9, "Feit and Higman"),
        (rg.chiu(3), None, "Chiu"),
        (rg.chiu(17), None, "Chiu"),
        (rg.morgenstern(2, 2), None, "Morgenstern"),
        (rg.morgenstern(3, 2).T, None, "Morgenstern"),
    ],
    ids=str,
)
def test_a_member_of_a_family_is_proved_by_the_theorem_of_the_family(
    graph: BipartiteGraph, square: int | None, source: str
) -> None:
    verdict = proved(graph)
    assert (verdict.status, verdict.is_ramanujan) == ("proved", True)
    assert verdict.method.startswith("theorem of the family: ")
    assert source in verdict.method
    # The bound of the theorem is also what a dense SVD finds.
    assert graph.left > 1000 or excess(graph) < 1e-9
    if square is not None:
        assert verdict.sigma2_squared == square
        assert verdict.sigma2 == pytest.approx(math.sqrt(square), abs=1e-9)
    certificate = stored(verdict)
    assert certificate.proof.kind == "theorem"
    assert certificate.check(graph)
    assert certificate.check(plain(graph))
    other = moved_edge(graph, 0)
    assert not certificate.check(other)
    forged = Certificate(ramanujan=True, digest=other.digest, proof=certificate.proof)
    assert not forged.check(other)


# Corruption -------------------------------------------------------------------------------------

_SAMPLES: list[Pattern] = [
    rg.lps(3, 5),
    plain(rg.lps(3, 5)),
    rg.complete(3, 4),
    tower(4, 4, 2),
    plain(rg.projective_plane(3)),
    from_networkx(nx.hypercube_graph(7)),
    rg.two_lift(rg.complete(3, 3), [1] * 9),
    TensorProduct(rg.projective_plane(2), rg.projective_plane(2)),
    TensorProduct(rg.lps(3, 5), rg.complete(4, 1)),
    K33_C6,
    rg.cyclic_lift(rg.complete(4, 4), 9, np.random.default_rng(1).integers(0, 9, 16)),
    abelian_cover([2, 6], np.ones((1, 1, 12)) - np.eye(1, 12)),
    rg.lps(5, 7),
    rg.affine_plane(3),
    rg.complete(2, 4),
    rg.random_biregular(20, 40, 6, rng=1),
]
#: The last ones are proved in the other ways that there are.
_OPTIONS: list[dict[str, bool]] = [{}] * (len(_SAMPLES) - 4)
_OPTIONS += [{"theorems": False}, *[{"two_sided": True}] * 3]
_CERTIFICATES = [
    stored(verify(pattern, level="proved", **options))
    for pattern, options in zip(_SAMPLES, _OPTIONS, strict=True)
]


def test_the_samples_are_of_all_kinds() -> None:
    text = json.dumps([certificate.to_dict() for certificate in _CERTIFICATES])
    assert {kind for kind in _KINDS if f'"kind": "{kind}"' in text} == {*_KINDS}
    assert '"kind": "two_sided"' in text


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(0, 40),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["connected", "cholesky", "disconnected", "product", "AAAA", "0" * 64]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["kind", "x"]), st.text(max_size=3), max_size=2),
    st.sampled_from([certificate.proof.to_dict() for certificate in _CERTIFICATES]),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to all values inside a JSON-able value."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [q for key, x in items for q in ((*path, key), *places(x, (*path, key)))]


@st.composite
def corrupted(draw: st.DrawFn) -> tuple[int, Any]:
    which = draw(st.integers(0, len(_SAMPLES) - 1))
    data = json.loads(json.dumps(_CERTIFICATES[which].to_dict()))
    path = draw(st.sampled_from(places(data)))
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    old = parent[path[-1]]
    if isinstance(parent, dict) and draw(st.integers(0, 9)) == 0:
        del parent[path[-1]]
        return which, data
    if isinstance(old, str) and old and draw(st.booleans()):
        place = draw(st.integers(0, len(old) - 1))
        new: Any = old[:place] + draw(st.sampled_from("A0b/f")) + old[place + 1 :]
    elif type(old) is int and draw(st.booleans()):
        new = old + draw(st.integers(-3, 3))
    else:
        new = draw(_VALUES)
    parent[path[-1]] = new
    return which, data


@settings(max_examples=150, deadline=None)
@given(corrupted())
def test_a_corrupted_certificate_is_refused(case: tuple[int, Any]) -> None:
    which, data = case
    if json.dumps(data) == json.dumps(_CERTIFICATES[which].to_dict()):
        return
    with pytest.raises(FormatError):
        Certificate.from_dict(data)


@settings(max_examples=150, deadline=None)
@given(corrupted())
def test_a_forged_certificate_with_a_right_checksum_never_proves_what_is_wrong(
    case: tuple[int, Any],
) -> None:
    which, data = case
    data.pop("checksum", None)
    try:
        data["checksum"] = _checksum(data)
        certificate = Certificate.from_dict(data)
    except (FormatError, ValueError):
        return
    if certificate.check(_SAMPLES[which]):
        truth = verify(_SAMPLES[which], level="proved", two_sided=certificate.two_sided)
        assert certificate.ramanujan is truth.is_ramanujan


@pytest.mark.parametrize("data", [None, [], 7, "x", {}, {"kind": 3}, {"kind": "cholesky"}])
def test_what_is_no_certificate_is_refused(data: Any) -> None:
    with pytest.raises(FormatError, match="certificate"):
        Certificate.from_dict(data)


def test_nesting_is_limited() -> None:
    proof: Proof = Cholesky(20, 1)
    for _ in range(100):
        proof = TwoLift(proof, Cholesky(20, 1))
    deep = Certificate(ramanujan=True, digest="0" * 64, proof=proof).to_dict()
    with pytest.raises(FormatError, match="nested"):
        Certificate.from_dict(deep)


# What is refused, and what stays open ------------------------------------------------------------


def test_a_certificate_is_about_graphs_and_products_only() -> None:
    with pytest.raises(ArgumentTypeError, match="expected a BipartiteGraph"):
        _CERTIFICATES[0].check(np.eye(3))  # type: ignore[arg-type]
    assert not _CERTIFICATES[0].check(BipartiteGraph.from_biadjacency([[1, 1], [0, 1]]))


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ArgumentError, match="'numeric' or 'proved'"):
        verify(rg.lps(3, 5), level="certain")


def test_what_is_out_of_reach_stays_numeric_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cholesky, "LARGEST_SIDE", 20)
    monkeypatch.setattr("rbgp_graphs.spectral.charpoly.LARGEST_SIDE", 20)
    verdict = proved(plain(rg.lps(3, 5)))
    assert (verdict.status, verdict.certificate) == ("numeric", None)
    assert "not proved: the smaller side has 60 vertices" in verdict.method


def test_a_missing_flint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(MissingDependencyError, match="flint"):
        proved(plain(rg.field_lift(4, 4, 3, 6)))


@pytest.mark.parametrize("options", [{}, {"two_sided": True}, {"theorems": False}], ids=str)
def test_degenerate_graphs_are_refused_or_rightly_refuted(options: dict[str, bool]) -> None:
    empty = BipartiteGraph.from_biadjacency(np.zeros((3, 3)))
    irregular = BipartiteGraph.from_biadjacency([[1, 1], [0, 1]])
    for graph, message in ((empty, "no edges"), (irregular, "not biregular")):
        with pytest.raises(ArgumentError, match=message):
            verify(graph, level="proved", **options)
        assert not any(
            Certificate(ramanujan=claim, digest=graph.digest, proof=certificate.proof).check(graph)
            for certificate in _CERTIFICATES
            for claim in (True, False)
        )
    with pytest.raises(ArgumentError, match="twice"):
        BipartiteGraph.from_edges([(0, 0), (0, 0)], shape=(1, 1))
    matching = rg.random_biregular(5, 5, 1, rng=0)
    star, edge = rg.complete(1, 4), rg.complete(1, 1)
    parted = BipartiteGraph.from_biadjacency(np.kron(np.eye(2), np.ones((3, 3))))
    for graph, expected in ((matching, False), (star, True), (edge, True), (parted, False)):
        verdict = verify(graph, level="proved", **options)
        assert verdict.is_ramanujan is expected
        assert verdict.status == ("proved" if expected else "refuted")
        assert stored(verdict).check(graph)
