"""The version, where the package is installed and where it is not."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

import pytest

from rbgp_graphs import _version

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_a_checkout_knows_its_version_without_being_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    own = _version.package_version.__wrapped__
    assert own() == importlib.metadata.version("rbgp-graphs")
    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert own() == tomllib.loads(PROJECT.read_text())["project"]["version"]
    # Files of the package alone say nothing of it.
    monkeypatch.setattr(_version, "__file__", str(tmp_path / "rbgp_graphs" / "_version.py"))
    assert own() == "unknown"
