"""Times of import, constructions, verdicts, files and windows."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import networkx as nx

import rbgp_graphs as rg

_REPEATS = 5


def measure() -> dict[str, Any]:
    """Return the medians in seconds, and sizes in bytes, of what the foundation promises."""
    layer = rg.design(4096, 4096, 0.9375)
    tower = _tower_pattern()
    huge = rg.RBGP4(rg.ramanujan(250, 250, 10), (2, 2), rg.ramanujan(1000, 1000, 10), (2, 2))
    seconds = {
        "import rbgp_graphs (fresh process)": _import_seconds("import rbgp_graphs"),
        "from rbgp_graphs import * (fresh process)": _import_seconds("from rbgp_graphs import *"),
        "import numpy, scipy.sparse (fresh process)": _import_seconds("import numpy, scipy.sparse"),
        "lps(5, 29)": _median(lambda: rg.lps(5, 29)),
        "lps(5, 101)": _median(lambda: rg.lps(5, 101)),
        "verify(lps(5, 29))": _median(lambda: rg.verify(rg.lps(5, 29))),
        "ramanujan(1024, 1024, 8, method='lift')": _median(
            lambda: rg.ramanujan(1024, 1024, 8, method="lift")
        ),
        "random_biregular(1024, 1024, 8)": _median(
            lambda: rg.random_biregular(1024, 1024, 8, rng=0)
        ),
        "networkx configuration_model (1024, 1024, 8)": _median(
            lambda: nx.bipartite.configuration_model([8] * 1024, [8] * 1024, seed=0)
        ),
        "design(4096, 4096, 0.9375)": _median(lambda: rg.design(4096, 4096, 0.9375)),
        "verify(design(4096, 4096, 0.9375))": _median(lambda: rg.verify(layer)),
        "to_csr() at 4096 x 4096": _median(layer.to_csr),
        "row(i) at 10**6 x 10**6": _median(lambda: huge.row(123_456), inner=1000),
        "(i, j) in pattern at 10**6 x 10**6": _median(
            lambda: (123_456, 654_321) in huge, inner=1000
        ),
        "window(768 pixels) at 10**6 x 10**6": _median(lambda: huge.window(max_pixels=768)),
    }
    sizes = {
        "4096 x 4096, 93.75 %, design()": len(rg.dumps(layer)),
        "4096 x 4096, 93.75 %, towers of random 2-lifts": len(rg.dumps(tower)),
        "CSR with 32-bit indices, the same pattern": 4 * (layer.nnz + layer.rows + 1),
    }
    return {"seconds": seconds, "bytes": sizes}


def _tower_pattern() -> rg.RBGP4:
    outer = rg.ramanujan(32, 128, 32, method="lift")
    inner = rg.ramanujan(32, 32, 8, method="lift")
    return rg.RBGP4(outer, (4, 1), inner, (1, 1))


def _median(call: Callable[[], Any], inner: int = 1) -> float:
    call()
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        for _ in range(inner):
            call()
        times.append((time.perf_counter() - start) / inner)
    return statistics.median(times)


def _import_seconds(statement: str) -> float:
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    runs = [
        float(subprocess.check_output([sys.executable, "-c", code], text=True))
        for _ in range(_REPEATS)
    ]
    return statistics.median(runs)
