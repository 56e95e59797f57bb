"""What is said about a graph, a pattern and a verdict, as data and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import rbgp_graphs as rg
from rbgp_graphs.cli.output import Table
from rbgp_graphs.spectral import Certificate, Verdict

Subject = rg.BipartiteGraph | rg.TensorProduct


def size(shape: tuple[int, int]) -> str:
    """Return a shape in words."""
    return f"{shape[0]} x {shape[1]}"


def _cell(shape: tuple[int, int]) -> str:
    return f"{shape[0]}x{shape[1]}"


def percent(share: float) -> str:
    """Return a share in percent, with as many digits as it needs."""
    return f"{100 * share:.8g} %"


def expression(recipe: Mapping[str, Any]) -> str:
    """Return how a graph was built, as one would type it where that is possible.

    Examples
    --------
    >>> expression(rg.lps(3, 5).recipe)
    'lps(3, 5)'
    >>> expression(rg.random_lift(rg.random_lift(rg.complete(3, 3), rng=0), rng=0).recipe)
    '2 times two_lift of complete(3, 3)'
    """
    kind = recipe["kind"]
    if kind == "transpose":
        text = expression(recipe["of"])
        return f"({text}).T" if " " in text.partition("(")[0] else f"{text}.T"
    if "base" not in recipe:
        if kind in ("bitmask", "edges"):
            return f"a stored {'bitmask' if kind == 'bitmask' else 'edge list'}"
        if kind == "abelian_cover":
            group = " x ".join(f"Z{order}" for order in recipe["orders"]) or "Z1"
            return f"abelian_cover({recipe['left']} x {recipe['right']} orbits of {group})"
        numbers = [str(value) for value in recipe.values() if type(value) is int]
        flags = [f"{key}={value}" for key, value in recipe.items() if type(value) is bool]
        return f"{kind}({', '.join(numbers + flags)})"
    times, base = 1, recipe["base"]
    while kind == "two_lift" and base["kind"] == kind:
        times, base = times + 1, base["base"]
    name = f"{kind}(k={recipe['k']})" if "k" in recipe else kind
    return f"{f'{times} times ' if times > 1 else ''}{name} of {expression(base)}"


def describe(subject: Subject) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the facts of a graph or a pattern, JSON-able and in words."""
    if isinstance(subject, rg.TensorProduct):
        return _describe_pattern(subject)
    return _describe_graph(subject)


def _describe_graph(graph: rg.BipartiteGraph) -> tuple[dict[str, Any], dict[str, str]]:
    data = {
        "kind": "graph",
        "built_by": expression(graph.recipe),
        "shape": list(graph.shape),
        "degrees": None if graph.degrees is None else list(graph.degrees),
        "num_edges": graph.num_edges,
        "connected": graph.is_connected,
        "digest": graph.digest,
    }
    words = {
        "graph": expression(graph.recipe),
        "shape": size(graph.shape),
        "degrees": _degrees(graph),
        "edges": f"{graph.num_edges:,}",
        "connected": "yes" if graph.is_connected else f"no, {graph.num_components} components",
    }
    return data, words


def _degrees(graph: rg.BipartiteGraph) -> str:
    if graph.degrees is not None:
        return f"{graph.degrees[0]} left, {graph.degrees[1]} right"
    if graph.num_edges == 0:
        return "none"
    sides = (graph.left_degrees, graph.right_degrees)
    left, right = (f"{side.min()} to {side.max()}" for side in sides)
    return f"{left} left, {right} right (not biregular)"


def _describe_pattern(pattern: rg.TensorProduct) -> tuple[dict[str, Any], dict[str, str]]:
    csr_bytes = (pattern.nnz + pattern.rows + 1) * (4 if pattern.nnz < 2**31 else 8)
    data: dict[str, Any] = {
        "kind": type(pattern).__name__,
        "shape": list(pattern.shape),
        "sparsity": pattern.sparsity,
        "nnz": pattern.nnz,
        "row_degree": pattern.row_degree,
        "col_degree": pattern.col_degree,
        "block_shape": list(pattern.block_shape),
        "index_bytes": pattern.index_bytes,
        "csr_index_bytes": csr_bytes,
        "factors": [
            {
                "name": name,
                "built_by": expression(factor.recipe),
                "shape": list(factor.shape),
                "degrees": list(factor.degrees or ()),
            }
            for name, factor in zip(pattern.factor_names, pattern.factors, strict=True)
        ],
        "digest": pattern.digest,
    }
    words = {
        "pattern": f"{type(pattern).__name__}, {size(pattern.shape)}",
        "sparsity": percent(pattern.sparsity),
        "nonzeros": f"{pattern.nnz:,}: {pattern.row_degree:,} in each row, "
        f"{pattern.col_degree:,} in each column",
    }
    if isinstance(pattern, rg.RBGP4):
        data["tile_shape"] = list(pattern.tile_shape)
        data["row_group"] = pattern.row_group
        data["twisted"] = pattern.is_twisted
        total = pattern.outer.left * pattern.outer.right
        words["tile"] = (
            f"{size(pattern.tile_shape)}; {pattern.outer.num_edges:,} of {total:,} tiles are there"
        )
        words["row group"] = f"{pattern.row_group} (rows that share one column list)"
        words["twisted"] = "yes" if pattern.is_twisted else "no"
    words["block"] = f"{size(pattern.block_shape)} dense"
    words["index"] = f"{pattern.index_bytes:,} bytes; CSR needs {csr_bytes:,}"
    return data, words


