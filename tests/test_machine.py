"""Where files are kept that can be made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

import rbgp_graphs as rg
from rbgp_graphs._machine import cache_file, cache_folder
from rbgp_graphs.gpu.ceilings import store_ceilings
from rbgp_graphs.gpu.cuda.choices import choices_file
from rbgp_graphs.gpu.cuda.verdicts import verdicts_file
from rbgp_graphs.selection import ceilings_of
from tests.cli.running import document, rbgp


@pytest.fixture(params=["no home directory", "an empty variable"])
def _without_a_folder(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "an empty variable":
            patch.setenv("RBGP_CACHE_DIR", "")
        else:
            patch.delenv("RBGP_CACHE_DIR", raising=False)
            patch.delenv("XDG_CACHE_HOME", raising=False)
            patch.setattr("sys.platform", "linux")
            error = RuntimeError("Could not determine home directory.")
            patch.setattr(Path, "home", mock.Mock(side_effect=error))
        yield


def test_the_cache_lies_where_the_system_keeps_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBGP_CACHE_DIR", "/mine")
    assert cache_folder() == Path("/mine")
    monkeypatch.delenv("RBGP_CACHE_DIR")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/rbgp_graphs")
    assert cache_file("name") == Path("/somewhere/rbgp_graphs/name")
    with mock.patch.object(Path, "home", return_value=Path("/me")):
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert cache_folder() == Path("/me/.cache/rbgp_graphs")
        monkeypatch.setattr("sys.platform", "darwin")
        assert cache_folder() == Path("/me/Library/Caches/rbgp_graphs")
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert cache_folder() == Path("/local/rbgp_graphs")
    monkeypatch.delenv("LOCALAPPDATA")
    assert cache_folder() is None


@pytest.mark.usefixtures("_without_a_folder")
def test_without_a_folder_nothing_is_kept_and_everything_works() -> None:
    assert cache_folder() is cache_file("name") is choices_file() is verdicts_file() is None
    assert rg.design(64, 64, 0.75, objective="speed").shape == (64, 64)
    assert ceilings_of() == ceilings_of("default")
    with pytest.raises(rg.ArgumentError, match=r"name one with .* RBGP_CACHE_DIR"):
        store_ceilings(ceilings_of())
    assert document("tune", "--show")["kept_in"] is None
    assert "no file, because there is no folder" in rbgp("tune", "--show").stdout
