"""All singular values of graphs and products, with multiplicities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_int
from rbgp_graphs.constructions.recipes import rebuild
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.spectral.composition import (
    field_lift_fibres,
    lift_blocks,
)
from rbgp_graphs.spectral.numeric import dense_singular_values

#: Largest smaller side for which all singular values are computed by a dense SVD.
_LARGEST_DENSE_SIDE = 4096
#: Largest number of edges of the twisted core of a pattern.
_LARGEST_CORE = 2**25
#: Values closer than this, relative to the largest, are one value with a multiplicity.
_CLUSTER = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrum:
    """Distinct singular values with multiplicities.

    Attributes
    ----------
    values : ndarray of float64, shape (num_distinct,)
        Descending.
    multiplicities : ndarray of int64, shape (num_distinct,)
        They sum to the size of the smaller side.
    """

    values: NDArray[np.float64]
    multiplicities: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of singular values, with multiplicity."""
        return int(self.multiplicities.sum())

    def expand(self) -> NDArray[np.float64]:
        """Return all singular values, descending, each as often as it occurs."""
        return np.repeat(self.values, self.multiplicities)


def spectrum(pattern: BipartiteGraph | TensorProduct) -> Spectrum:
    r"""Return all singular values of the biadjacency matrix.

    Parameters
    ----------
    pattern : BipartiteGraph or TensorProduct
        Graphs need not be biregular.

    Returns
    -------
    Spectrum
        As many values, with multiplicity, as the smaller side has vertices. Products are
        composed from their factors, 2-lifts and cyclic lifts from their levels, complete graphs
        and field lifts from theorems; everything else is a dense SVD.

    Raises
    ------
    ArgumentTypeError
        If `pattern` is something else.
    ArgumentError
        If a dense SVD with more than 4096 vertices on the smaller side would be needed.

    Notes
    -----
    Values that agree to nine digits of the largest are taken as one.

    Examples
    --------
    >>> from rbgp_graphs import complete, projective_plane
    >>> result = spectrum(projective_plane(2))
    >>> result.values.round(6), result.multiplicities
    (array([3.      , 1.414214]), array([1, 6]))
    """
    if isinstance(pattern, BipartiteGraph):
        return _of_graph(pattern)
    if not isinstance(pattern, TensorProduct):
        raise ArgumentTypeError(
            f"expected a BipartiteGraph or a TensorProduct, got a {type(pattern).__name__}"
        )
    if isinstance(pattern, RBGP4) and pattern.is_twisted:
        core, scale = twisted_core(pattern)
        values = scale * dense_singular_values(_checked_dense(core))
        return _clusters(values, np.ones(len(values), dtype=np.int64), min(pattern.shape))
    values, counts = np.ones(1), np.ones(1, dtype=np.int64)
    for factor in pattern.factors:
        part = _of_graph(factor)
        joined = _clusters(
            np.multiply.outer(values, part.values).ravel(),
            np.multiply.outer(counts, part.multiplicities).ravel(),
        )
        values, counts = joined.values, joined.multiplicities
    return _clusters(values, counts, min(pattern.shape))


def singular_values(
    pattern: BipartiteGraph | TensorProduct, k: int | None = None
) -> NDArray[np.float64]:
    """Return singular values of the biadjacency matrix, descending, with multiplicity.

    Parameters
    ----------
    pattern : BipartiteGraph or TensorProduct
        The graph or the pattern.
    k : int, optional
        Return only the k largest. Large graphs then need no dense SVD.

    Returns
    -------
    ndarray of float64, shape (k,)
        By default as many as the smaller side has vertices.

    Raises
    ------
    ArgumentTypeError
        If `pattern` is something else.
    ArgumentError
        If k leaves the range 1 to the smaller side, or a dense SVD would be too large.

    Examples
    --------
    >>> from rbgp_graphs import lps
    >>> singular_values(lps(3, 5), k=2).round(9)
    array([4., 3.])
    """
    if k is not None and isinstance(pattern, (BipartiteGraph, TensorProduct)):
        k = as_int("k", k, minimum=1, maximum=min(pattern.shape))
        large = min(pattern.shape) > _LARGEST_DENSE_SIDE and k < min(pattern.shape) // 4
        if large and isinstance(pattern, BipartiteGraph):
            from scipy.sparse.linalg import svds

            start = np.random.default_rng(0).standard_normal(min(pattern.shape))
            matrix: Any = pattern.biadjacency(np.float64)
            values = svds(matrix, k=k, v0=start, solver="arpack", return_singular_vectors=False)
            return np.sort(values)[::-1]
    result = spectrum(pattern)
    if k is None and result.count > 10**8:
        raise ArgumentError(
            f"{result.count} singular values are too many to list; use spectrum() or pass k"
        )
    if k is None:
        return result.expand()
    last = int(np.searchsorted(np.cumsum(result.multiplicities), k)) + 1
    short = np.minimum(result.multiplicities[:last], k)
    return np.repeat(result.values[:last], short)[:k]


