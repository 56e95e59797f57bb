"""Builders for the graphs of tests/data/reference_graphs.json, most of them independent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

import rbgp_graphs as rg
from rbgp_graphs import BipartiteGraph, TensorProduct

_FILE = Path(__file__).parent.parent / "data" / "reference_graphs.json"
GRAPHS: list[dict[str, Any]] = json.loads(_FILE.read_text())["graphs"]

_LCF = {
    "Pappus": (18, [5, 7, -7, 7, -7, -5], 3),
    "Moebius-Kantor": (16, [5, -5], 8),
    "Franklin": (12, [5, -5], 6),
    "F26A": (26, [-7, 7], 13),
    "Tutte-Coxeter (LCF)": (30, [-13, -9, 7, -7, 9, 13], 5),
    "W(2)=GQ(2,2)": (30, [-13, -9, 7, -7, 9, 13], 5),
    "Foster": (90, [17, -9, 37, -37, 9, -17], 15),
}


def plain(graph: BipartiteGraph) -> BipartiteGraph:
    """Return an equal graph that does not know how it was built."""
    return BipartiteGraph.from_biadjacency(graph.biadjacency())


def from_networkx(graph: Any) -> BipartiteGraph:
    """Return a connected bipartite networkx graph, coloured here."""
    nx.set_node_attributes(graph, nx.bipartite.color(graph), "bipartite")
    return BipartiteGraph.from_networkx(nx.convert_node_labels_to_integers(graph))


def build(entry: dict[str, Any]) -> BipartiteGraph | TensorProduct:
    """Return the graph or product of an entry of the reference data."""
    name, family, params = entry["name"], entry["family"], entry["params"]
    if family == "complete":
        return rg.complete(params["a"], params["b"])
    if family == "lps":
        p, q = params["p"], params["q"]
        return rg.lps(p, q, allow_small=q * q <= 4 * p)
    if family == "projective_plane":
        return rg.projective_plane(params["q"])
    if family == "affine_plane":
        return _affine_plane(params["q"])
    if family == "array_code":
        return rg.array_code(params["q"], params["l"])
    if family == "field_lift":
        return rg.field_lift(**params)
    if name in _LCF:
        return from_networkx(nx.LCF_graph(*_LCF[name]))
    if family == "hypercube":
        return from_networkx(nx.hypercube_graph(params["n"]))
    others: dict[str, Any] = {
        "C20": lambda: from_networkx(nx.cycle_graph(20)),
        "crown S8 (K8,8 - 8K2)": lambda: BipartiteGraph.from_biadjacency(1 - np.eye(8)),
        "Q3 cube": lambda: from_networkx(nx.hypercube_graph(3)),
        "PG(2,2) (x) PG(2,2)": lambda: TensorProduct(*2 * [rg.projective_plane(2)]),
        "LPS(3,5) (x) K4,1": lambda: TensorProduct(rg.lps(3, 5), rg.complete(4, 1)),
        "array(5,3) (x) PG(2,2)": lambda: TensorProduct(
            rg.array_code(5, 3), rg.projective_plane(2)
        ),
        "K3,3 cart C6 (tight)": lambda: from_networkx(
            nx.cartesian_product(nx.complete_bipartite_graph(3, 3), nx.cycle_graph(6))
        ),
        "2 x LPS(3,11) (disconnected)": lambda: BipartiteGraph.from_biadjacency(
            np.kron(np.eye(2), rg.lps(3, 11).biadjacency().toarray())
        ),
    }
    built: BipartiteGraph | TensorProduct = others[name]()
    return built


def _affine_plane(q: int) -> BipartiteGraph:
    """Return points against lines: the projective plane without one line and its points."""
    plane = rg.projective_plane(q).biadjacency().toarray()
    kept = ~plane[0]
    return BipartiteGraph.from_biadjacency(plane[1:, kept].T)
