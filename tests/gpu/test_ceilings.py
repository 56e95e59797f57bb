"""Measured limits are plausible, and are found again where they were stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from rbgp_graphs.errors import ArgumentError, BackendError
from rbgp_graphs.gpu import ceilings
from rbgp_graphs.selection import ceilings_of


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    smaller = {"_ROUNDS": 1, "_DENSE_SIDE": 128, "_COPY_BYTES": 1 << 16, "_UNTIL_ASLEEP": 0}
    for name, value in smaller.items():
        monkeypatch.setattr(ceilings, name, value)


@pytest.mark.usefixtures("_small")
def test_what_is_measured_is_stored_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RBGP_CACHE_DIR", str(tmp_path / "new" / "folder"))
    found = ceilings.measure_ceilings()
    # No machine is outside of these.
    assert 1e6 < found.operations_per_second < 1e15
    assert 1e6 < found.level2_bytes_per_second < 1e14
    assert 1e6 < found.level3_bytes_per_second < 1e14
    assert 1e6 < found.copy_bytes_per_second < 1e14
    assert 1e-8 < found.call_seconds < 1
    assert found.measured is not None
    path = ceilings.store_ceilings(found)
    assert Path(path).parent == tmp_path / "new" / "folder"
    assert ceilings_of() == ceilings_of("cpu") == found


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(BackendError, match="abacus"):
        ceilings.measure_ceilings("abacus")


@pytest.mark.usefixtures("_small")
def test_a_folder_that_cannot_be_made_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RBGP_CACHE_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(ArgumentError, match="cannot make the folder"):
        ceilings.store_ceilings(ceilings_of("default"))