def factors_table(pattern: rg.TensorProduct) -> Table:
    """Return the factors of a pattern and how they were built."""
    rows = [
        (name, expression(graph.recipe), _cell(graph.shape), pair(graph.degrees))
        for name, graph in zip(pattern.factor_names, pattern.factors, strict=True)
    ]
    return Table(columns=("factor", "built by", ">shape", ">degrees"), rows=rows)


def pair(numbers: tuple[int, int] | None) -> str:
    """Return two numbers as a cell of a table."""
    return "differ" if numbers is None else f"{numbers[0]}, {numbers[1]}"


def claim(verdict: Verdict) -> str:
    """Return the answer of a verdict in one word."""
    return {True: "yes", False: "no", None: "undecided"}[verdict.is_ramanujan]


def verdicts_table(subject: Subject, verdict: Verdict) -> Table:
    """Return the verdicts of the factors and of the whole."""
    parts: list[tuple[str, Verdict]] = []
    if isinstance(subject, rg.TensorProduct):
        parts = list(zip(subject.factor_names, verdict.factors, strict=True))
    parts.append(("product" if parts else "graph", verdict))
    rows = [
        (
            name,
            _cell(part.shape),
            pair(part.degrees),
            f"{part.sigma2:.4g}",
            f"{part.bound:.4g}",
            f"{part.sigma2 / part.sigma1:.3f}",
            claim(part),
            part.status,
        )
        for name, part in parts
    ]
    columns = ("part", ">shape", ">degrees", ">sigma2", ">bound", ">s2/s1", "Ramanujan", "status")
    return Table(columns=columns, rows=rows)


def verdict_data(subject: Subject, verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON-able data, with the names of the factors."""
    data = verdict.as_dict()
    if isinstance(subject, rg.TensorProduct):
        named = zip(subject.factor_names, data["factors"], strict=True)
        data["factors"] = [{"name": name, **factor} for name, factor in named]
    return data


def claim_of(certificate: Certificate) -> str:
    """Return what a certificate claims, in words."""
    claim = "Ramanujan" if certificate.ramanujan else "not Ramanujan"
    return f"{claim}, both bounds" if certificate.two_sided else claim


def certificate_data(certificate: Certificate) -> dict[str, Any]:
    """Return a certificate as JSON-able data, with its method in words."""
    return {**certificate.to_dict(), "method": certificate.method}


def certificates_table(rows: list[tuple[str, str, str]]) -> Table:
    """Return a table of certificates: part, claim and what a check said."""
    return Table(columns=("about", "claim", "check"), rows=rows)


def certificate_words(certificates: Mapping[str, Certificate]) -> dict[str, str]:
    """Return the claim of each certificate and how it is proved."""
    return {
        f"certificate, {name}": f"{claim_of(certificate)}, by {_steps(certificate.proof.to_dict())}"
        for name, certificate in certificates.items()
    }


def _steps(proof: Mapping[str, Any]) -> str:
    """Return the tree of a proof on one line, with its numbers."""
    inner, own = [], []
    for key, value in proof.items():
        if isinstance(value, Mapping):
            inner.append(f"{key}: {_steps(value)}")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            inner += [_steps(part) for part in value]
        elif key != "kind":
            own.append(f"{key} {_shortened(value)}")
    text = proof["kind"].replace("_", " ")
    if own:
        text += f" ({', '.join(own)})"
    return f"{text} [{'; '.join(inner)}]" if inner else text


def _shortened(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}... of {len(text)} characters"


def gap_words(verdict: Verdict) -> dict[str, str]:
    """Return the gap of a verdict in words."""
    normalized = verdict.normalized_gap
    bound = f"the Ramanujan bound is {verdict.bound:.6g}"
    if verdict.tie:
        exactly = "exactly" if verdict.status == "proved" else "as far as rounding can tell,"
        bound = f"{exactly} the Ramanujan bound"
    return {
        "sigma1": f"{verdict.sigma1:.6g}",
        "sigma2": f"{verdict.sigma2:.6g}; {bound}",
        "own gap"
        if verdict.factors
        else "gap": f"{verdict.gap:.6g}; sigma2/sigma1 = {verdict.sigma2 / verdict.sigma1:.4g}",
        "normalized gap": f"{normalized:.4g} (at least 1 for a Ramanujan graph)"
        if math.isfinite(normalized)
        else "not defined, the bound is sigma1",
    }
