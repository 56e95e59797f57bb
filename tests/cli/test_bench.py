"""``rbgp bench``, ``rbgp doctor --measure`` and ``rbgp design --space``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from rbgp_graphs.bench import document as documents
from rbgp_graphs.bench.suites import SUITES, Case
from rbgp_graphs.gpu import ceilings
from rbgp_graphs.selection.cost_model import DEFAULT, Ceilings
from tests.cli.running import Files, document, rbgp


@pytest.fixture
def small(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the suite "size" have one small case."""

    def one(quick: bool) -> Iterator[Case]:
        columns = 8 if quick else 16
        yield Case(suite="size", size=64, sparsity=0.5, row_group=4, columns=columns, peers=())

    monkeypatch.setitem(SUITES, "size", (one, "a small case"))


@pytest.mark.usefixtures("small")
def test_the_document_is_the_one_of_the_library() -> None:
    found = document("bench", "size", "--quick", "--rounds", "2", "-o", "found.json")
    assert (found["quick"], found["file"], found["schema"]) == (True, "found.json", 2)
    (case,) = found["cases"]
    assert (case["suite"], case["columns"], case["measurements"][0]["rounds"]) == ("size", 8, 2)
    assert documents.read("found.json")["cases"] == found["cases"]
    assert document("bench", "size", "--rounds", "1")["cases"][0]["columns"] == 16


@pytest.mark.usefixtures("small")
def test_another_dtype_is_measured() -> None:
    (case,) = document("bench", "size", "--rounds", "1", "--dtype", "bfloat16")["cases"]
    assert (case["dtype"], case["rows"]) == ("bfloat16", 64)


@pytest.mark.usefixtures("small")
def test_a_file_is_replaced_only_by_force() -> None:
    Path("found.json").write_text("mine")
    result = rbgp("bench", "size", "-o", "found.json")
    assert result.exit_code == 2
    assert Path("found.json").read_text() == "mine"
    assert rbgp("bench", "size", "--rounds", "1", "-o", "found.json", "--force").exit_code == 0


def test_tables_name_the_fastest_peer_of_a_kind_and_who_is_absent(files: Files) -> None:
    peers = ("numpy dense", "scipy CSR")
    case = Case(suite="size", size=64, sparsity=0.5, row_group=4, columns=8, peers=peers)
    with (
        mock.patch.dict(SUITES, {"size": (lambda quick: iter([case]), "")}),
        mock.patch("rbgp_graphs.bench.comparison._why_not") as why,
    ):
        why.side_effect = lambda peer, _: "pip install it" if peer.name == "scipy CSR" else None
        result = rbgp("bench", "size", "--rounds", "1")
    assert result.exit_code == 0
    assert "scipy CSR: pip install it" in result.stdout
    (row,) = [line for line in result.stdout.splitlines() if line.startswith("64, group 4")]
    assert row.count(" x") == 1
    assert row.rstrip().endswith("-")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["speed"], "'speed' is not one of"),
        (["--rounds", "0"], "0 is not in the range"),
        (["--dtype", "int8"], "'int8' is not one of"),
        (["--backend", "abacus"], "'abacus' is not one of"),
        (["-o", "found.txt"], "found.txt"),
    ],
)
def test_wrong_requests_say_what_is_allowed(args: list[str], message: str, files: Files) -> None:
    result = rbgp("bench", *args)
    assert result.exit_code == 2, result.output
    assert message in result.stderr


def test_the_doctor_measures_and_design_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Files
) -> None:
    monkeypatch.setenv("RBGP_CACHE_DIR", str(tmp_path / "cache"))
    assert "Nothing was measured here" in rbgp("doctor").stdout
    limits = Ceilings(**{**DEFAULT.as_dict(), "device": "cpu", "measured": "today"})
    monkeypatch.setattr(ceilings, "measure_ceilings", lambda: limits)
    found = document("doctor", "--measure")
    assert found["ceilings"] == {"cpu": limits.as_dict()}
    assert Path(found["ceilings_file"]).is_file()
    assert "measured today" in rbgp("doctor").stdout
    assert document("design", "64", "64", "75%", "--space")["ceilings"] == limits.as_dict()
    assert "on cpu: measured today" in rbgp("design", "64", "64", "75%", "--space").stdout


def test_the_space_lists_all_and_shows_the_best(files: Files) -> None:
    args = ("design", "64", "64", "75%", "--space", "--device", "default")
    found = document(*args)
    best = [c for c in found["candidates"] if c["pareto"]]
    assert 1 < len(best) < len(found["candidates"])
    text = rbgp(*args).stdout
    assert f"{len(found['candidates'])}; {len(best)} that no other surpasses" in text
    assert max(map(len, text.splitlines())) <= 80
    one = document(*args, "--row-group", "4", "--columns", "8")
    assert {c["row_group"] for c in one["candidates"]} == {4}
    assert one["columns"] == 8


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--space", "-o", "a.rbgp"], "-o goes without --space"),
        (["--columns", "3"], "--columns goes with --space"),
        (["--device", "abacus"], "device is 'abacus'"),
    ],
)
def test_wrong_designs_are_refused(args: list[str], message: str, files: Files) -> None:
    result = rbgp("design", "64", "64", "75%", *args)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
