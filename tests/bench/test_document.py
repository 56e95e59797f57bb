"""Documents hold what was measured, and can be read, merged and refused."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rbgp_graphs as rg
from rbgp_graphs.bench import cases, document, random_matrix, run
from rbgp_graphs.bench.suites import SUITES, Case
from rbgp_graphs.selection import Ceilings, predicted_seconds
from rbgp_graphs.selection.cost_model import CPU, DEFAULT, document_with

SMALL = Case(suite="sparsity", size=64, sparsity=0.75, row_group=4, columns=8, peers=("scipy CSR",))


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ceilings:
    monkeypatch.setenv("RBGP_CACHE_DIR", str(tmp_path))
    path, text = document_with(CPU, DEFAULT)
    Path(path).write_text(text, encoding="utf-8")
    return DEFAULT


def test_a_run_says_what_was_measured_with_what(measured: Ceilings) -> None:
    said: list[str] = []
    found = run([SMALL], rounds=2, say=said.append)
    assert len(said) == 1
    assert found == json.loads(json.dumps(found, allow_nan=False))
    assert {*found["machine"]} == {"processor", "cores", "system"}
    assert {*found["suites"]} == {"sparsity"}
    assert found["suites"]["sparsity"]["ceilings"] == measured.as_dict()
    assert found["suites"]["sparsity"]["versions"]["numpy"]
    (case,) = found["cases"]
    assert (case["rows"], case["cols"], case["row_group"], case["columns"]) == (64, 64, 4, 8)
    assert (case["sparsity"], case["nnz"], case["layers"]) == (0.75, 1024, 1)
    assert [m["name"] for m in case["measurements"]] == ["rbgp_graphs", "scipy CSR"]
    assert case["predicted_milliseconds"] == pytest.approx(
        1e3 * predicted_seconds(SMALL.pattern, 8, device=measured)
    )


def test_without_measured_limits_nothing_is_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RBGP_CACHE_DIR", str(tmp_path))
    found = run([SMALL], rounds=1)
    assert found["suites"]["sparsity"]["ceilings"] is None
    assert found["cases"][0]["predicted_milliseconds"] is None


def test_a_document_comes_back_from_its_file(tmp_path: Path) -> None:
    found = run([SMALL], rounds=1)
    document.write(tmp_path / "found.json", found)
    assert document.read(tmp_path / "found.json") == found
    with pytest.raises(rg.ArgumentError, match="exists already"):
        document.write(tmp_path / "found.json", found, overwrite=False)


def of(date: str, *names: str, **changes: Any) -> dict[str, Any]:
    """Return a document of suites that were measured on a date."""
    shared = {"schema": document.SCHEMA, "machine": {}, "backend": "cpu", "quick": False}
    cases = [dict.fromkeys(document._CASE_KEYS) | {"suite": name} for name in names]
    suites = {name: {"date": date} for name in names}
    return {**shared, "suites": suites, "cases": cases, **changes}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "cannot be read"),
        ("[]", "no benchmark"),
        ("{}", "no benchmark"),
        (json.dumps(of("now", "size", schema=1)), "no benchmark of schema 2"),
        (json.dumps({"schema": 2, "cases": []}), "without machine"),
        (json.dumps(of("now", cases=[{}])), "without suite"),
        (json.dumps(of("now", "size", suites={})), "does not say when the suite size"),
    ],
)
def test_another_file_is_refused(content: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(rg.FormatError, match=rf"other\.json.*{reason}"):
        document.read(path)


def test_a_suite_that_comes_again_replaces_the_first() -> None:
    merged = document.merge([of("old", "a", "a", "b"), of("new", "b", "c")])
    assert [case["suite"] for case in merged["cases"]] == ["a", "a", "b", "c"]
    dates = {name: suite["date"] for name, suite in merged["suites"].items()}
    assert dates == {"a": "old", "b": "new", "c": "new"}


@pytest.mark.parametrize(
    "changes", [{"machine": {"processor": "another"}}, {"backend": "numpy"}, {"quick": True}]
)
def test_suites_of_another_machine_are_left_out(changes: dict[str, Any]) -> None:
    merged = document.merge([of("old", "a", **changes), of("older", "b"), of("new", "c")])
    assert [*merged["suites"]] == ["b", "c"]
    assert merged == of("new", "b", "c", suites=merged["suites"])


def test_the_committed_results_are_a_document() -> None:
    found = document.read(Path(__file__).parents[2] / "docs" / "benchmarks" / "products.json")
    assert {*found["suites"]} == {*SUITES}


def test_suites_are_known_by_name() -> None:
    assert {case.suite for case in cases()} == {case.suite for case in cases(quick=True)}
    assert {case.suite for case in cases()} == {*SUITES}
    with pytest.raises(rg.ArgumentError, match="there is no suite 'speed', only sparsity"):
        cases(("speed",))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("quick", [True, False])
def test_a_dtype_can_be_set_for_all_suites(dtype: str, quick: bool) -> None:
    found = cases(quick=quick, dtype=dtype)
    assert {case.dtype for case in found} == {dtype}
    kept = {"layers"} if dtype == "float32" else set()
    assert {case.suite for case in found} == {*SUITES} - {"layers"} | kept
    dense = [case for case in found if case.peers is None or "numpy dense" in case.peers]
    seconds = max(case.size**2 * case.columns for case in dense if case.suite != "dtype")
    # NumPy takes seconds for a large dense product in float16, and only there.
    assert (seconds > 1 << 27) == (dtype != "float16")


def test_a_dtype_that_no_case_has_is_refused() -> None:
    with pytest.raises(rg.ArgumentError, match="dtype is 'int8', expected one of float16"):
        cases(dtype="int8")
    with pytest.raises(rg.ArgumentError, match="the suites layers have no case in bfloat16"):
        cases(("layers",), dtype="bfloat16")


def test_bfloat16_is_measured_and_predicted(measured: Ceilings) -> None:
    (case,) = run([replace(SMALL, dtype="bfloat16")], rounds=1)["cases"]
    assert case["dtype"] == "bfloat16"
    assert case["predicted_milliseconds"] == pytest.approx(
        1e3 * predicted_seconds(SMALL.pattern, 8, dtype="bfloat16", device=measured)
    )
    assert all(m["error"] <= 1 for m in case["measurements"])


def test_without_ml_dtypes_there_is_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert {case.dtype for case in cases(("dtype",))} == {"float16", "float32", "float64"}
    with pytest.raises(rg.MissingDependencyError, match="needs ml_dtypes"):
        cases(dtype="bfloat16")
    with pytest.raises(rg.MissingDependencyError, match="needs ml_dtypes"):
        random_matrix(SMALL.pattern, "bfloat16")


@pytest.mark.parametrize("case", cases(quick=True), ids=str)
def test_the_patterns_of_the_quick_cases_are_those_that_they_name(case: Case) -> None:
    pattern = case.pattern
    assert pattern.shape == (case.size, case.size)
    assert pattern.sparsity == case.sparsity
    if case.objective is not None:
        assert pattern == rg.design(case.size, case.size, case.sparsity, objective=case.objective)
        assert case.facts()["objective"] == case.objective
    else:
        assert pattern.row_group == case.row_group
    if case.tile is not None:
        assert pattern.tile_shape == case.tile
