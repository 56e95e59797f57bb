from __future__ import annotations

import subprocess
import sys

import pytest

from rbgp_graphs import export

HEAVY = ("networkx", "igraph", "scipy.io", "torch", "numba", "jax", "onnx", "tensorflow")


@pytest.mark.parametrize("module", ["rbgp_graphs.export", "rbgp_graphs.gpu"])
def test_importing_loads_no_target_library(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    assert export.__all__ == sorted(export.__all__)
    assert all(callable(getattr(export, name)) for name in export.__all__)
