"""The two studies in examples/, with small settings."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import rbgp_graphs as rg
from examples import paper_experiment, topology_study
from rbgp_graphs.nn import load_digits


def drawn(name: str, degree: int, seed: int = 0) -> rg.BipartiteGraph:
    return topology_study.FAMILIES[name](degree, np.random.default_rng(seed))


@pytest.mark.parametrize(("name", "degree"), topology_study.CASES)
def test_every_family_has_the_edges_that_the_study_compares(name: str, degree: int) -> None:
    graph = drawn(name, degree)
    side = topology_study.SIDE
    assert (graph.shape, graph.num_edges) == ((side, side), side * degree)
    assert (graph.degrees is None) == (name == "random")


@pytest.mark.parametrize("name", ["ring", "random regular", "field lift", "8 parts"])
def test_the_measures_are_those_of_verify(name: str) -> None:
    graph = drawn(name, 8)
    found, verdict = topology_study.measures(graph), rg.verify(graph)
    assert found["gap"] == pytest.approx(1 - verdict.sigma2 / verdict.sigma1, abs=1e-9)
    assert found["connectivity"] == pytest.approx(verdict.algebraic_connectivity, abs=1e-9)


def test_a_ring_that_is_rewired_keeps_its_degrees_and_gains_a_gap() -> None:
    ring, rewired = drawn("ring", 8), drawn("ring, 10 % rewired", 8)
    assert ring.degrees == rewired.degrees
    assert topology_study.measures(rewired)["gap"] > 3 * topology_study.measures(ring)["gap"]


def test_a_narrow_network_learns_through_its_masks_alone() -> None:
    side, images = topology_study.SIDE, load_digits()
    nothing = torch.zeros(1, topology_study.LAYERS, side, side, dtype=torch.bool)
    masks = torch.cat((nothing, ~nothing))
    (blind, _), (_, _) = topology_study.train_all(masks, images, [0, 0], narrow=True, epochs=1)
    assert blind <= 0.2
    accuracies, _ = topology_study.train_all(masks, images, [0, 0], narrow=True, epochs=2)
    assert accuracies[1] > 0.5 > 0.2 >= accuracies[0]


def test_the_correlation_finds_an_order_that_was_planted() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {
            "family": str(k),
            "degree": 8,
            "gap": k / 12,
            "up": k + rng.normal(),
            "noise": rng.normal(),
        }
        for k in range(12)
        for _ in range(4)
    ]
    found = topology_study.correlation(rows, "gap", "up", resamples=200)
    assert found["points"] == 12
    assert found["low"] > 0.8
    assert found["low"] <= found["rho"] <= found["high"] <= 1
    noise = topology_study.correlation(rows, "gap", "noise", resamples=200)
    assert noise["low"] < 0 < noise["high"]


def test_a_small_study_runs_to_its_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = functools.partial(topology_study.correlation, resamples=50)
    monkeypatch.setattr(topology_study, "correlation", quick)
    cases = [("8 parts", 8), ("random regular", 8), ("random regular", 16)]
    result = topology_study.study(2, 1, cases)
    assert len(result["networks"]) == 6
    assert {row["measure"] for row in result["all_densities"]} == {"gap", "connectivity", "density"}
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert json.loads(json.dumps(result)) == result


def test_the_experiment_goes_on_where_it_was_and_times_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paper_experiment, "MODELS", {"vgg19": (1 / 64, 1)})
    monkeypatch.setattr(paper_experiment, "SPARSITIES", (0.5,))
    monkeypatch.setattr(paper_experiment, "ROUNDS", 1)
    out = tmp_path / "training.json"
    arguments = ["paper_experiment.py", "--out", str(out), "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", arguments)
    paper_experiment.main()
    runs = json.loads(out.read_text(encoding="utf-8"))["runs"]
    assert [run["structure"] for run in runs] == ["dense", "unstructured", "block", "rbgp4"]
    assert len({run["parameters"] for run in runs[1:]}) == 1
    assert runs[3]["state_bytes"] < runs[1]["state_bytes"] == runs[0]["state_bytes"]
    capsys.readouterr()
    paper_experiment.main()
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys, "argv", [*arguments, "--time"])
    paper_experiment.main()
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["runs"] == runs
    assert [step["via"] for step in result["steps"]] == ["dense"] * 3 + ["unfold", "dense"]
    assert all(step["step_milliseconds"] > 0 for step in result["steps"])
