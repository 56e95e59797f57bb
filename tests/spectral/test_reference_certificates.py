"""The reference graphs of families, towers and the largest one: decided, and replayed."""

from __future__ import annotations

import pytest

import rbgp_graphs as rg
from rbgp_graphs.errors import ArgumentError, InfeasibleError
from rbgp_graphs.graph import BipartiteGraph
from tests.constructions.reference import reference
from tests.test_reference_graphs import ENTRIES, reference_graph

FAMILIES: dict[str, BipartiteGraph] = {
    "AG(2,3)": rg.affine_plane(3),
    "AG(2,5)": rg.affine_plane(5),
    "W(2)=GQ(2,2)": rg.generalized_quadrangle(2, 2),
    "W(4)=GQ(4,4)": rg.generalized_quadrangle(4, 4),
    "Q-(5,2)=GQ(2,4)": rg.generalized_quadrangle(2, 4),
    "H(2) split Cayley hexagon": rg.generalized_hexagon(2),
    "Chiu(2,3)": rg.chiu(3),
    "Morgenstern(q=2,d=2)": rg.morgenstern(2, 2),
    "Morgenstern(q=2,d=4)": rg.morgenstern(2, 4),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_proved_by_its_theorem_and_without_it(name: str) -> None:
    graph, entry = FAMILIES[name], reference(name)
    for theorems in (True, False):
        verdict = rg.verify(graph, level="proved", theorems=theorems)
        assert verdict.status == "proved"
        assert verdict.sigma2 == pytest.approx(float(entry["lambda2"]), abs=1e-9)
        certificate = verdict.certificate
        assert certificate is not None
        assert (certificate.proof.kind == "theorem") is theorems
        assert certificate.check(graph)


@pytest.mark.parametrize("name", ["2-lift tower K(8,8) x2^6", "2-lift tower K(3,6) x2^6"])
def test_a_tower_is_proved_level_by_level(name: str) -> None:
    graph = reference_graph(name)
    verdict = rg.verify(graph, level="proved")
    assert (verdict.status, verdict.is_ramanujan) == ("proved", ENTRIES[name]["ramanujan"])
    certificate = verdict.certificate
    assert certificate is not None
    assert certificate.proof.kind == "two_lift"
    assert certificate.check(graph)


def test_the_largest_graph_is_proved_with_and_without_the_theorem() -> None:
    graph = reference_graph("LPS(5,29)")
    for theorems, kind in ((True, "theorem"), (False, "closed_walks")):
        verdict = rg.verify(graph, level="proved", theorems=theorems)
        certificate = verdict.certificate
        assert certificate is not None
        assert (verdict.status, certificate.proof.kind) == ("proved", kind)
        assert certificate.check(graph)


def test_the_two_multigraphs_of_the_reference_are_refused() -> None:
    with pytest.raises(InfeasibleError, match="parallel edges"):
        rg.lps(31, 5, allow_small=True)
    # Without its parallel edges the expander is not biregular, and has no bound of its own.
    with pytest.raises(ArgumentError, match="not biregular"):
        rg.verify(rg.margulis_gabber_galil(8), level="proved")
