"""Files that commands read, and two ways to run a command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rbgp_graphs as rg
from tests.cli.running import Files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Write one file of each kind to an empty folder, and work in that folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    pattern = rg.RBGP4(rg.field_lift(5, 5), (4, 1), rg.complete(2, 4), (1, 1))
    values = np.random.default_rng(0).standard_normal((pattern.rows, pattern.row_degree))
    rg.save("graph.rbgp", rg.lps(3, 5))
    rg.save("pattern.rbgp", pattern)
    rg.save("weights.rbgp", pattern, values)
    Path("results.json").write_text(json.dumps(_benchmark()), encoding="utf-8")
    np.save("X.npy", np.random.default_rng(1).standard_normal((100, 5)))
    return Files(pattern=pattern, values=values)


def _benchmark() -> dict[str, Any]:
    """Return what a benchmark of one case writes, as far as a figure needs it."""
    times = (("rbgp_graphs", "own", 1.0), ("numpy dense", "dense", 4.0))
    measurements = [
        {"name": name, "kind": kind, "milliseconds": time, "gflops": 1 / time}
        for name, kind, time in times
    ]
    case = {"suite": "sparsity", "product": "forward", "dtype": "float32", "threads": 1}
    sizes = {"rows": 64, "cols": 64, "columns": 8, "row_group": 4, "nnz": 1024, "index_bytes": 64}
    return {"cases": [{**case, **sizes, "sparsity": 0.75, "measurements": measurements}]}
