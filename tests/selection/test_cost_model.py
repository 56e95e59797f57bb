"""The model grows with the work, and limits are kept, refused and found again."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection import Ceilings, ceilings_of, predicted_seconds
from rbgp_graphs.selection.cost_model import (
    CPU,
    DEFAULT,
    document_with,
    seconds_of_sizes,
    stored_ceilings,
)
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
    # Not for each further column: other blocks fit other numbers of columns.
    assert seconds(2 * columns) >= base
    for field in fields(Ceilings):
        if field.name.endswith("per_second"):
            assert seconds(columns, **{field.name: getattr(DEFAULT, field.name) / 2}) >= base
        if field.name.endswith("_seconds"):
            assert seconds(columns, **{field.name: getattr(DEFAULT, field.name) * 2}) >= base
    larger = {name: 2 * getattr(DEFAULT, name) for name in ("level2_bytes",)}
    assert seconds(columns, **larger) <= base


SIZES = st.integers(0, 6).map(lambda k: 1 << k)


@given(
    outer=st.tuples(SIZES, SIZES, SIZES),
    tile=st.tuples(SIZES, SIZES, SIZES),
    row_group=st.sampled_from([1, 2, 4, 8, 12, 64]),
    columns=st.integers(1, 300),
)
def test_more_nonzeros_take_longer(
    outer: tuple[int, int, int], tile: tuple[int, int, int], row_group: int, columns: int
) -> None:
    def seconds(outer_degree: int) -> float:
        return seconds_of_sizes(
            outer=(outer[0], 2 * outer[1], outer_degree),
            tile=(tile[0], tile[1], min(tile[1:])),
            row_group=row_group,
            columns=columns,
            dtype="float32",
            ceilings=DEFAULT,
        )

    degree = min(outer[1:])
    assert seconds(2 * degree) > seconds(degree) > DEFAULT.call_seconds


def limited(pattern: RBGP4, **limits: float) -> float:
    """Return the time on a device that has these limits and no others."""
    free = dict.fromkeys((f.name for f in fields(Ceilings) if f.name.endswith("_per_second")), 1e30)
    device = replace(DEFAULT, **{**free, "step_seconds": 1e-30, **limits})  # type: ignore[arg-type]
    return predicted_seconds(pattern, 256, device=device) - DEFAULT.call_seconds


def test_the_limit_that_binds_gives_the_time() -> None:
    # Two tiles of 32 columns in a row of tiles, all of which 12 x 8 rows share in part.
    pattern = RBGP4(
        random_biregular(4, 8, 2, rng=0), (12, 1), random_biregular(8, 32, 8, rng=0), (1, 1)
    )
    numbers = pattern.nnz * 256
    assert limited(pattern, operations_per_second=1e3) == pytest.approx(2 * numbers / 1e3)
    # Six rows in registers share each row of the operand, of 64 columns. The slice of two tiles
    # is 16 KiB large, the panel 64 KiB.
    repeated, first = 4 * numbers / 6 - 4 * 64 * 256 * 4, 4 * 64 * 256 * 4
    lacked = (repeated * 16 / 32 + first) / 1e3
    assert limited(pattern, level2_bytes_per_second=1e3) == pytest.approx(lacked)
    lacked = (repeated * 16 / 1024 + first * 64 / 1024) / 1e3
    assert limited(pattern, level3_bytes_per_second=1e3) == pytest.approx(lacked)
    # All that happens at the same time, and each hinders the others.
    together = limited(pattern, operations_per_second=1e3, level3_bytes_per_second=1e3)
    assert together == pytest.approx(math.hypot(2 * numbers / 1e3, lacked))
    # For each of four panels, two blocks of 32 groups of rows go to two tiles, in two threads.
    assert limited(pattern, step_seconds=1.0) == pytest.approx(4 * 2 * 32 * 2 / 2)


def test_with_few_rows_tiles_are_multiplied_one_after_the_other() -> None:
    # Three tiles of 64 columns in a row of tiles, of 512 bytes each.
    pattern = RBGP4(
        random_biregular(4, 4, 3, rng=0), (1, 1), random_biregular(64, 64, 32, rng=0), (1, 1)
    )
    bytes_read = 4 * pattern.nnz * 256
    first = 4 * 3 * 64 * 256 * 4
    lacked = (bytes_read - first) * 32 / 32 + first
    # The sums go away and come back twice.
    sums = 2 * 2 * pattern.rows * 256 * 4
    seconds = limited(pattern, level2_bytes_per_second=1e3)
    assert seconds == pytest.approx((lacked + sums) / 1e3)


def test_rows_of_a_tile_with_a_complete_graph_share_their_columns() -> None:
    whole, parts = (
        RBGP4(complete(4, 4), (rows, 1), complete(64 // rows, 32), (1, 1)) for rows in (64, 4)
    )
    assert predicted_seconds(whole, device="default") == predicted_seconds(parts, device="default")


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
        lambda d: d | {"schema": 1},
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
        ({"registers": True}, "registers"),
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
