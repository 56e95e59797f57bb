"""The search for a proof: floating point proposes, the proofs themselves decide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rbgp_graphs.constructions.recipes import rebuild
from rbgp_graphs.errors import FormatError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.spectral import characters, charpoly, cholesky, refutation, theorems, walks
from rbgp_graphs.spectral.composition import second_singular_value_of_graph
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.proofs import (
    AbelianCover,
    CharacteristicPolynomial,
    Cholesky,
    ClosedWalks,
    Connected,
    Disconnected,
    GramIdentity,
    Pattern,
    Product,
    ProductFactor,
    Proof,
    TestVector,
    Theorem,
    TwoLift,
    TwoSided,
    factor_claims,
)
from rbgp_graphs.spectral.threshold import Threshold

#: Relative distance within which a computed eigenvalue may be an integer or equal to the bound.
_CLOSE = 1e-7


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A proof that was found and has been checked.

    Attributes
    ----------
    proof : Proof
        The proof.
    holds : bool
        Whether the graph is connected and keeps to the threshold.
    tie : bool
        Whether it meets the threshold exactly.
    square : int or None
        The exact square of the second singular value, if the proof gives it.
    """

    proof: Proof
    holds: bool
    tie: bool = False
    square: int | None = None


def prove(pattern: Pattern, threshold: Threshold, *, use_theorems: bool = True) -> Finding | str:
    """Look for a proof that a graph or product is connected with squared sigma2 at most t, or not.

    Parameters
    ----------
    pattern : BipartiteGraph or TensorProduct
        A biregular graph with an edge, or a product of such graphs.
    threshold : Threshold
        The number t.
    use_theorems : bool
        Whether a proof may rest on a theorem about a family of graphs.

    Returns
    -------
    Finding or str
        A checked proof, or in words why none was found.
    """
    if isinstance(pattern, TensorProduct):
        return _prove_product(pattern, threshold, use_theorems)
    if not pattern.is_connected:
        mask = np.packbits(refutation.component_mask(pattern)).tobytes()
        return _checked(Disconnected(mask), pattern, threshold) or "no cut was found"
    square = 0 if pattern.is_complete else None
    if found := _checked(Connected(), pattern, threshold, square):
        return found
    by_family = _by_theorem if use_theorems else _by_walks
    return (
        by_family(pattern, threshold)
        or _by_known_group(pattern, threshold)
        or _by_lift(pattern, threshold, use_theorems)
        or _directly(pattern, threshold)
    )


def prove_two_sided(graph: Pattern, upper: Finding) -> tuple[TwoSided, bool] | str:
    """Look for a proof that the singular values are those of the biregular tree, or not.

    Parameters
    ----------
    graph : BipartiteGraph or TensorProduct
        What the finding is about.
    upper : Finding
        What was found about the square of the Ramanujan bound.

    Returns
    -------
    tuple of TwoSided and bool, or str
        A checked proof and what it shows, or in words why none was found.
    """
    bounds = (graph.row_degree, graph.col_degree) if isinstance(graph, TensorProduct) else None
    left, right = bounds or graph.degrees or (0, 0)  # type: ignore[union-attr]
    if not upper.holds or left == right:
        return TwoSided(upper.proof, None), upper.holds
    if isinstance(graph, TensorProduct):
        return "the smallest singular value of a product has no rule of its own"
    rows, low = Rows.of_graph(graph).negated(), Threshold.lower(left, right)
    largest, vector = rows.leading()
    if largest > float(low):
        entries = refutation.find_vector(rows, vector, low)
        if entries is not None:
            shown = TestVector(entries.astype("<i4").tobytes())
            return TwoSided(None, shown), False
    bounded = _bound_norm_near(rows, low, largest)
    if bounded is None:
        return "the smallest singular value is too close to the lower bound"
    return TwoSided(upper.proof, bounded[0]), True


def _checked(
    proof: Proof,
    graph: Pattern,
    threshold: Threshold,
    square: int | None = None,
) -> Finding | None:
    """Return a finding if the proof shows something; `square` is sigma2 squared if known."""
    holds = proof.decide(graph, threshold)
    if holds is None:
        return None
    tie = square is not None and threshold.compare(square) == 0
    return Finding(proof=proof, holds=holds, tie=tie, square=square)


