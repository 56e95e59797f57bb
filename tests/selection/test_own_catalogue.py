from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rbgp_graphs import complete, projective_plane, ramanujan, random_lift
from rbgp_graphs.errors import ArgumentError, FormatError
from rbgp_graphs.selection import Catalogue, add_to_catalogue, own_catalogue_path
from rbgp_graphs.selection.own_catalogue import VARIABLE
from rbgp_graphs.spectral import search_abelian_cover


def add_plane(path: str, q: int) -> int:
    return add_to_catalogue(path, projective_plane(q), {"q": q}).left


def test_a_graph_is_added_and_found_where_the_catalogue_is_given(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "own.jsonl"
    found = search_abelian_cover([[7]], [30], steps=500)
    record = add_to_catalogue(file, found.graph, {"orders": [30]})
    assert record.sigma2 == pytest.approx(found.sigma2, rel=1e-4)
    own = Catalogue.read(file)
    assert own.record(30, 30, 7) == record
    for catalogue in (file, str(file), own):
        assert ramanujan(30, 30, 7, catalogue=catalogue) == found.graph
    assert ramanujan(30, 30, 7).digest != found.graph.digest
    assert ramanujan(30, 30, 7, method="random", catalogue=file).digest != found.graph.digest


def test_the_usual_place_is_used_only_where_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own.jsonl"))
    before = ramanujan(30, 30, 7)
    found = search_abelian_cover([[7]], [30], steps=500)
    add_to_catalogue(own_catalogue_path(), found.graph, {})
    assert ramanujan(30, 30, 7) == before
    assert ramanujan(30, 30, 7, catalogue=own_catalogue_path()) == found.graph


def test_a_worse_graph_does_not_replace_a_better_one(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    lifts = sorted(
        (random_lift(complete(6, 6), rng=seed) for seed in range(4)),
        key=lambda graph: add_to_catalogue(tmp_path / graph.digest, graph, {}).square,
    )
    first = add_to_catalogue(file, lifts[1], {})
    before = file.read_bytes()
    assert add_to_catalogue(file, lifts[-1], {}) == first
    assert file.read_bytes() == before
    assert add_to_catalogue(file, lifts[0].T, {}).digest == lifts[0].T.digest
    assert len(Catalogue.read(file)) == 1


def test_processes_add_at_the_same_time(tmp_path: Path) -> None:
    file = str(tmp_path / "own.jsonl")
    with ProcessPoolExecutor(2) as pool:
        assert [*pool.map(add_plane, [file] * 4, [2, 3, 4, 5])] == [7, 13, 21, 31]
    assert [record.left for record in Catalogue.read(file).records] == [7, 13, 21, 31]


def test_a_file_that_is_no_catalogue_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text("something else\n")
    with pytest.raises(FormatError, match="line 1: not JSON"):
        add_to_catalogue(file, projective_plane(2), {})
    assert file.read_text() == "something else\n"


@pytest.mark.parametrize("origin", [{"x": {1}}, {"x": float("nan")}])
def test_an_origin_that_is_no_json_is_refused(origin: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="origin is no JSON-able dict"):
        add_to_catalogue(tmp_path / "own.jsonl", projective_plane(2), origin)
    assert [*tmp_path.iterdir()] == []


def test_the_place_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/elsewhere/own.jsonl")
    assert own_catalogue_path() == Path("/elsewhere/own.jsonl")
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert own_catalogue_path().parts[-2:] == ("rbgp-graphs", "catalogue.jsonl")
