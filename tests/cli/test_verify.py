"""``rbgp verify``: the answer is the exit code."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rbgp_graphs as rg
from tests.cli.running import Files, commands, document, rbgp


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

    def verify(subject: rg.BipartiteGraph, level: str, **_: bool) -> Any:
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


def test_a_graph_on_the_bound_is_said_to_be_there(files: Files) -> None:
    rg.save("tie.rbgp", rg.field_lift(4, 4, 3))
    result = rbgp("verify", "tie.rbgp", "--level", "proved")
    assert result.exit_code == 0
    assert "sigma2          3.4641; exactly the Ramanujan bound" in result.stdout
    found = document("verify", "tie.rbgp", "--level", "proved")["verdict"]
    assert (found["tie"], found["sigma2_squared"]) == (True, 12)


# Certificates in files ---------------------------------------------------------------------------


def test_certificates_are_put_into_the_file_and_checked_there(files: Files) -> None:
    before = rg.load("weights.rbgp")
    found = document("verify", "weights.rbgp", "--level", "proved", "--save")
    assert found["stored"]["file_bytes"] == Path("weights.rbgp").stat().st_size
    after = rg.load("weights.rbgp")
    assert after.obj == before.obj
    np.testing.assert_array_equal(after.values, before.values)
    assert len(after.certificates) == found["stored"]["certificates"]
    stored = document("verify", "weights.rbgp", "--stored", "--factors")
    assert (stored["holds"], stored["level"]) == (True, "stored")
    assert all(entry["checked"] for entry in stored["certificates"].values())
    # The product is refuted, and its certificate says so.
    result = rbgp("verify", "weights.rbgp", "--stored")
    assert result.exit_code == 1
    assert "a right certificate says that the whole is not Ramanujan" in " ".join(
        result.stdout.split()
    )
    # Saving again changes nothing.
    content = Path("weights.rbgp").read_bytes()
    assert rbgp("verify", "weights.rbgp", "--level", "proved", "--save").exit_code == 1
    assert Path("weights.rbgp").read_bytes() == content


def test_a_graph_proved_once_is_proved_for_the_next_reader(files: Files) -> None:
    assert rbgp("verify", "graph.rbgp", "--level", "proved", "--save").exit_code == 0
    result = rbgp("verify", "graph.rbgp", "--stored")
    assert result.exit_code == 0
    assert "the certificates are right and show it" in result.stdout


def test_a_wrong_certificate_is_found_out(files: Files) -> None:
    graph = rg.random_biregular(120, 40, 2, rng=1)
    right = rg.verify(graph, level="proved", two_sided=True).certificate
    assert right is not None
    wrong = dataclasses.replace(right, ramanujan=not right.ramanujan)
    rg.save("wrong.rbgp", graph, certificates=[wrong])
    result = rbgp("verify", "wrong.rbgp", "--stored")
    assert result.exit_code == 1
    assert "WRONG" in result.stdout
    assert "not proved: wrong certificate about whole" in result.stdout
    found = document("verify", "wrong.rbgp", "--stored")
    assert (found["holds"], found["certificates"]["whole"]["checked"]) == (False, False)


def test_a_file_without_certificates_has_nothing_to_check(files: Files) -> None:
    result = rbgp("verify", "graph.rbgp", "--stored")
    assert result.exit_code == 1
    assert "the file holds no certificate" in result.stdout


def test_nothing_is_saved_when_nothing_is_proved(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    numeric = rg.verify(rg.lps(3, 5))
    monkeypatch.setattr(rg, "verify", lambda *_, **__: numeric)
    content = Path("graph.rbgp").read_bytes()
    found = document("verify", "graph.rbgp", "--level", "proved", "--save")
    assert found["stored"] == {"certificates": 0, "file_bytes": None}
    assert Path("graph.rbgp").read_bytes() == content


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--save"], "--save is about proofs; add --level proved"),
        (["--no-theorems"], "--no-theorems is about proofs; add --level proved"),
        (["--stored", "--level", "proved"], "--stored looks for no proof"),
        (["--stored", "--save"], "--stored looks for no proof"),
    ],
)
def test_options_that_contradict_are_wrong_requests(
    options: list[str], message: str, files: Files
) -> None:
    result = rbgp("verify", "graph.rbgp", *options)
    assert result.exit_code == 2
    assert message in result.stderr


def test_both_ends_of_the_spectrum_and_proofs_without_theorems(files: Files) -> None:
    rg.save("plane.rbgp", rg.affine_plane(3))
    found = document("verify", "plane.rbgp", "--two-sided", "--level", "proved")
    assert (found["holds"], found["verdict"]["two_sided"]) == (True, True)
    rg.save("zeros.rbgp", rg.complete(2, 4))
    result = rbgp("verify", "zeros.rbgp", "--two-sided")
    assert result.exit_code == 1
    assert "smallest" in result.stdout
    found = document("verify", "graph.rbgp", "--level", "proved", "--no-theorems")
    assert found["holds"] is True
    assert "closed walks" in found["verdict"]["method"]


MADE_BY = [
    "generate complete 3 6",
    "generate lps 3 5",
    "generate field-lift 4 4 --j 2",
    "generate projective-plane 3",
    "generate affine-plane 3",
    "generate generalized-quadrangle 2 2",
    "generate generalized-hexagon 2",
    "generate chiu 3",
    "generate morgenstern 2 2",
    "generate array-code 5 3",
    "generate random-biregular 20 40 6 --rng 1",
    "generate ramanujan 64 64 4",
    "generate ramanujan 32 32 4 --method lift --rng 1",
    "generate ramanujan 30 30 4 --method random --rng 1",
    "design 64 64 75%",
    "design 128 128 87.5% --objective gap",
    "design 128 128 87.5% --objective speed",
    "design 96 64 0.75 --row-group 4",
    "design 64 128 0.875 --block 2 2",
]


@pytest.mark.parametrize("command", MADE_BY)
def test_every_file_that_a_command_makes_is_proved_saved_and_shown(
    command: str, files: Files
) -> None:
    made = rbgp(*command.split(), "-o", "made.rbgp")
    assert made.exit_code == 0, made.stderr
    found = document("verify", "made.rbgp", "--level", "proved", "--save")
    assert found["verdict"]["status"] in ("proved", "refuted")
    assert found["holds"] is found["verdict"]["is_ramanujan"]
    assert all(part["status"] in ("proved", "refuted") for part in found["verdict"]["factors"])
    checked = document("verify", "made.rbgp", "--stored")
    assert all(entry["checked"] for entry in checked["certificates"].values())
    assert checked["holds"] is found["holds"]
    shown = document("show", "made.rbgp", "--certificate")
    assert shown["certificates"]["whole"]["ramanujan"] is found["holds"]


def test_every_family_of_generate_is_in_the_list_above() -> None:
    named = {line.split()[1] for line in MADE_BY if line.startswith("generate")}
    # An expander that is not biregular has no bound to be compared with.
    missing = {path[1] for path in commands() if path[0] == "generate"} - named
    assert missing <= {"margulis-gabber-galil"}
