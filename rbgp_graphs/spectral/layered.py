"""Paths through several layers, and the spectral gap of their composition."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products.tensor import MAX_BYTES
from rbgp_graphs.spectral.irregular import (
    as_graph,
    as_pattern,
    two_largest,
    two_largest_of_matrix,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class PathCounts:
    """The result of `path_counts`.

    Attributes
    ----------
    counts : ndarray, shape (first left side, last right side)
        Number of paths between each pair: int64, or Python integers (dtype object) where these
        would not fit.
    total : int
        Number of all paths, exact.
    """

    counts: NDArray[Any]
    total: int

    @property
    def minimum(self) -> int:
        """Smallest number of paths of a pair."""
        return int(self.counts.min())

    @property
    def maximum(self) -> int:
        """Largest number of paths of a pair."""
        return int(self.counts.max())

    @property
    def mean(self) -> float:
        """Mean number of paths of a pair."""
        return self.total / self.counts.size

    @property
    def zero_share(self) -> float:
        """Share of pairs that no path connects."""
        return 1 - int(np.count_nonzero(self.counts)) / self.counts.size

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as a JSON-able dict, without the counts themselves."""
        names = ("total", "minimum", "maximum", "mean", "zero_share")
        return {
            "shape": list(self.counts.shape),
            **{name: getattr(self, name) for name in names},
        }


