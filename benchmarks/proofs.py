"""Times of constructions and proofs: ``python -m benchmarks.proofs [--only PART] [--out FILE]``.

The parts are measured one at a time, so that each fits a quiet machine for a few minutes. A part
that is measured again replaces its old numbers in the file.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import rbgp_graphs as rg
from benchmarks import machine
from rbgp_graphs.selection import Catalogue
from rbgp_graphs.selection.catalogue import SHIPPED

_REPEATS = 5
#: The graphs whose proofs are timed, by their side.
_SIDES = {1092: (5, 13), 2448: (5, 17), 4080: None}


def _median(call: Callable[[], Any], repeats: int = _REPEATS) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _graph(side: int) -> rg.BipartiteGraph:
    parameters = _SIDES[side]
    # Stored edge by edge, so that no theorem and no recipe shortens the proof.
    graph = rg.morgenstern(2, 4) if parameters is None else rg.lps(*parameters)
    return rg.BipartiteGraph.from_biadjacency(graph.biadjacency())


def constructions() -> dict[str, float]:
    """Time constructions, here, in NetworkX and in igraph."""
    import igraph
    import networkx as nx

    degrees = [8] * 512

    return {
        "lps(5, 13), 1092 a side": _median(lambda: rg.lps(5, 13)),
        "lps(5, 29), 12 180 a side": _median(lambda: rg.lps(5, 29)),
        "random_biregular(512, 512, 8)": _median(lambda: rg.random_biregular(512, 512, 8, rng=0)),
        "NetworkX configuration_model, 512 a side (a multigraph)": _median(
            lambda: nx.bipartite.configuration_model(degrees, degrees, seed=0)
        ),
        "igraph Realize_Bipartite_Degree_Sequence, 512 a side (not random)": _median(
            lambda: igraph.Graph.Realize_Bipartite_Degree_Sequence(degrees, degrees)
        ),
        "field_lift(64, 64)": _median(lambda: rg.field_lift(64, 64)),
        "ramanujan(512, 512, 8, method='lift')": _median(
            lambda: rg.ramanujan(512, 512, 8, method="lift")
        ),
        "ramanujan(512, 512, 24), from the catalogue": _median(lambda: rg.ramanujan(512, 512, 24)),
        "generalized_quadrangle(9, 27)": _median(lambda: rg.generalized_quadrangle(9, 27)),
        "NetworkX margulis_gabber_galil_graph(32), 1024 vertices": _median(
            lambda: nx.margulis_gabber_galil_graph(32)
        ),
        "margulis_gabber_galil(32), 1024 a side": _median(lambda: rg.margulis_gabber_galil(32)),
        "NetworkX paley_graph(1093)": _median(lambda: nx.paley_graph(1093), 3),
        "NetworkX chordal_cycle_graph(1093)": _median(lambda: nx.chordal_cycle_graph(1093)),
        "NetworkX maybe_regular_expander_graph(1000, 4)": _median(
            lambda: nx.maybe_regular_expander_graph(1000, 4, seed=0)
        ),
    }


def _eigsh_second(graph: rg.BipartiteGraph) -> float:
    """Return sigma2 as one would compute it with SciPy alone."""
    from scipy.sparse.linalg import svds

    values: Any = svds(graph.biadjacency(np.float64), k=2, return_singular_vectors=False, rng=0)
    return float(values.min())


def proofs(side: int) -> dict[str, float]:
    """Time numeric checks and a proof for one graph, next to the checks of SciPy and NetworkX."""
    import networkx as nx

    graph = _graph(side)
    repeats = _REPEATS if side < 4000 else 3
    adjacency = rg.export.to_networkx(graph)
    dense = graph.biadjacency(np.float64).toarray()
    verdict = rg.verify(graph, level="proved")
    if verdict.status != "proved" or verdict.certificate is None:
        raise RuntimeError(f"the graph with {side} vertices a side is not proved")
    certificate = verdict.certificate
    fast = _median(lambda: rg.verify(graph), repeats)
    return {
        "verify, numeric": fast,
        "verify, proved": _median(lambda: rg.verify(graph, level="proved"), repeats),
        "certificate.check": _median(lambda: certificate.check(graph), repeats),
        "SciPy svds, k=2 (a float)": _median(lambda: _eigsh_second(graph), repeats),
        "NumPy dense svd (a float)": _median(
            lambda: np.linalg.svd(dense, compute_uv=False), 1 if side > 2000 else 3
        ),
        "NetworkX is_regular_expander (answers False)": _median(
            lambda: nx.is_regular_expander(adjacency, epsilon=0), repeats
        ),
    }


def products() -> dict[str, float]:
    """Time the proof for a pattern whose factors are small, at two sizes."""
    layer = rg.design(4096, 4096, 0.9375)
    return {
        "verify(design(4096, 4096, 0.9375))": _median(lambda: rg.verify(layer)),
        "the same, proved (refuted by a factor)": _median(lambda: rg.verify(layer, level="proved")),
    }


def catalogue() -> dict[str, float]:
    """Time look-ups in the shipped catalogue, and the proof of all of it."""
    shipped = Catalogue.shipped()
    return {
        f"read the catalogue of {len(shipped)} records": _median(lambda: Catalogue.read(SHIPPED)),
        "look up a record": _median(lambda: shipped.record(512, 512, 24)),
        "ramanujan(64, 64, 32)": _median(lambda: rg.ramanujan(64, 64, 32)),
        "prove every record": _median(lambda: [record.prove() for record in shipped.records], 1),
    }


_PARTS: dict[str, Callable[[], dict[str, float]]] = {
    "constructions": constructions,
    **{f"proofs, {side} a side": functools.partial(proofs, side) for side in _SIDES},
    "product": products,
    "catalogue": catalogue,
}


def main() -> None:
    """Measure, print, and write one JSON document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/proofs.json"))
    parser.add_argument("--only", choices=[*_PARTS], nargs="+", default=[*_PARTS])
    options = parser.parse_args()
    old = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    seconds = dict(old.get("seconds", {}))
    for name in options.only:
        seconds[name] = _PARTS[name]()
        for what, value in seconds[name].items():
            print(f"{name:<24}{what:<60}{1e3 * value:>12.3f} ms", flush=True)
        ordered = {part: seconds[part] for part in _PARTS if part in seconds}
        result = {"machine": machine.describe(), "repeats": _REPEATS, "seconds": ordered}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result, indent=1, ensure_ascii=False)
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
