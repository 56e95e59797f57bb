"""What a report says about a pattern or graph in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.spectral import Verdict
from rbgp_graphs.viz.alternative import Table, percent
from rbgp_graphs.viz.raster import Subject, levels, tiles
from rbgp_graphs.viz.spectra import origin

_ROLES = {
    "outer": "which tiles exist",
    "repeat": "repeats the rows and columns of a tile",
    "inner": "the pattern inside a tile",
    "block": "the dense element block",
}


def headline(subject: Subject) -> str:
    """Return the heading of a report."""
    rows, cols = subject.shape
    kind = "Sparsity pattern" if isinstance(subject, TensorProduct) else "Bipartite graph"
    share = percent(1 - _nonzeros(subject) / (rows * cols))
    # No line breaks inside the sizes.
    return f"{kind}, {rows:,}\u00a0×\u00a0{cols:,}, {share} zero"


def key_numbers(subject: Subject) -> Table:
    """Return sizes, degrees and bytes."""
    rows, cols = subject.shape
    nonzeros = _nonzeros(subject)
    entries = [
        ("Shape (rows × columns)", f"{rows:,} × {cols:,}"),
        ("Nonzeros", f"{nonzeros:,}"),
        ("Sparsity (share of zeros)", percent(1 - nonzeros / (rows * cols))),
    ]
    degrees = _degrees(subject)
    if degrees is not None:
        entries += [
            ("Nonzeros in each row", f"{degrees[0]:,}"),
            ("Nonzeros in each column", f"{degrees[1]:,}"),
        ]
    if isinstance(subject, RBGP4):
        height, width = subject.tile_shape
        entries += [
            ("Rows that share one column list (row group)", f"{subject.row_group:,}"),
            ("Tile (rows × columns)", f"{height:,} × {width:,}"),
            ("Tiles that exist", f"{subject.outer.num_edges:,} of "
                                 f"{subject.outer.left * subject.outer.right:,}"),
            ("Dense block (rows × columns)", "{} × {}".format(*subject.block_shape)),
            ("Twisted", "yes" if subject.is_twisted else "no"),
        ]  # fmt: skip
    own = subject.index_bytes if isinstance(subject, TensorProduct) else None
    csr = (nonzeros + rows + 1) * (4 if max(nonzeros, cols) < 2**31 else 8)
    bitmask = -(-rows * cols // 8)
    if own is not None:
        entries.append(("Index bytes of the product", f"{own:,}"))
    for name, size in (("Index bytes as CSR", csr), ("Index bytes as a bitmask", bitmask)):
        times = f" ({size / own:,.1f} times the product's)" if own else ""
        entries.append((name, f"{size:,}{times}"))
    return Table(["quantity", "value"], entries)


def design(subject: Subject) -> str:
    """Say in words how the mask is made."""
    if not isinstance(subject, TensorProduct):
        return "The mask is the biadjacency matrix of one bipartite graph."
    paragraphs = [
        "The mask is the Kronecker product of the biadjacency matrices of the factors below, "
        "the first the most significant. Only the factors are stored."
    ]
    if isinstance(subject, RBGP4):
        height, width = subject.tile_shape
        paragraphs.append(
            f"The outer graph says which tiles of {height:,} × {width:,} cells exist. The row "
            f"group is {subject.row_group:,}: so many rows share one list of columns, so that a "
            "kernel loads each index once for all of them."
        )
        if subject.is_twisted:
            size = subject.shift_modulus
            rule = "exclusive or" if size & (size - 1) == 0 else f"addition modulo {size:,}"
            paragraphs.append(
                f"The pattern is twisted: every outer edge shifts the {subject.shift_side} inner "
                f"vertices by an amount of its own ({rule}), so that tiles differ."
            )
        else:
            paragraphs.append("All tiles are alike.")
    return "\n\n".join(paragraphs)


def factors(subject: Subject) -> Table:
    """Return the factors, or the graph itself, and how they were built."""
    rows = []
    for name, graph in _named_graphs(subject):
        left, right = graph.degrees or ("differ", "differ")
        rows.append(
            (
                name,
                _ROLES.get(name, ""),
                f"{graph.left:,} × {graph.right:,}",
                f"{left}, {right}",
                f"{graph.num_edges:,}",
                built_by(graph.recipe),
            )
        )
    return Table(["factor", "role", "vertices", "degrees (left, right)", "edges", "built by"], rows)


def built_by(recipe: Mapping[str, Any]) -> str:
    """Return a recipe in words, lifts from the top of the tower down to its base."""
    kind = str(recipe["kind"]).replace("_", " ")
    numbers = [f"{key} = {value}" for key, value in recipe.items() if isinstance(value, int)]
    text = f"{kind} ({', '.join(numbers)})" if numbers else kind
    below = recipe.get("base", recipe.get("of"))
    if below is None:
        return text
    levels_, level = 1, below
    while level["kind"] == recipe["kind"] and "base" in level and not numbers:
        levels_, level = levels_ + 1, level["base"]
    return f"{text}{f', {levels_} times,' if levels_ > 1 else ''} of {built_by(level)}"


def how_to_read(subject: Subject) -> str:
    """Say what the figures of the pattern show."""
    text = (
        "Row 0 is at the top. Blue cells are nonzero; where a pixel holds many cells, its shade is "
        "the exact share of nonzeros among them."
    )
    if tiles(subject) is not None:
        text += " Tiles that exist are tinted orange."
    if levels(subject):
        text += " Lines show where the parts of the product meet, where there is room for them."
    return text + (
        " Drag in the first figure to zoom: it draws finer levels, down to single cells, and "
        "double-click to see all. The others show places that are worth a look."
    )


def answer(subject: Subject, verdict: Verdict | None) -> str:
    """Say whether the graph or product is Ramanujan."""
    if verdict is None:
        return "The degrees of this graph differ, so that the Ramanujan bound is not defined."
    ratio = f"σ₂/σ₁ is {verdict.sigma2 / verdict.sigma1:.4g}"
    whole = "product" if verdict.factors else "graph"
    if verdict.is_ramanujan is None:
        found = f"The {whole} cannot be told from a Ramanujan graph: σ₂ is too close to the bound"
    elif verdict.is_ramanujan:
        found = f"The {whole} is Ramanujan"
    elif not verdict.connected:
        found = f"The {whole} is disconnected, so it is not Ramanujan"
    else:
        found = f"The {whole} is not Ramanujan: σ₂ is {verdict.ratio:.4g} times the bound"
    paragraphs = [f"{found}; {ratio}."]
    if verdict.factors:
        paragraphs.append(
            "A product of Ramanujan graphs is normally not Ramanujan: its degrees multiply and "
            "raise σ₁ and σ₂ alike, while the bound grows only with the root of the degrees."
        )
        names = origin(subject, verdict)
        if names:
            paragraphs.append(
                "σ₂/σ₁ of a product is the largest of its factors; here it comes from "
                f"{' and '.join(names)}."
            )
        elif isinstance(subject, RBGP4) and subject.is_twisted:
            paragraphs.append("The pattern is twisted, so σ₂ is not that of a factor.")
    return "\n\n".join(paragraphs)


def verdicts(subject: Subject, verdict: Verdict | None) -> Table | None:
    """Return the verdicts of the factors and of the whole."""
    if verdict is None:
        return None
    named = list(zip((name for name, _ in _named_graphs(subject)), verdict.factors, strict=False))
    named.append(("the product" if verdict.factors else "the graph", verdict))
    rows = [
        (
            name,
            _claim(each),
            f"{each.sigma1:.6g}",
            f"{each.sigma2:.6g}",
            f"{each.bound:.6g}",
            f"{each.sigma2 / each.sigma1:.4g}",
            each.status,
            each.method,
        )
        for name, each in named
    ]
    columns = ["graph", "Ramanujan", "σ₁", "σ₂", "bound", "σ₂/σ₁", "status", "method"]
    return Table(columns, rows)


def how_to_read_spectrum(verdict: Verdict | None) -> str:
    """Say what the figure of the spectrum shows."""
    text = "How often each singular value of the mask occurs, on a logarithmic axis."
    if verdict is not None:
        text += (
            " The second value of a Ramanujan graph keeps to the left of the bound, "
            "√(row degree − 1) + √(column degree − 1). The curve is the law that the values of "
            "large random graphs with the same degrees follow."
        )
    return text


def how_to_read_graphs() -> str:
    """Say what the drawings of graphs show."""
    return (
        "Left vertices are rows, right vertices columns of the biadjacency matrix. Point at a "
        "vertex, or choose one with the arrow keys, to see its neighbours."
    )


def how_to_read_tiling() -> str:
    """Say what the figure of an output tile shows."""
    return (
        "One tile of the product of the pattern with a dense matrix X, 64 columns of float32 "
        "wide. A step is a tile of the pattern: its values and the matching rows of X go to "
        "shared memory, and their product is added to sums in registers. The numbers are counted "
        "from the pattern; they are no measurement."
    )


def how_to_read_comparison() -> str:
    """Say what the comparison with other patterns shows."""
    return (
        "Masks of the same shape and, as far as their form allows, the same sparsity. A small "
        "σ₂/σ₁ means that every output mixes many inputs after few layers."
    )


def _claim(verdict: Verdict) -> str:
    if verdict.is_ramanujan is None:
        return "undecided (tie)"
    word = "yes" if verdict.is_ramanujan else "no"
    return f"{word} (on the bound)" if verdict.tie else word


def _named_graphs(subject: Subject) -> list[tuple[str, BipartiteGraph]]:
    if isinstance(subject, TensorProduct):
        return list(zip(subject.factor_names, subject.factors, strict=True))
    return [("the graph", subject)]


def _nonzeros(subject: Subject) -> int:
    return subject.nnz if isinstance(subject, TensorProduct) else subject.num_edges


def _degrees(subject: Subject) -> tuple[int, int] | None:
    if isinstance(subject, TensorProduct):
        return subject.row_degree, subject.col_degree
    return subject.degrees
