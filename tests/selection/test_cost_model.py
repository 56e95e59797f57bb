"""The model grows with the work, and limits are kept, refused and found again."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection import Ceilings, ceilings_of, predicted_seconds
from rbgp_graphs.selection.cost_model import CPU, DEFAULT, document_with, stored_ceilings
from rbgp_graphs.testing.strategies import rbgp4_patterns

SLOW = replace(DEFAULT, device=CPU, operations_per_second=1e6, measured="2026-11-21, by hand")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RBGP_CACHE_DIR", str(tmp_path))
    return tmp_path


def store(limits: Ceilings, name: str = CPU) -> Path:
    path, text = document_with(name, limits)
    Path(path).write_text(text, encoding="utf-8")
    return Path(path)


@given(rbgp4_patterns(), st.integers(0, 300), st.sampled_from(["float16", "float32", "float64"]))
def test_more_columns_and_slower_devices_take_longer(
    pattern: RBGP4, columns: int, dtype: str
) -> None:
    def seconds(columns: int, **limits: float) -> float:
        device = replace(DEFAULT, **limits) if limits else "default"  # type: ignore[arg-type]
        return predicted_seconds(pattern, columns, dtype=dtype, device=device)

    base = seconds(columns)
    assert base >= DEFAULT.call_seconds
    assert seconds(columns + 1) >= base
    for field in fields(Ceilings):
        if field.name.endswith("per_second"):
            assert seconds(columns, **{field.name: getattr(DEFAULT, field.name) / 2}) >= base
        if field.name.endswith("_seconds"):
            assert seconds(columns, **{field.name: getattr(DEFAULT, field.name) * 2}) >= base
    more_registers = replace(DEFAULT, register_rows=16)
    assert predicted_seconds(pattern, columns, device=more_registers) > 0


def test_the_limit_that_binds_gives_the_time() -> None:
    pattern = RBGP4(complete(4, 4), (8, 1), complete(8, 8), (1, 1))
    operations = 2 * pattern.nnz * 256
    bound = replace(DEFAULT, operations_per_second=1e3)
    assert predicted_seconds(pattern, 256, device=bound) == pytest.approx(
        operations / 1e3, rel=1e-3
    )
    # Eight rows share each row of the operand.
    bound = replace(DEFAULT, gather_bytes_per_second=1e3)
    gathered = 4 * pattern.nnz * 256 / 8
    assert predicted_seconds(pattern, 256, device=bound) == pytest.approx(gathered / 1e3, rel=1e-3)
    # A tile of eight columns of three vectors of 64 bytes.
    bound = replace(DEFAULT, far_gather_bytes_per_second=1e3, near_bytes=8 * 3 * 64 - 1)
    assert predicted_seconds(pattern, 256, device=bound) == pytest.approx(gathered / 1e3, rel=1e-3)


def test_without_a_measurement_the_assumed_limits_count(folder: Path) -> None:
    assert stored_ceilings() == {}
    assert ceilings_of() == ceilings_of("default") == DEFAULT


def test_stored_limits_are_found_by_their_name(folder: Path) -> None:
    store(SLOW)
    other = replace(SLOW, device="other")
    store(other, "other")
    assert ceilings_of() == ceilings_of(CPU) == SLOW
    assert ceilings_of("other") == other
    assert ceilings_of("default") == DEFAULT
    assert ceilings_of(other) == other
    with pytest.raises(ArgumentError, match="only default, cpu, other is known here"):
        ceilings_of("abacus")
    with pytest.raises(ArgumentTypeError, match="expected a name or Ceilings"):
        ceilings_of(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d | {"machine": "another"},
        lambda d: d | {"schema": 2},
        lambda d: d | {"devices": {CPU: {}}},
        lambda d: d | {"devices": {CPU: SLOW.as_dict() | {"threads": 0}}},
        lambda d: d | {"devices": {CPU: SLOW.as_dict() | {"call_seconds": "1"}}},
        lambda d: d | {"devices": []},
        lambda d: [],
        lambda d: {},
    ],
)
def test_a_file_from_elsewhere_or_with_damage_counts_as_absent(change: Any, folder: Path) -> None:
    path = store(SLOW)
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")))))
    assert stored_ceilings() == {}
    path.write_text("{")
    assert ceilings_of() == DEFAULT


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"threads": 0}, "threads"),
        ({"threads": 1.5}, "threads"),
        ({"call_seconds": 0.0}, "call_seconds"),
        ({"copy_bytes_per_second": float("nan")}, "copy_bytes_per_second"),
        ({"operations_per_second": float("inf")}, "operations_per_second"),
        ({"measured": 3}, "measured"),
        ({"register_rows": True}, "register_rows"),
    ],
)
def test_impossible_limits_are_refused(change: dict[str, Any], name: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{name} is "):
        replace(DEFAULT, **change)


def test_unknown_requests_are_refused() -> None:
    pattern = RBGP4(complete(1, 1), (1, 1), complete(1, 1), (1, 1))
    with pytest.raises(ArgumentError, match="dtype is 'int8', expected one of float16"):
        predicted_seconds(pattern, dtype="int8")
    with pytest.raises(ArgumentError, match="columns is -1"):
        predicted_seconds(pattern, -1)
    with pytest.raises(ArgumentTypeError, match="expected an RBGP4"):
        predicted_seconds(complete(2, 2))  # type: ignore[arg-type]