def twisted_core(pattern: RBGP4) -> tuple[BipartiteGraph, float]:
    """Return the twisted product of outer and inner factor, and what the others multiply by."""
    num_edges = pattern.outer.num_edges * pattern.inner.num_edges
    if num_edges > _LARGEST_CORE:
        raise ArgumentError(
            f"the twisted product of the outer and inner graph has {num_edges} edges, and its "
            f"spectrum is looked at up to {_LARGEST_CORE}; the pattern without shifts has no limit"
        )
    core = RBGP4(pattern.outer, (1, 1), pattern.inner, (1, 1), pattern.shifts, pattern.shift_side)
    scale = math.sqrt(math.prod((*pattern.repeat.shape, *pattern.block.shape)))
    return BipartiteGraph.from_biadjacency(core.to_csr()), scale


def _of_graph(graph: BipartiteGraph) -> Spectrum:
    small = min(graph.shape)
    if small == 0:
        raise ArgumentError(f"a graph of shape {graph.shape} has no singular values")
    recipe = graph.recipe
    while recipe["kind"] == "transpose":
        recipe = recipe["of"]
    degrees = graph.degrees or (0, 0)
    if graph.is_complete:
        return _clusters([math.sqrt(graph.num_edges)], [1], small)
    if recipe["kind"] == "field_lift":
        q, b, m, j = (recipe[key] for key in ("q", "b", "m", "j"))
        fibres, _ = field_lift_fibres(q, b, m, j)
        sizes = sorted(fibres, reverse=True)
        values = [math.sqrt(math.prod(degrees)), *(math.sqrt(q * size) for size in sizes)]
        return _clusters(values, [1, *(fibres[size] for size in sizes)], small)
    if recipe["kind"] in ("two_lift", "cyclic_lift"):
        parts = [_of_graph(rebuild(recipe["base"]))]
        for block, count in lift_blocks(recipe):
            new = dense_singular_values(_checked_dense(block))
            parts.append(_clusters(new, np.full(len(new), count)))
        return _clusters(
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.multiplicities for part in parts]),
            small,
        )
    values_found = dense_singular_values(_checked_dense(graph))
    return _clusters(values_found, np.ones(small, dtype=np.int64))


def _checked_dense(matrix: Any) -> Any:
    if min(matrix.shape) > _LARGEST_DENSE_SIDE:
        raise ArgumentError(
            f"all singular values of a {matrix.shape[0]} x {matrix.shape[1]} matrix need a dense "
            f"SVD, which stops at {_LARGEST_DENSE_SIDE}; use singular_values(graph, k=...)"
        )
    return matrix.biadjacency(np.float64) if isinstance(matrix, BipartiteGraph) else matrix


def _clusters(
    values: Sequence[float] | NDArray[np.float64],
    multiplicities: Sequence[int] | NDArray[np.int64],
    total: int | None = None,
) -> Spectrum:
    """Join equal values, and add zeros up to `total` values."""
    value = np.asarray(values, dtype=np.float64)
    count = np.asarray(multiplicities, dtype=np.int64)
    if total is not None and count.sum() < total:
        value = np.append(value, 0.0)
        count = np.append(count, total - count.sum())
    order = np.argsort(-value, kind="stable")
    value, count = value[order], count[order]
    new = np.ones(len(value), dtype=bool)
    new[1:] = value[:-1] - value[1:] > _CLUSTER * value[0]
    starts = np.flatnonzero(new)
    joined = np.add.reduceat(count, starts)
    means = np.add.reduceat(value * count, starts) / joined
    return Spectrum(values=means, multiplicities=joined)