def _untransposed(recipe: Any) -> tuple[Any, bool]:
    """Return the recipe of a graph or of its transpose, and whether it is the latter."""
    transposed = recipe["kind"] == "transpose"
    return (recipe["of"] if transposed else recipe), transposed


def _by_theorem(graph: BipartiteGraph, threshold: Threshold) -> Finding | None:
    recipe, transposed = _untransposed(graph.recipe)
    theorem = theorems.THEOREMS.get(recipe["kind"])
    if theorem is None or not all(name in recipe for name in theorem.parameters):
        return None
    parameters = tuple((name, recipe[name]) for name in theorem.parameters)
    square = theorem.square(**dict(parameters)) if theorem.is_exact else None
    return _checked(Theorem(recipe["kind"], parameters, transposed), graph, threshold, square)


def _by_walks(graph: BipartiteGraph, threshold: Threshold) -> Finding | None:
    """Count closed walks in a graph whose vertices are the elements of a projective group."""
    recipe, transposed = _untransposed(graph.recipe)
    if recipe["kind"] not in ("chiu", "lps", "morgenstern"):
        return None
    order = recipe["q"] ** recipe.get("d", 1)
    rows = Rows.of_graph(graph.T if transposed else graph)
    parameters = walks.propose(rows, threshold, rows.leading()[0])
    if parameters is None:
        return None
    return _checked(ClosedWalks(order, transposed, *parameters), graph, threshold)


def _by_known_group(graph: BipartiteGraph, threshold: Threshold) -> Finding | None:
    """Take a graph apart by the group that its recipe names."""
    recipe, _ = _untransposed(graph.recipe)
    if recipe["kind"] == "cyclic_lift":
        return _by_group(graph, threshold, (recipe["k"],), copies_first=True)
    if recipe["kind"] == "abelian_cover":
        return _by_group(graph, threshold, tuple(recipe["orders"]), copies_first=False)
    return None


def _by_found_group(graph: BipartiteGraph, threshold: Threshold) -> Finding | None:
    """Take a graph apart by the largest cyclic group that is seen in its numbering."""
    common = math.gcd(graph.left, graph.right)
    for k in sorted(_divisors(common), reverse=True):
        for copies_first in (True, False):
            if found := _by_group(graph, threshold, (k,), copies_first=copies_first):
                return found
    return None


def _divisors(number: int) -> list[int]:
    """Return the divisors of a number that are at least 3."""
    return [d for d in range(3, number + 1) if number % d == 0]


def _by_group(
    graph: BipartiteGraph, threshold: Threshold, orders: tuple[int, ...], *, copies_first: bool
) -> Finding | None:
    blocks = characters.split(graph, orders, copies_first)
    parameters = None if blocks is None else characters.propose(blocks, threshold)
    if parameters is None:
        return None
    return _checked(AbelianCover(orders, copies_first, *parameters), graph, threshold)


def _by_lift(graph: BipartiteGraph, threshold: Threshold, use_theorems: bool) -> Finding | None:
    parts = theorems.split_two_lift(graph)
    if parts is None:
        return None
    base, signed = parts
    level = _bound_norm(signed, threshold)
    if level is None:
        return None
    proof, tie = level
    found = prove(_with_recipe(base, graph.recipe), threshold, use_theorems=use_theorems)
    if isinstance(found, str) or not found.holds:
        return None
    # Both parts have been checked, and the lift is connected.
    return Finding(proof=TwoLift(found.proof, proof), holds=True, tie=tie or found.tie)


def _with_recipe(base: BipartiteGraph, recipe: Any) -> BipartiteGraph:
    """Return an equal graph that knows its recipe, if the recipe of the lift tells it."""
    recipe, transposed = _untransposed(recipe)
    if "base" not in recipe:
        return base
    try:
        known = rebuild(recipe["base"])
    except FormatError:  # pragma: no cover - a base beyond the limits of recipes
        return base
    known = known.T if transposed else known
    return known if known == base else base


def _bound_norm(
    rows: Rows, threshold: Threshold
) -> tuple[Cholesky | CharacteristicPolynomial, bool] | None:
    """Prove that all eigenvalues that count are at most t; also say whether one is equal."""
    return _bound_norm_near(rows, threshold, rows.leading()[0])