@dataclass(frozen=True, kw_only=True)
class ComposedGap:
    """The result of `composed_gap`.

    Attributes
    ----------
    shape : (int, int)
        First left and last right side.
    sigma1, sigma2 : float
        The two largest singular values, with multiplicity, of the product of the biadjacencies.
    product_bound : float or None
        The product of the second singular values of the layers, which `sigma2` cannot exceed if
        all layers are biregular; None if one is not.
    """

    shape: tuple[int, int]
    sigma1: float
    sigma2: float
    product_bound: float | None

    @property
    def gap(self) -> float:
        """``sigma1 - sigma2``."""
        return self.sigma1 - self.sigma2

    @property
    def ratio(self) -> float:
        """``sigma2 / sigma1``; 0 if no path leads through the layers."""
        return self.sigma2 / self.sigma1 if self.sigma1 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return all numbers as a JSON-able dict."""
        return {
            "shape": list(self.shape),
            "sigma1": self.sigma1,
            "sigma2": self.sigma2,
            "product_bound": self.product_bound,
            "gap": self.gap,
            "ratio": self.ratio,
        }


def path_counts(*graphs: Any) -> PathCounts:
    r"""Count the paths through a sequence of layers.

    Parameters
    ----------
    *graphs : BipartiteGraph, TensorProduct, array_like or SciPy sparse array
        The layers in order, at least one. The right side of each is the left side of the next;
        masks of shape (outputs, inputs) therefore come from the last layer to the first.

    Returns
    -------
    PathCounts
        The entries of :math:`B_1 B_2 \cdots B_k`, exact, with a summary.

    Raises
    ------
    ArgumentTypeError
        If the entries of a layer are not numbers.
    ArgumentError
        If there is no layer, two sides that meet differ in size, a side is empty, or the counts
        would take more than 4 GiB.

    Notes
    -----
    A pair without a path is an output that cannot depend on an input. If all layers are
    biregular no count differs from the mean by more than the second singular value of the
    product (see `composed_gap`); where that is below the mean, every pair is connected. The
    counts say nothing about the weights on the paths.

    Examples
    --------
    >>> from rbgp_graphs import projective_plane
    >>> plane = projective_plane(2)
    >>> two = path_counts(plane, plane.T)  # two lines meet in one point
    >>> two.counts[0]
    array([3, 1, 1, 1, 1, 1, 1])
    >>> two.zero_share, round(path_counts(plane).zero_share, 3)
    (0.0, 0.571)
    """
    layers = _as_layers(graphs)
    # No count exceeds the number of paths that leave one vertex, or that reach one.
    leaving = math.prod(int(layer.left_degrees.max()) for layer in layers)
    reaching = math.prod(int(layer.right_degrees.max()) for layer in layers)
    if min(leaving, reaching) < 2**63:
        product = layers[0].biadjacency(np.int64)
        for layer in layers[1:]:
            product = sparse.csr_array(product @ layer.biadjacency(np.int64))
        return PathCounts(counts=product.toarray(), total=_total(layers))
    counts = layers[0].biadjacency().toarray().astype(np.int64).astype(object)
    for layer in layers[1:]:
        steps = layer.T
        following = np.zeros((len(counts), layer.right), dtype=object)
        for v in range(steps.left):
            following[:, v] = counts[:, steps.neighbors(v)].sum(axis=1)
        counts = following
    return PathCounts(counts=counts, total=_total(layers))


def composed_gap(*graphs: Any) -> ComposedGap:
    r"""Return the two largest singular values of the composition of several layers.

    Parameters
    ----------
    *graphs : BipartiteGraph, TensorProduct, array_like or SciPy sparse array
        The layers in order, as for `path_counts`.

    Returns
    -------
    ComposedGap
        The singular values of :math:`B_1 B_2 \cdots B_k`.

    Raises
    ------
    ArgumentTypeError
        If the entries of a layer are not numbers.
    ArgumentError
        If there is no layer, two sides that meet differ in size, a side is empty, or the product
        would take more than 4 GiB.

    Notes
    -----
    Biregular layers share the constant vectors, on which each acts by its largest singular
    value. So sigma1 is the product of the largest ones, and sigma2 at most the product of the
    second ones: the relative gap of a network grows with its depth, if the layers do not undo
    each other. For irregular layers neither holds, and the ratio compares walks, in which
    vertices of high degree weigh more.

    Examples
    --------
    >>> from rbgp_graphs import lps
    >>> graph = lps(3, 5)  # singular values 4 and 3
    >>> two = composed_gap(graph, graph.T)
    >>> round(two.sigma1, 6), round(two.sigma2, 6), round(two.ratio, 6)
    (16.0, 9.0, 0.5625)
    """
    layers = _as_layers(graphs)
    shape = (layers[0].left, layers[-1].right)
    bound = None
    if all(layer.degrees is not None and layer.num_edges for layer in layers):
        bound = math.prod(two_largest(layer)[1] for layer in layers)
    if len(layers) == 1 and layers[0].num_edges:
        first, second = two_largest(layers[0])
    else:
        product = layers[0].biadjacency(np.float64)
        for layer in layers[1:]:
            product = sparse.csr_array(product @ layer.biadjacency(np.float64))
        product.eliminate_zeros()
        first, second = two_largest_of_matrix(product) if product.nnz else (0.0, 0.0)
    return ComposedGap(shape=shape, sigma1=first, sigma2=second, product_bound=bound)


def _as_layers(graphs: tuple[Any, ...]) -> list[BipartiteGraph]:
    if not graphs:
        raise ArgumentError("no layer was given, expected at least one")
    layers = [as_graph(as_pattern(graph)) for graph in graphs]
    for k, layer in enumerate(layers):
        if 0 in layer.shape:
            raise ArgumentError(f"layer {k} has shape {layer.shape}, expected no empty side")
    for k, (one, other) in enumerate(itertools.pairwise(layers)):
        if one.right != other.left:
            raise ArgumentError(
                f"layer {k} has {one.right} right vertices and layer {k + 1} has {other.left} "
                f"left ones, expected as many (its transpose has {other.right})"
            )
    for layer in layers:
        if 8 * layers[0].left * layer.right > MAX_BYTES:
            raise ArgumentError(
                f"the paths of {layers[0].left} x {layer.right} pairs take more than "
                f"{MAX_BYTES} bytes"
            )
    return layers


def _total(layers: list[BipartiteGraph]) -> int:
    ending = np.ones(layers[-1].right, dtype=object)
    for layer in reversed(layers):
        sums = np.concatenate(([0], np.cumsum(ending[layer.indices])))
        ending = sums[layer.indptr[1:]] - sums[layer.indptr[:-1]]
    return int(ending.sum())
