"""What is known about the second singular value of a graph or a product."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.spectral.bounds import compare_square_with_bound, ramanujan_bound
from rbgp_graphs.spectral.certificate import Certificate, squared_bound
from rbgp_graphs.spectral.composition import second_singular_value_of_graph
from rbgp_graphs.spectral.numeric import (
    Estimate,
    from_square,
    largest,
    second_singular_value_directly,
)
from rbgp_graphs.spectral.proofs import Proof, TwoSided
from rbgp_graphs.spectral.prover import prove, prove_two_sided
from rbgp_graphs.spectral.smallest import smallest_singular_value
from rbgp_graphs.spectral.spectrum import twisted_core

Status = Literal["proved", "refuted", "numeric"]
#: Error of the smallest singular value relative to the largest: the root of a rounding error.
_SMALLEST_ERROR = 1e-7


@dataclass(frozen=True, kw_only=True)
class Verdict:
    r"""The answer of `verify`.

    Attributes
    ----------
    status : {"numeric", "refuted", "proved"}
        How the answer is known: "numeric" from floating-point values, "proved" and "refuted" by
        exact means. With ``level="numeric"`` the only refutation is that the graph is
        disconnected; with ``level="proved"`` both words come with a certificate.
    is_ramanujan : bool or None
        Whether the graph is connected and sigma2 keeps to the bound, and, if `two_sided`, the
        smallest singular value to the lower bound; None if a value is too close to its bound to
        tell.
    shape : (int, int)
        Sizes of the sides.
    degrees : (int, int)
        Left and right degree.
    sigma1, sigma2 : float
        The largest and the second singular value, counted with multiplicity.
    bound : float
        The Ramanujan bound for the degrees.
    connected : bool
        Whether the graph is connected.
    tie : bool
        Whether sigma2 equals the bound: exactly where the status is "proved", else as far as
        the error bound can tell.
    error_bound : float
        How far `sigma2` may be from a singular value: rounding for dense and exact methods, the
        residual for iterative ones.
    method : str
        How sigma2 was computed, or how the claim was proved.
    sigma2_squared : int or None
        The exact square of sigma2, where a theorem gives it.
    certificate : Certificate or None
        The proof, if there is one.
    factors : tuple of Verdict
        The verdicts of the factors of a product.
    two_sided : bool
        Whether both ends of the spectrum were asked about.
    sigma_min : float or None
        The smallest singular value of the smaller side, as computed, if `two_sided`.
    """

    status: Status
    is_ramanujan: bool | None
    shape: tuple[int, int]
    degrees: tuple[int, int]
    sigma1: float
    sigma2: float
    bound: float
    connected: bool
    tie: bool
    error_bound: float
    method: str
    sigma2_squared: int | None = None
    certificate: Certificate | None = None
    factors: tuple[Verdict, ...] = ()
    two_sided: bool = False
    sigma_min: float | None = None

    @property
    def lower_bound(self) -> float:
        r"""The smallest singular value of the biregular tree.

        It is :math:`|\sqrt{d_l - 1} - \sqrt{d_r - 1}|`, and 0 where the degrees are equal.
        """
        left, right = self.degrees
        return abs(math.sqrt(left - 1) - math.sqrt(right - 1))

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """The certificates of the whole and of its factors that are not complete graphs.

        They are what `rbgp_graphs.save` stores.
        """
        parts = [part for part in self.factors if part.sigma2_squared != 0]
        found = [part.certificate for part in (self, *parts) if part.certificate is not None]
        return tuple(dict.fromkeys(found))

    @property
    def ratio(self) -> float:
        """Second singular value over the bound: at most 1 for a Ramanujan graph."""
        if self.sigma2 == 0:
            return 0.0
        return self.sigma2 / self.bound if self.bound else math.inf

    @property
    def gap(self) -> float:
        """``sigma1 - sigma2``."""
        return self.sigma1 - self.sigma2

    @property
    def normalized_gap(self) -> float:
        """``(sigma1 - sigma2) / (sigma1 - bound)``: at least 1 for a Ramanujan graph.

        Infinite for degrees (2, 2), where the bound is sigma1.
        """
        room = self.sigma1 - self.bound
        return self.gap / room if room > 0 else math.inf

    @property
    def algebraic_connectivity(self) -> float:
        """Second smallest eigenvalue of the normalised Laplacian: ``1 - sigma2 / sigma1``."""
        return 1 - self.sigma2 / self.sigma1

    def as_dict(self) -> dict[str, Any]:
        """Return all numbers as a JSON-able dict; infinite values become None."""
        return {
            "status": self.status,
            "is_ramanujan": self.is_ramanujan,
            "shape": list(self.shape),
            "degrees": list(self.degrees),
            "sigma1": self.sigma1,
            "sigma2": self.sigma2,
            "sigma2_squared": self.sigma2_squared,
            "bound": self.bound,
            "ratio": _finite(self.ratio),
            "gap": self.gap,
            "normalized_gap": _finite(self.normalized_gap),
            "algebraic_connectivity": self.algebraic_connectivity,
            "two_sided": self.two_sided,
            "sigma_min": self.sigma_min,
            "lower_bound": self.lower_bound,
            "connected": self.connected,
            "tie": self.tie,
            "error_bound": self.error_bound,
            "method": self.method,
            "certificate": None if self.certificate is None else self.certificate.to_dict(),
            "factors": [factor.as_dict() for factor in self.factors],
        }


def verify(
    pattern: BipartiteGraph | TensorProduct,
    level: str = "numeric",
    *,
    two_sided: bool = False,
    theorems: bool = True,
) -> Verdict:
    r"""Say whether a biregular graph or a product is Ramanujan, and how that is known.

    Parameters
    ----------
    pattern : BipartiteGraph or TensorProduct
        Biregular, with at least one edge.
    level : {"numeric", "proved"}
        What the answer rests on: floating-point numbers, or a proof in exact arithmetic.
    two_sided : bool
        Whether to ask too that no singular value of the smaller side is below
        :math:`|\sqrt{d_l - 1} - \sqrt{d_r - 1}|`, as in the biregular tree. Factors of a product
        are asked about the upper bound alone.
    theorems : bool
        Whether a proof may rest on a theorem about a family of graphs. If not, everything is
        computed from the graph.

    Returns
    -------
    Verdict
        With the singular values, the bound, and for products the verdicts of the factors. With
        ``level="proved"`` the status is "proved" or "refuted" and a certificate is there, or the
        status stays "numeric" and the method says why nothing was proved.

    Raises
    ------
    ArgumentTypeError
        If `pattern` is neither a graph nor a product.
    ArgumentError
        If the graph is not biregular or has no edges, or `level` is unknown.
    MissingDependencyError
        If a proof needs a characteristic polynomial and python-flint is not installed.

    Notes
    -----
    First the components are counted, which is exact: a disconnected graph is refuted. Then the
    second singular value comes from how the graph was built where this is known (2-lifts and
    cyclic lifts level by level, complete graphs, planes, array codes and field lifts by their
    theorems), else from a dense SVD or, above 768 vertices on the smaller side, from ARPACK on
    the deflated matrix with two start vectors. A theorem's value is compared with the bound in
    integers. Of a product, singular values are products of those of the factors, so that
    sigma2/sigma1 is the largest among the factors; of a twisted pattern they are computed from
    the twisted product of outer and inner factor.

    At the level "proved" the singular values are the same numbers, but the claim is decided in
    exact arithmetic: by theorem for explicit families, 2-lifts level by level, products by
    their factors, abelian covers by characters, the graphs of projective groups by their closed
    walks, else by an integer Cholesky factor, by the exact characteristic polynomial (which
    also decides whether sigma2 equals the bound), or against the claim by an integer test vector.

    Examples
    --------
    >>> from rbgp_graphs import complete, lps, TensorProduct
    >>> verify(lps(3, 5)).is_ramanujan
    True
    >>> product = verify(TensorProduct(lps(3, 5), complete(4, 1)))
    >>> product.is_ramanujan, round(product.sigma2, 9), round(product.bound, 3)
    (False, 6.0, 5.605)
    >>> verdict = verify(lps(3, 5), level="proved")
    >>> verdict.status, verdict.certificate.check(lps(3, 5))
    ('proved', True)

    An affine plane keeps to both bounds, a complete graph with unequal sides has zeros:

    >>> from rbgp_graphs import affine_plane
    >>> [verify(g, two_sided=True).is_ramanujan for g in (affine_plane(3), complete(2, 4))]
    [True, False]
    """
    if level not in ("numeric", "proved"):
        raise ArgumentError(f"level is {level!r}, expected 'numeric' or 'proved'")
    numeric = _verify_numerically(pattern)
    if two_sided:
        numeric = _with_smallest(pattern, numeric)
    return numeric if level == "numeric" else _with_proof(pattern, numeric, theorems)


def _verify_numerically(pattern: BipartiteGraph | TensorProduct) -> Verdict:
    if isinstance(pattern, BipartiteGraph):
        return _verify_graph(pattern)
    if not isinstance(pattern, TensorProduct):
        raise ArgumentTypeError(
            f"expected a BipartiteGraph or a TensorProduct, got a {type(pattern).__name__}"
        )
    factors = tuple(_verify_graph(factor) for factor in pattern.factors)
    degrees = (pattern.row_degree, pattern.col_degree)
    if isinstance(pattern, RBGP4) and pattern.is_twisted:
        # A twist can connect what a disconnected inner factor leaves apart.
        core, scale = twisted_core(pattern)
        if not core.is_connected:
            return _refuted(pattern.shape, degrees, factors)
        part = second_singular_value_directly(core)
        second = Estimate(
            value=scale * part.value,
            error_bound=scale * part.error_bound,
            method=f"{part.method} of the twisted outer and inner factor",
        )
    elif all(factor.connected for factor in factors):
        second = _second_of_product(factors, pattern.factor_names)
    else:
        return _refuted(pattern.shape, degrees, factors)
    return _verdict(pattern.shape, degrees, second, factors)


def _with_smallest(pattern: BipartiteGraph | TensorProduct, verdict: Verdict) -> Verdict:
    """Return the answer to the two-sided question, from floating-point values."""
    smallest = smallest_singular_value(pattern)
    answer = verdict.is_ramanujan
    if answer is not False and verdict.lower_bound > 0:
        error = _SMALLEST_ERROR * verdict.sigma1
        if smallest < verdict.lower_bound - error:
            answer = False
        elif smallest < verdict.lower_bound + error:
            answer = None
    return replace(verdict, two_sided=True, sigma_min=smallest, is_ramanujan=answer)


def _with_proof(
    pattern: BipartiteGraph | TensorProduct, numeric: Verdict, use_theorems: bool
) -> Verdict:
    """Return the verdict with a certificate, or with the reason why there is none."""
    threshold = squared_bound(pattern)
    if isinstance(pattern, TensorProduct):
        pairs = dict(zip(pattern.factors, numeric.factors, strict=True))
        proved = {
            factor: _with_proof(factor, verdict, use_theorems) for factor, verdict in pairs.items()
        }
        numeric = replace(numeric, factors=tuple(proved[factor] for factor in pattern.factors))
    if threshold is None:  # pragma: no cover - such graphs have been refused before
        return numeric
    found = prove(pattern, threshold, use_theorems=use_theorems)
    shown: tuple[Proof | TwoSided, bool] | str
    if isinstance(found, str):
        shown = found
    elif numeric.two_sided:
        shown = prove_two_sided(pattern, found)
    else:
        shown = found.proof, found.holds
    if isinstance(found, str) or isinstance(shown, str):
        return replace(numeric, method=f"{numeric.method}; not proved: {shown}")
    proof, holds = shown
    certificate = Certificate(ramanujan=holds, digest=pattern.digest, proof=proof)
    return replace(
        numeric,
        status="proved" if holds else "refuted",
        is_ramanujan=holds,
        tie=found.tie,
        method=proof.method,
        sigma2_squared=numeric.sigma2_squared if found.square is None else found.square,
        certificate=certificate,
    )


def second_singular_value(pattern: BipartiteGraph | TensorProduct) -> float:
    """Return the second singular value of a biregular graph or a product.

    Parameters
    ----------
    pattern : BipartiteGraph or TensorProduct
        Biregular, with at least one edge.

    Returns
    -------
    float
        ``verify(pattern).sigma2``; 0 if the smaller side has one vertex.

    Raises
    ------
    ArgumentError
        As for `verify`.

    Examples
    --------
    >>> from rbgp_graphs import field_lift
    >>> second_singular_value(field_lift(16, 16, 1, 4))
    4.0
    """
    return verify(pattern).sigma2


def _verify_graph(graph: BipartiteGraph) -> Verdict:
    if graph.num_edges == 0:
        raise ArgumentError("the graph has no edges")
    if graph.degrees is None:
        raise ArgumentError(
            "the graph is not biregular, so the Ramanujan bound for its degrees is not defined; "
            "mask_measures compares masks of any degrees"
        )
    if not graph.is_connected:
        return _refuted(graph.shape, graph.degrees, ())
    return _verdict(graph.shape, graph.degrees, second_singular_value_of_graph(graph), ())


def _second_of_product(factors: tuple[Verdict, ...], names: tuple[str, ...]) -> Estimate:
    """Compose sigma2: one factor at its second singular value, the others at their first."""
    squares_of_sigma1 = [math.prod(factor.degrees) for factor in factors]
    candidates = []
    for name, factor, own in zip(names, factors, squares_of_sigma1, strict=True):
        others = math.prod(squares_of_sigma1) // own
        method = f"composition; the value comes from {name} ({factor.method})"
        if factor.sigma2_squared is not None:
            candidates.append(from_square(factor.sigma2_squared * others, method))
        else:
            scale = math.sqrt(others)
            value, error = scale * factor.sigma2, scale * factor.error_bound
            candidates.append(Estimate(value=value, error_bound=error, method=method))
    return largest(candidates)


def _verdict(
    shape: tuple[int, int],
    degrees: tuple[int, int],
    second: Estimate,
    factors: tuple[Verdict, ...],
) -> Verdict:
    bound = ramanujan_bound(*degrees)
    if second.square is not None:
        order = compare_square_with_bound(second.square, *degrees)
        tie, is_ramanujan = order == 0, order <= 0
    else:
        tie = abs(second.value - bound) <= 4 * second.error_bound
        is_ramanujan = second.value < bound
    return Verdict(
        status="numeric",
        is_ramanujan=None if tie and second.square is None else is_ramanujan,
        shape=shape,
        degrees=degrees,
        sigma1=math.sqrt(math.prod(degrees)),
        sigma2=second.value,
        bound=bound,
        connected=True,
        tie=tie,
        error_bound=second.error_bound,
        method=second.method,
        sigma2_squared=second.square,
        factors=factors,
    )


def _refuted(
    shape: tuple[int, int], degrees: tuple[int, int], factors: tuple[Verdict, ...]
) -> Verdict:
    sigma1 = math.sqrt(math.prod(degrees))
    return Verdict(
        status="refuted",
        is_ramanujan=False,
        shape=shape,
        degrees=degrees,
        sigma1=sigma1,
        sigma2=sigma1,
        bound=ramanujan_bound(*degrees),
        connected=False,
        tie=False,
        error_bound=0.0,
        method="more than one component",
        factors=factors,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
