"""What importing the layers loads, and what happens without PyTorch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rbgp_graphs import nn


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_of_the_layers_loads_no_torch_before_it_is_used() -> None:
    code = "import rbgp_graphs as rg, sys; dir(rg.nn); print('torch' in sys.modules)"
    assert run(code) == "False\n"


def test_without_torch_the_error_says_how_to_install_it() -> None:
    code = """
import sys
sys.modules["torch"] = None
import rbgp_graphs as rg
try:
    rg.nn.RBGP4Linear
except rg.MissingDependencyError as error:
    print(error)
"""
    assert 'pip install "rbgp-graphs[torch]"' in run(code)


def test_every_public_name_is_there_and_no_other() -> None:
    for name in nn.__all__:
        assert getattr(nn, name).__name__ == name
    assert {*nn.__all__} <= {*dir(nn)}
    with pytest.raises(AttributeError, match="no attribute 'RBGP5Linear'"):
        _ = nn.RBGP5Linear  # type: ignore[attr-defined]
