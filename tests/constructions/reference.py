"""Values of the reference graphs, which an independent program computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from rbgp_graphs.graph import BipartiteGraph

_PATH = Path(__file__).parents[1] / "data" / "reference_families.json"
_GRAPHS: list[dict[str, Any]] = json.loads(_PATH.read_text(encoding="utf-8"))["graphs"]


def reference(name: str) -> dict[str, Any]:
    """Return the record of the graph with this name."""
    return next(record for record in _GRAPHS if record["name"] == name)


def check_against_reference(graph: BipartiteGraph, name: str) -> None:
    """Compare shape, degrees, components, girth, diameter, moments and singular values."""
    record = reference(name)
    assert graph.shape == (record["U"], record["V"])
    assert graph.degrees == (record["dl"], record["dr"])
    assert graph.num_components == record["components"]
    assert graph.girth() == record["girth"]
    assert graph.diameter() == record["diameter"]
    matrix = graph.biadjacency(np.int64)
    if graph.left > graph.right:
        matrix = matrix.T.tocsr()
    gram = (matrix @ matrix.T).tocsr()
    walks = gram
    for moment in record["moments"][:4]:
        assert int(walks.trace()) == int(moment)
        walks = walks @ gram
    if "sv_clusters" in record:
        values = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
        expected = [float(v) for v, count in record["sv_clusters"] for _ in range(count)]
        np.testing.assert_allclose(values, expected, atol=1e-7)
