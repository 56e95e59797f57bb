"""``rbgp verify``: the answer is the exit code."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import rbgp_graphs as rg
from tests.cli.running import Files, document, rbgp


def test_a_ramanujan_graph_ends_with_0(files: Files) -> None:
    result = rbgp("verify", "graph.rbgp")
    assert result.exit_code == 0
    assert "the graph is Ramanujan" in result.stdout
    found = document("verify", "graph.rbgp")
    assert (found["holds"], found["checked"], found["file"]) == (True, "whole", "graph.rbgp")
    assert found["verdict"] == rg.verify(rg.lps(3, 5)).as_dict()


def test_a_product_ends_with_1_although_all_its_factors_are_ramanujan(files: Files) -> None:
    result = rbgp("verify", "pattern.rbgp")
    assert result.exit_code == 1
    assert "is not Ramanujan, as is normal for a product" in " ".join(result.stdout.split())
    assert document("verify", "pattern.rbgp")["holds"] is False


def test_with_factors_the_factors_decide(files: Files) -> None:
    result = rbgp("verify", "pattern.rbgp", "--factors")
    assert result.exit_code == 0
    assert "all factors are Ramanujan" in result.stdout
    found = document("verify", "pattern.rbgp", "--factors")
    assert (found["holds"], found["checked"]) == (True, "factors")
    # The product itself is still reported as what it is.
    assert found["verdict"]["is_ramanujan"] is False
    bad = rg.TensorProduct(rg.random_biregular(4, 4, 1, rng=0), rg.complete(2, 2))
    rg.save("bad.rbgp", bad)
    assert document("verify", "bad.rbgp", "--factors")["holds"] is False
    assert rbgp("verify", "bad.rbgp", "--factors").exit_code == 1


def test_a_graph_has_no_factors_and_decides_itself(files: Files) -> None:
    assert document("verify", "graph.rbgp", "--factors")["checked"] == "whole"
    assert rbgp("verify", "graph.rbgp", "--factors").exit_code == 0


def test_a_disconnected_graph_ends_with_1(files: Files) -> None:
    rg.save("apart.rbgp", rg.random_biregular(6, 6, 1, rng=0))
    result = rbgp("verify", "apart.rbgp")
    assert result.exit_code == 1
    assert "refuted" in result.stdout


def test_undecided_ends_with_1_and_says_so(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = dataclasses.replace(rg.verify(rg.lps(3, 5)), is_ramanujan=None, tie=True)
    monkeypatch.setattr(rg, "verify", lambda *_, **__: verdict)
    result = rbgp("verify", "graph.rbgp")
    assert result.exit_code == 1
    assert "undecided: sigma2 is closer to the bound than its error" in result.stdout
    assert document("verify", "graph.rbgp")["holds"] is None


def test_without_a_proof_the_level_proved_is_undecided(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def verify(subject: rg.BipartiteGraph, level: str) -> Any:
        asked.append(level)
        return numeric(subject)

    numeric = rg.verify
    monkeypatch.setattr(rg, "verify", verify)
    result = rbgp("verify", "graph.rbgp", "--level", "proved")
    assert asked == ["proved"]
    assert result.exit_code == 1
    assert "undecided: not proved and not refuted" in result.stdout
    assert rbgp("verify", "graph.rbgp", "--level", "numeric").exit_code == 0


def test_the_level_proved_proves(files: Files) -> None:
    found = document("verify", "graph.rbgp", "--level", "proved")
    assert found["holds"] is True
    assert found["verdict"]["status"] == "proved"
    product = document("verify", "pattern.rbgp", "--level", "proved", "--factors")
    assert product["holds"] is True


@pytest.mark.parametrize("subject", [rg.BipartiteGraph.from_edges([(0, 0)], shape=(2, 3))])
def test_a_graph_that_is_not_biregular_is_a_wrong_request(
    subject: rg.BipartiteGraph, files: Files
) -> None:
    rg.save("uneven.rbgp", subject)
    result = rbgp("verify", "uneven.rbgp")
    assert result.exit_code == 2
    assert "not biregular" in result.stderr
