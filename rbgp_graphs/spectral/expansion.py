"""What the second singular value says about cuts and about the spread of edges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.spectral.irregular import as_pattern, two_largest_of_matrix
from rbgp_graphs.spectral.verdict import verify


@dataclass(frozen=True, kw_only=True)
class CheegerBounds:
    """The result of `cheeger_bounds`.

    Attributes
    ----------
    lower, upper : float
        The conductance lies between them.
    gap : float
        Second smallest eigenvalue of the normalised Laplacian.
    """

    lower: float
    upper: float
    gap: float


def cheeger_bounds(g: Any) -> CheegerBounds:
    r"""Bound the conductance of a graph from both sides by its spectral gap.

    The conductance is the smallest share of edges that leave a part of the graph: the minimum of
    :math:`|\partial S| / \mathrm{vol}(S)` over all sets S of vertices, of both sides, with at
    most half of the volume (the sum of the degrees).

    Parameters
    ----------
    g : BipartiteGraph, TensorProduct, array_like or SciPy sparse array, shape (left, right)
        The graph, or a matrix whose nonzero entries are its edges. It need not be biregular.

    Returns
    -------
    CheegerBounds
        Both bounds, and the gap they come from. All are 0 if the graph falls apart. Vertices
        without edges have no volume and do not count.

    Raises
    ------
    ArgumentTypeError
        If the entries are not numbers.
    ArgumentError
        If there is no edge, or the matrix is not finite.

    Notes
    -----
    With the second smallest eigenvalue :math:`\mu` of the normalised Laplacian, which is
    :math:`1 - \sigma_2/\sigma_1` for biregular graphs,

    .. math:: \mu/2 \le \phi \le \sqrt{\mu (2 - \mu)}

    (for :math:`\mu > 1`, a single edge, the upper bound is 1) [1]_. In a graph with both degrees
    d the number of edges that leave a set of k vertices, at most half of all, is then at least
    :math:`k d \mu / 2`. The upper bound is often far from the truth.

    References
    ----------
    .. [1] F. R. K. Chung, Spectral Graph Theory, AMS, 1997, chapter 2.

    Examples
    --------
    >>> from rbgp_graphs import lps
    >>> round(cheeger_bounds(lps(3, 5)).lower, 9)  # (1 - 3/4) / 2
    0.125
    """
    pattern = as_pattern(g)
    if isinstance(pattern, TensorProduct):
        second, single_edge = _ratio_of_verdict(pattern), pattern.nnz == 1
    elif pattern.num_edges == 0:
        raise ArgumentError("the graph has no edges, so its conductance is not defined")
    elif pattern.degrees is not None:
        second, single_edge = _ratio_of_verdict(pattern), pattern.num_edges == 1
    else:
        degrees = (pattern.left_degrees, pattern.right_degrees)
        left, right = (1 / np.sqrt(np.maximum(side, 1)) for side in degrees)
        matrix = pattern.biadjacency(np.float64)
        rows = np.repeat(left, pattern.left_degrees)
        matrix.data = rows * right[matrix.indices]
        second, single_edge = two_largest_of_matrix(matrix)[1], pattern.num_edges == 1
    gap = 2.0 if single_edge else 1.0 - second
    # Rounding must not leave a gap where there is none.
    if gap < 1e-12:
        gap = 0.0
    upper = 1.0 if gap >= 1 else math.sqrt(gap * (2 - gap))
    return CheegerBounds(lower=gap / 2, upper=upper, gap=gap)


@dataclass(frozen=True, kw_only=True)
class MixingDiscrepancy:
    r"""The result of `mixing_discrepancy`.

    Attributes
    ----------
    shape : (int, int)
        Sizes of the sides.
    density : float
        Share of cells that are edges.
    sigma2 : float
        Second singular value, with its error bound added.
    """

    shape: tuple[int, int]
    density: float
    sigma2: float

    def expected(self, num_left: int, num_right: int) -> float:
        """Return how many edges sets of these sizes have on average over all such sets."""
        s, t = self._sizes(num_left, num_right)
        return self.density * s * t

    def bound(self, num_left: int, num_right: int) -> float:
        r"""Return how far the number of edges between two sets can be from `expected`.

        Parameters
        ----------
        num_left, num_right : int
            Sizes of the sets.

        Returns
        -------
        float
            :math:`\sigma_2 \sqrt{|S||T|(1-|S|/|U|)(1-|T|/|V|)}`.

        Raises
        ------
        ArgumentError
            If a size is negative or exceeds its side.
        """
        s, t = self._sizes(num_left, num_right)
        left, right = self.shape
        return self.sigma2 * math.sqrt(s * t * (1 - s / left) * (1 - t / right))

    def _sizes(self, num_left: int, num_right: int) -> tuple[int, int]:
        return (
            as_int("num_left", num_left, minimum=0, maximum=self.shape[0]),
            as_int("num_right", num_right, minimum=0, maximum=self.shape[1]),
        )


def mixing_discrepancy(g: Any) -> MixingDiscrepancy:
    r"""Bound how unevenly the edges of a biregular graph are spread.

    Parameters
    ----------
    g : BipartiteGraph, TensorProduct, array_like or SciPy sparse array, shape (left, right)
        Biregular, with at least one edge.

    Returns
    -------
    MixingDiscrepancy
        The bound as a function of the sizes of the two sets.

    Raises
    ------
    ArgumentTypeError
        If the entries are not numbers.
    ArgumentError
        If the graph is not biregular or has no edges.

    Notes
    -----
    The expander mixing lemma for biregular graphs [1]_: for all sets S of left and T of right
    vertices of a graph with sides U and V,

    .. math:: \left| e(S, T) - \frac{d_l}{|V|} |S| |T| \right| \le \sigma_2
        \sqrt{|S| |T| (1 - |S|/|U|) (1 - |T|/|V|)}

    In words: every block of the mask, of any rows and columns, has nearly the density of the
    whole, and the smaller sigma2 the smaller the blocks for which this says something.

    References
    ----------
    .. [1] W. H. Haemers, Interlacing eigenvalues and graphs, Linear Algebra Appl. 226-228
       (1995), 593-616.

    Examples
    --------
    >>> from rbgp_graphs import field_lift
    >>> spread = mixing_discrepancy(field_lift(16, 16, 1, 4))  # 256 x 256, degree 16, sigma2 = 4
    >>> spread.expected(64, 64), round(spread.bound(64, 64), 6)
    (256.0, 192.0)
    """
    pattern = as_pattern(g)
    verdict = verify(pattern)
    return MixingDiscrepancy(
        shape=verdict.shape,
        density=verdict.degrees[0] / verdict.shape[1],
        sigma2=verdict.sigma2 + verdict.error_bound,
    )


def _ratio_of_verdict(pattern: Any) -> float:
    verdict = verify(pattern)
    return verdict.sigma2 / verdict.sigma1
