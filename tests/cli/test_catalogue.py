from __future__ import annotations

import json
from pathlib import Path

import pytest

import rbgp_graphs as rg
from rbgp_graphs.selection import Catalogue
from rbgp_graphs.selection.own_catalogue import VARIABLE
from tests.cli.running import document, rbgp


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "data" / "own.jsonl"
    monkeypatch.setenv(VARIABLE, str(file))
    return file


def test_the_shipped_catalogue_is_listed(own: Path) -> None:
    found = document("catalogue", "--max-side", "16")["records"]
    expected = [r for r in Catalogue.shipped().records if r.right <= 16]
    assert [record["digest"] for record in found] == [record.digest for record in expected]
    text = rbgp("catalogue", "--max-side", "16").stdout
    assert "16 x 16     6, 6        2        0.4472  Z2 x Z2 x Z2 x Z2" in text


def test_a_search_is_added_proved_and_listed(own: Path) -> None:
    assert document("catalogue", "--own")["records"] == []
    words = ["search", "14", "14", "5", "--method", "abelian", "--effort", "0.3", "--add"]
    found = document(*words)
    assert found["catalogue"]["added"] is True
    assert found["search"]["method"] == "abelian"
    assert found["search"]["orders"]
    listed = document("catalogue", "--own", "--prove")
    (record,) = listed["records"]
    assert record["digest"] == found["digest"]
    assert record["proved"] is True
    made = document("generate", "ramanujan", "14", "14", "5", "--catalogue", str(own))
    assert made["digest"] == found["digest"]
    assert document("generate", "ramanujan", "14", "14", "5")["digest"] != found["digest"]


def test_a_worse_graph_is_not_added(own: Path, tmp_path: Path) -> None:
    plane = tmp_path / "plane.rbgp"
    rg.save(plane, rg.ramanujan(6, 6, 3, method="lift"))
    file = str(tmp_path / "other.jsonl")
    lift = ["search", str(plane), "--add", "--catalogue", file, "--tries"]
    assert document(*lift, "40")["catalogue"]["added"] is True
    again = document(*lift, "1", "--rng", "5")
    assert again["catalogue"]["added"] is False
    assert "not added" in " ".join(rbgp(*lift, "1", "--rng", "5").stdout.split())
    assert not own.exists()


def test_a_record_that_is_not_proved_is_told_with_exit_code_one(tmp_path: Path) -> None:
    record = Catalogue.shipped().record(16, 16, 6)
    assert record is not None
    file = tmp_path / "lies.jsonl"
    file.write_text(json.dumps({**record.to_dict(), "sigma2_squared": [399, 100]}) + "\n")
    words = ["catalogue", "--file", str(file)]
    assert document(*words)["records"][0]["sigma2_squared"] == [399, 100]
    result = rbgp(*words, "--prove")
    assert result.exit_code == 1
    assert "not proved to be 399/100" in " ".join(result.stdout.split())
    assert document(*words, "--prove")["records"][0]["proved"] is False


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["catalogue", "--own", "--file", "x"], 2, "not both"),
        (["catalogue", "--file", "none.jsonl"], 3, "cannot read catalogue"),
        (["catalogue", "--file", "bad.jsonl"], 3, "line 1: not JSON"),
        (["generate", "ramanujan", "6", "6", "3", "--catalogue", "bad.jsonl"], 3, "not JSON"),
        (["search", "8", "8", "4", "--catalogue", "x"], 2, "give --add too"),
        (["search", "x.rbgp", "--method", "abelian"], 2, "takes LEFT RIGHT DEGREE"),
        (["search", "8", "8", "3", "--method", "abelian", "--workers", "2"], 2, "one worker"),
        (["search", "7", "9", "9", "--method", "abelian"], 2, "no abelian group fits"),
    ],
)
def test_what_cannot_be_done_is_refused(
    words: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.jsonl").write_text("hello\n")
    result = rbgp(*words)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())