def _bound_norm_near(
    rows: Rows, threshold: Threshold, largest: float
) -> tuple[Cholesky | CharacteristicPolynomial, bool] | None:
    parameters = cholesky.propose(rows, threshold, largest)
    if parameters is not None and cholesky.is_proof(rows, threshold, *parameters):
        return Cholesky(*parameters), False
    if largest > float(threshold) + _CLOSE * abs(float(threshold)):
        return None
    count = _count_roots(rows, threshold)
    if count is None or count[1].above:
        return None
    return count[0], count[1].equal > 0


def _count_roots(
    rows: Rows, threshold: Threshold
) -> tuple[CharacteristicPolynomial, charpoly.RootCount] | None:
    if rows.size > charpoly.LARGEST_SIDE:
        return None
    polynomial = charpoly.characteristic_polynomial(rows)
    count = charpoly.count_roots(polynomial, rows.trivial, threshold)
    if count is None:
        return None
    return CharacteristicPolynomial(charpoly.polynomial_digest(polynomial), count.above), count


def _directly(graph: BipartiteGraph, threshold: Threshold) -> Finding | str:
    rows = Rows.of_graph(graph)
    largest, vector = rows.leading()
    if largest > float(threshold):
        entries = refutation.find_vector(rows, vector, threshold)
        if entries is not None:
            proof = TestVector(entries.astype("<i4").tobytes())
            return Finding(proof=proof, holds=False)
    elif identity := _by_identity(graph, rows, threshold, largest):
        return identity
    elif by_group := _by_found_group(graph, threshold):
        return by_group
    elif bounded := _bound_norm_near(rows, threshold, largest):
        return Finding(proof=bounded[0], holds=True, tie=bounded[1])
    if abs(largest - float(threshold)) <= _CLOSE * float(threshold):
        count = _count_roots(rows, threshold)
        if count is not None:
            tie = count[1].above == 0 and count[1].equal > 0
            return Finding(proof=count[0], holds=count[1].above == 0, tie=tie)
    return _reason(rows, threshold, largest)


def _by_identity(
    graph: BipartiteGraph, rows: Rows, threshold: Threshold, largest: float
) -> Finding | None:
    square = round(largest)
    if square < 1 or abs(largest - square) > _CLOSE * square:
        return None
    # One vector tells almost every graph without the identity, before matrices are multiplied.
    probe = np.random.default_rng(0).integers(-99, 100, size=rows.size).astype(np.float64)
    image = rows.matrix @ (rows.matrix.T @ probe)
    moved = rows.matrix @ (rows.matrix.T @ image) - square * image
    if np.ptp(moved) > 1e-6 * max(1.0, np.abs(moved).max()):
        return None
    return _checked(GramIdentity(square), graph, threshold, square)


def _reason(rows: Rows, threshold: Threshold, largest: float) -> str:
    if rows.size > cholesky.LARGEST_SIDE:
        return (
            f"the smaller side has {rows.size} vertices, proofs by factorisation go up to "
            f"{cholesky.LARGEST_SIDE}"
        )
    distance = abs(largest / float(threshold) - 1)
    return (
        f"sigma2 squared is within {distance:.1e} of the bound squared, too close for a Cholesky "
        f"factor, and the {rows.size} vertices of the smaller side are more than the "
        f"{charpoly.LARGEST_SIDE} that a characteristic polynomial is computed for"
    )


def _prove_product(
    pattern: TensorProduct, threshold: Threshold, use_theorems: bool
) -> Finding | str:
    claims = factor_claims(pattern, threshold)
    found: dict[str, Finding] = {}
    problems = []
    # The factor that is most likely to fail comes first: it settles the product alone.
    for name, part, own in sorted(claims, key=lambda claim: -_ratio(*claim[1:])):
        finding = prove(part, own, use_theorems=use_theorems)
        if isinstance(finding, str):
            problems.append(f"{name}: {finding}")
        elif finding.holds:
            found[name] = finding
        else:
            return Finding(proof=ProductFactor(name, finding.proof), holds=False)
    if problems:
        return "; ".join(problems)
    proofs = tuple(found[name].proof for name, _, _ in claims)
    tie = any(finding.tie for finding in found.values())
    return Finding(proof=Product(proofs), holds=True, tie=tie)


def _ratio(graph: BipartiteGraph, threshold: Threshold) -> float:
    if not graph.is_connected:
        return np.inf
    return second_singular_value_of_graph(graph).value ** 2 / max(float(threshold), 1e-300)
