from __future__ import annotations

import json
from pathlib import Path

import pytest

import rbgp_graphs as rg
from tests.cli.running import Files, document, rbgp


def test_a_graph_of_a_shape_is_found_and_written(tmp_path: Path) -> None:
    out = tmp_path / "found.rbgp"
    words = ["16", "16", "4", "--levels", "2", "--tries", "5", "--rng", "3", "-o", str(out)]
    found = document("search", *words)
    graph = rg.load(out).obj
    expected = rg.spectral.search_lift(rg.ramanujan(4, 4, 4), 2, tries=5, rng=3)
    assert graph == expected.graph
    assert found["digest"] == graph.digest
    assert found["search"]["ratio"] == pytest.approx(expected.ratio)
    assert [level["tries"] for level in found["search"]["levels"]] == [5, 5]
    assert document("search", *words)["exit_code"] == 2
    assert document("search", *words, "--force")["digest"] == graph.digest


def test_a_file_is_lifted_by_processes_as_without(files: Files, tmp_path: Path) -> None:
    base = rg.load("graph.rbgp").obj
    assert isinstance(base, rg.BipartiteGraph)
    words = ["graph.rbgp", "--method", "cyclic", "--k", "3", "--tries", "4"]
    alone, together = document("search", *words), document("search", *words, "--workers", "2")
    assert alone == together
    assert alone["shape"] == [3 * base.left, 3 * base.right]


def test_a_search_goes_on_from_its_checkpoint_and_refuses_another(tmp_path: Path) -> None:
    file = str(tmp_path / "search.json")
    words = ["16", "16", "4", "--checkpoint", file, "--tries"]
    document("search", *words, "2")
    assert (
        document("search", *words, "9")["search"]
        == document("search", "16", "16", "4", "--tries", "9")["search"]
    )
    assert len(json.loads(Path(file).read_text())["levels"][0]["norms"]) == 9
    refused = document("search", *words, "9", "--rng", "1")
    assert refused["exit_code"] == 3
    assert "another search, with seed" in refused["error"]["message"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a", "b", "c"], 2, "not three integers"),
        (["4", "4"], 2, "got 2 words"),
        (["6", "6", "3", "--levels", "2"], 2, "next shape that is one is (8, 8)"),
        (["8", "8", "4", "--levels", "2"], 2, "at most 2"),
        (["8", "8", "4", "--levels", "0"], 2, "levels is 0"),
        (["8", "8", "4", "--out", "found.txt"], 2, ".rbgp"),
        (["none.rbgp"], 3, "none.rbgp"),
        (["pattern.rbgp"], 3, "expected a graph"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    words: list[str], code: int, message: str, files: Files
) -> None:
    result = rbgp("search", *words)
    assert result.exit_code == code
    assert message in result.stderr
