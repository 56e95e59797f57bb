"""Files that commands read, and two ways to run a command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rbgp_graphs as rg
from tests.cli.running import Files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Write one file of each kind to an empty folder, and work in that folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    # Prime fields only: galois takes seconds to import.
    pattern = rg.RBGP4(rg.field_lift(5, 5), (4, 1), rg.complete(2, 4), (1, 1))
    values = np.random.default_rng(0).standard_normal((pattern.rows, pattern.row_degree))
    rg.save("graph.rbgp", rg.lps(3, 5))
    rg.save("pattern.rbgp", pattern)
    rg.save("weights.rbgp", pattern, values)
    np.save("X.npy", np.random.default_rng(1).standard_normal((100, 5)))
    return Files(pattern=pattern, values=values)
