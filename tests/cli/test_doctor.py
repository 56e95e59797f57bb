"""``rbgp doctor``: what is said is what is there."""

from __future__ import annotations

import importlib.util
import platform
from typing import Any

import numpy as np
import pytest

import rbgp_graphs as rg
from tests.cli.running import document, rbgp


def hide(monkeypatch: pytest.MonkeyPatch, *hidden: str) -> None:
    find = importlib.util.find_spec

    def find_others(name: str, *args: Any) -> Any:
        return None if name in hidden else find(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", find_others)


def test_versions_and_backends_are_those_of_this_interpreter() -> None:
    found = document("doctor")
    assert found["python"] == platform.python_version()
    assert found["packages"]["numpy"] == np.__version__
    assert found["backends"][0]["name"] == rg.gpu.backends()[0].name
    assert found["cuda_kernels"] is False
    assert 1 <= found["usable_cpu_cores"] <= found["cpu_cores"]
    assert "CUDA kernels are not part of this version" in rbgp("doctor").stdout


def test_a_missing_optional_package_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "plotly")
    result = rbgp("doctor")
    assert result.exit_code == 0
    assert 'pip install "rbgp-graphs[viz]"' in " ".join(result.stdout.split())
    found = document("doctor")
    assert found["missing"] == ["plotly"]
    assert found["packages"]["plotly"] is None


def test_a_missing_core_package_leads_to_exit_code_4(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "flint")
    result = rbgp("doctor")
    assert result.exit_code == 4
    assert "pip install python-flint" in result.stdout
