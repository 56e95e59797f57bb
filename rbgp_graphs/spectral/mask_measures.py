"""Spectral measures of the masks of pruned networks, which are not biregular."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

import numpy as np
from scipy import sparse

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.spectral.cover import universal_cover_bound
from rbgp_graphs.spectral.irregular import as_graph, as_pattern, two_largest, two_largest_of_matrix

Side = Literal["left", "right"]
Pattern = BipartiteGraph | TensorProduct

#: Below this mean degree on a side the papers do not define their scores.
_SMALLEST_MEAN_DEGREE = 3
#: Groups of fewer inputs are no subgraph of the iterative mean.
_SMALLEST_GROUP = 3


@dataclass(frozen=True, kw_only=True)
class MeanDifference:
    """The result of `imdb`: means over the input-regular subgraphs of a mask.

    Attributes
    ----------
    delta_r, delta_s : float
        Means of `delta_r` and `delta_s`.
    delta_r_normalized, delta_s_normalized : float
        Means of the same differences, each divided by its bound.
    num_subgraphs : int
        Number of subgraphs that count.
    mean_expansion, max_expansion : float
        Outputs reached per input, over the subgraphs.
    """

    delta_r: float
    delta_s: float
    delta_r_normalized: float
    delta_s_normalized: float
    num_subgraphs: int
    mean_expansion: float
    max_expansion: float


@dataclass(frozen=True, kw_only=True)
class MaskMeasures:
    """The result of `mask_measures`.

    Attributes
    ----------
    shape : (int, int)
        Sizes of the sides.
    num_edges : int
        Number of nonzeros.
    live : (int, int)
        Vertices of each side that have an edge.
    mean_degrees : (float, float)
        Mean degrees of the live vertices; 0 without edges.
    sigma1, sigma2 : float
        The two largest singular values, with multiplicity.
    universal_cover_bound : float
        See `universal_cover_bound`.
    delta_s, delta_r, narc : float or None
        See the functions of these names.
    imdb : MeanDifference or None
        See `imdb`.
    weighted_gap : float or None
        See `weighted_gap`; None without weights.
    """

    shape: tuple[int, int]
    num_edges: int
    live: tuple[int, int]
    mean_degrees: tuple[float, float]
    sigma1: float
    sigma2: float
    universal_cover_bound: float
    delta_s: float | None
    delta_r: float | None
    narc: float | None
    imdb: MeanDifference | None
    weighted_gap: float | None

    @property
    def density(self) -> float:
        """Share of nonzero cells."""
        return self.num_edges / math.prod(self.shape) if 0 not in self.shape else 0.0

    @property
    def ratio(self) -> float:
        """``sigma2 / sigma1``: 1 if the mask falls apart, 0 without edges."""
        return self.sigma2 / self.sigma1 if self.sigma1 else 0.0

    @property
    def cover_ratio(self) -> float:
        """``sigma2 / universal_cover_bound``: at most 1 for a Ramanujan graph; 0 without edges."""
        bound = self.universal_cover_bound
        return self.sigma2 / bound if bound else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return all numbers as a JSON-able dict."""
        fields = dataclasses.asdict(self)
        pairs = {name: list(fields[name]) for name in ("shape", "live", "mean_degrees")}
        derived = {name: getattr(self, name) for name in ("density", "ratio", "cover_ratio")}
        return {**fields, **pairs, **derived}


def delta_s(mask: Any) -> float | None:
    r"""Return :math:`\Delta_S = 2\sqrt{\sigma_1 - 1} - \sigma_2` of a mask.

    Parameters
    ----------
    mask : BipartiteGraph, TensorProduct, array_like or SciPy sparse array, shape (left, right)
        The graph, or a matrix whose nonzero entries are its edges.

    Returns
    -------
    float or None
        The difference; None if the mean degree of the live vertices is below 3 on a side.

    Raises
    ------
    ArgumentTypeError
        If the entries are not numbers.
    ArgumentError
        If the mask is not a finite matrix, or a product too large to handle.

    Notes
    -----
    The score of [1]_: the largest eigenvalue takes the place of the degree in the bound of a
    regular graph. A positive value is called Ramanujan there. This is a convention, not the
    bound of a theorem; `universal_cover_bound` is.

    References
    ----------
    .. [1] D. Hoang, S. Liu, R. Marculescu and Z. Wang, Revisiting pruning at initialization
       through the lens of Ramanujan graph, ICLR 2023.

    Examples
    --------
    >>> from rbgp_graphs import lps
    >>> round(delta_s(lps(3, 5)), 6)  # 2 sqrt(4 - 1) - 3
    0.464102
    """
    found = _layer(as_pattern(mask))
    return None if found is None else found.bound_s - found.sigma2


def delta_r(mask: Any) -> float | None:
    r"""Return :math:`\Delta_R = \sqrt{\bar d_l - 1} + \sqrt{\bar d_r - 1} - \sigma_2` of a mask.

    Parameters
    ----------
    mask : BipartiteGraph, TensorProduct, array_like or SciPy sparse array, shape (left, right)
        The graph, or a matrix whose nonzero entries are its edges.

    Returns
    -------
    float or None
        The difference, with the mean degrees of the vertices that have an edge; None if one of
        them is below 3.

    Raises
    ------
    ArgumentTypeError
        If the entries are not numbers.
    ArgumentError
        If the mask is not a finite matrix, or a product too large to handle.

    Notes
    -----
    The score of [1]_. A connected biregular graph is Ramanujan exactly if it is nonnegative. For
    other graphs mean degrees never give more than `universal_cover_bound` [2]_, and equal it
    only if the degrees do not vary, so the score asks for more than the theorems do.

    References
    ----------
    .. [1] D. Hoang, S. Liu, R. Marculescu and Z. Wang, Revisiting pruning at initialization
       through the lens of Ramanujan graph, ICLR 2023.
    .. [2] S. Hoory, A lower bound on the spectral radius of the universal cover of a graph,
       J. Combin. Theory Ser. B 93 (2005), 33-43.

    Examples
    --------
    >>> from rbgp_graphs import projective_plane
    >>> round(delta_r(projective_plane(4)), 6)  # 2 sqrt(5 - 1) - sqrt(4)
    2.0
    """
    found = _layer(as_pattern(mask))
    return None if found is None else found.bound_r - found.sigma2


def imdb(mask: Any, *, inputs: Side = "right") -> MeanDifference | None:
    """Return the iterative mean difference of bound of a mask.

    The inputs are grouped by their degree; each group and the outputs it reaches are a subgraph
    that is regular on the side of the inputs, and the scores of the subgraphs are averaged.

    Parameters
    ----------
    mask : BipartiteGraph, TensorProduct, array_like or SciPy sparse array, shape (left, right)
        The graph, or a matrix whose nonzero entries are its edges. A convolution counts as a
        matrix with all offsets of the kernel as inputs: ``mask.reshape(out, -1)``.
    inputs : {"right", "left"}
        The side of the inputs: "right" for a mask of shape (outputs, inputs).

    Returns
    -------
    MeanDifference or None
        None if no subgraph counts: each needs at least 3 inputs, and mean degrees of at least 3
        on both sides.

    Raises
    ------
    ArgumentTypeError
        If the entries are not numbers.
    ArgumentError
        If the mask is not a finite matrix, or a product too large to handle, or `inputs` is
        unknown.

    Notes
    -----
    Defined in [1]_ to relax the bound for irregular masks. Every group counts the same, however
    large it is, and with many different degrees most groups are too small to count: see
    `num_subgraphs`.

    References
    ----------
    .. [1] D. Hoang, S. Liu, R. Marculescu and Z. Wang, Revisiting pruning at initialization
       through the lens of Ramanujan graph, ICLR 2023.

    Examples
    --------
    >>> from rbgp_graphs import projective_plane
    >>> result = imdb(projective_plane(4))
    >>> round(result.delta_r, 6), result.num_subgraphs
    (2.0, 1)
    """
    pattern = as_pattern(mask)
    scores = [score for score in map(_layer, _subgraphs(pattern, inputs)) if score is not None]
    if not scores:
        return None
    expansions = [
        score.live[0] / score.live[1] if inputs == "right" else score.live[1] / score.live[0]
        for score in scores
    ]
    return MeanDifference(
        delta_r=fmean([score.bound_r - score.sigma2 for score in scores]),
        delta_s=fmean([score.bound_s - score.sigma2 for score in scores]),
        delta_r_normalized=fmean([1 - score.sigma2 / score.bound_r for score in scores]),
        delta_s_normalized=fmean([1 - score.sigma2 / score.bound_s for score in scores]),
        num_subgraphs=len(scores),
        mean_expansion=fmean(expansions),
        max_expansion=max(expansions),
    )


def narc(mask: Any, *, inputs: Side = "right") -> float | None:
    r"""Return the normalised random coefficient of a mask.

    Parameters
    ----------
    mask : BipartiteGraph, TensorProduct, array_like or SciPy sparse array, shape (left, right)
        The graph, or a matrix whose nonzero entries are its edges.
    inputs : {"right", "left"}
        The side of the inputs: "right" for a mask of shape (outputs, inputs).

    Returns
    -------
    float or None
        The coefficient; None if the mean degree of the live vertices is below 3 on a side.

    Raises
    ------
    ArgumentTypeError
        If the entries are not numbers.
    ArgumentError
        If the mask is not a finite matrix, or a product too large to handle, or `inputs` is
        unknown.

    Notes
    -----
    For :math:`n_i` inputs and :math:`n_o` outputs, of which :math:`m_i` and :math:`m_o` have an
    edge, with E edges and the mean degree :math:`\bar d_i = E/m_i`:

    .. math:: \frac{(\sigma_2^2/4 + 1)\sqrt{m_i m_o} - |2E - \bar d_i m_i m_o / n_o|}{n_i n_o}

    This is the score as the code of [1]_ computes it, which counts every edge in both
    directions; a positive value is read as "not random". The term in bars is at least E and at
    most 2E, so that the score compares sigma2 with the size of the layer more than with the
    distribution of its edges. For biregular graphs the theorem behind it is that of
    `mixing_discrepancy`.

    References
    ----------
    .. [1] D. Hoang, S. Liu, R. Marculescu and Z. Wang, Revisiting pruning at initialization
       through the lens of Ramanujan graph, ICLR 2023.

    Examples
    --------
    >>> from rbgp_graphs import lps
    >>> graph = lps(3, 5)  # 60 + 60 vertices, sigma2 = 3
    >>> round(narc(graph), 6), round(((9 / 4 + 1) * 60 - 240) / 60**2, 6)
    (-0.0125, -0.0125)
    """
    pattern = as_pattern(mask)
    _check_side(inputs)
    found = _layer(pattern)
    return None if found is None else found.narc(pattern.shape, inputs)


def weighted_gap(weights: Any, mask: Any = None) -> float:
    r"""Return the difference of the two largest singular values of the absolute weights.

    Parameters
    ----------
    weights : array_like or SciPy sparse array, shape (left, right)
        Finite real numbers. For a product also the shape (rows, row_degree) of its nonzeros,
        each row in ascending column order.
    mask : BipartiteGraph, TensorProduct, array_like or SciPy sparse array, optional
        Weights outside it count as 0. By default all weights count.

    Returns
    -------
    float
        :math:`\sigma_1(|W \circ M|) - \sigma_2(|W \circ M|)`; 0 if all weights are 0.

    Raises
    ------
    ArgumentTypeError
        If the weights are not real numbers, or the entries of the mask not numbers.
    ArgumentError
        If the shapes differ, or an entry is NaN or infinite.

    Notes
    -----
    Introduced in [1]_, which finds that the distance from initialisation of the pair of this gap
    and the Ramanujan gap goes along with accuracy. The gap grows with the scale of the weights,
    so only layers of one scale can be compared. It is 0 if two components have the same largest
    value, and positive for every connected mask.

    References
    ----------
    .. [1] D. Hoang, S. Kundu, S. Liu and Z. Wang, Don't just prune by magnitude! Your mask
       topology is a secret weapon, NeurIPS 2023.

    Examples
    --------
    >>> round(weighted_gap([[2, 5], [5, -3]], mask=[[1, 0], [0, 1]]), 9)
    1.0
    """
    pattern = None if mask is None else as_pattern(mask)
    values = _masked_weights(weights, pattern)
    if values.nnz == 0:
        return 0.0
    first, second = two_largest_of_matrix(values)
    return first - second


def mask_measures(mask: Any, weights: Any = None, *, inputs: Side = "right") -> MaskMeasures:
    """Return all measures of one mask, to be read next to those of another of equal density.

    Parameters
    ----------
    mask : BipartiteGraph, TensorProduct, array_like or SciPy sparse array, shape (left, right)
        The graph, or a matrix whose nonzero entries are its edges.
    weights : array_like or SciPy sparse array, optional
        As for `weighted_gap`.
    inputs : {"right", "left"}
        The side of the inputs: "right" for a mask of shape (outputs, inputs).

    Returns
    -------
    MaskMeasures
        The measures; those that are not defined for this mask are None. A mask without edges
        is described by zeros.

    Raises
    ------
    ArgumentTypeError
        If the entries are not numbers.
    ArgumentError
        If the mask is not a finite matrix, `weights` has another shape, or `inputs` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> pruned = mask_measures(np.random.default_rng(0).random((32, 32)) < 0.25)
    >>> round(pruned.sigma2, 2), round(pruned.universal_cover_bound, 2), pruned.delta_r > 0
    (4.47, 5.55, True)
    """
    pattern = as_pattern(mask)
    _check_side(inputs)
    found = _layer(pattern)
    live = _live(pattern)
    edges = pattern.num_edges if isinstance(pattern, BipartiteGraph) else pattern.nnz
    if found is not None:
        first, second = found.sigma1, found.sigma2
    else:
        first, second = two_largest(pattern) if edges else (0.0, 0.0)
    return MaskMeasures(
        shape=pattern.shape,
        num_edges=edges,
        live=live,
        mean_degrees=(edges / max(1, live[0]), edges / max(1, live[1])),
        sigma1=first,
        sigma2=second,
        universal_cover_bound=universal_cover_bound(pattern),
        delta_s=None if found is None else found.bound_s - second,
        delta_r=None if found is None else found.bound_r - second,
        narc=None if found is None else found.narc(pattern.shape, inputs),
        imdb=imdb(pattern, inputs=inputs),
        weighted_gap=None if weights is None else weighted_gap(weights, pattern),
    )


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """What the scores of a mask are made of."""

    live: tuple[int, int]
    num_edges: int
    sigma1: float
    sigma2: float

    @property
    def bound_s(self) -> float:
        return 2 * math.sqrt(self.sigma1 - 1)

    @property
    def bound_r(self) -> float:
        return sum(math.sqrt(self.num_edges / count - 1) for count in self.live)

    def narc(self, shape: tuple[int, int], inputs: Side) -> float:
        live_outputs, outputs = (
            (self.live[0], shape[0]) if inputs == "right" else (self.live[1], shape[1])
        )
        size = (self.sigma2**2 / 4 + 1) * math.sqrt(math.prod(self.live))
        spread = abs(2 * self.num_edges - self.num_edges * live_outputs / outputs)
        return (size - spread) / math.prod(shape)


def _layer(pattern: Pattern) -> _Layer | None:
    """Return the numbers of a mask, or None where the papers define no score."""
    live = _live(pattern)
    edges = pattern.num_edges if isinstance(pattern, BipartiteGraph) else pattern.nnz
    if edges == 0 or edges < _SMALLEST_MEAN_DEGREE * max(live):
        return None
    first, second = two_largest(pattern)
    return _Layer(live=live, num_edges=edges, sigma1=first, sigma2=second)


def _live(pattern: Pattern) -> tuple[int, int]:
    if isinstance(pattern, TensorProduct):
        return pattern.shape
    left, right = (np.count_nonzero(side) for side in (pattern.left_degrees, pattern.right_degrees))
    return int(left), int(right)


def _check_side(inputs: Any) -> None:
    if inputs not in ("left", "right"):
        raise ArgumentError(f"inputs is {inputs!r}, expected 'left' or 'right'")


def _subgraphs(pattern: Pattern, inputs: Side) -> list[Pattern]:
    """Return the subgraphs of the inputs of each degree that are enough to count."""
    _check_side(inputs)
    if isinstance(pattern, TensorProduct) or pattern.degrees is not None:
        # All inputs are in one group.
        size = pattern.shape[1 if inputs == "right" else 0]
        return [pattern] if size >= _SMALLEST_GROUP else []
    degrees = pattern.right_degrees if inputs == "right" else pattern.left_degrees
    matrix = pattern.biadjacency()
    by_input = sparse.csr_array(matrix.T) if inputs == "right" else matrix
    found: list[Pattern] = []
    for degree, count in zip(*np.unique(degrees[degrees > 0], return_counts=True), strict=True):
        if count >= _SMALLEST_GROUP:
            group = by_input[degrees == degree]
            found.append(BipartiteGraph.from_biadjacency(group.T if inputs == "right" else group))
    return found


def _masked_weights(
    weights: Any, pattern: Pattern | None
) -> sparse.csr_array[Any, tuple[int, int]]:
    is_sparse = sparse.issparse(weights)
    given: Any = weights if is_sparse else np.asarray(weights)
    if given.dtype.kind not in "iufb":
        raise ArgumentTypeError(f"weights has dtype {given.dtype}, expected real numbers")
    if given.ndim != 2:
        raise ArgumentError(f"weights has {given.ndim} dimensions, expected 2")
    entries: Any = given.data if is_sparse else given
    if not np.isfinite(entries).all():
        raise ArgumentError("weights holds NaN or infinity, expected finite numbers")
    if isinstance(pattern, TensorProduct) and not is_sparse:
        nonzeros = (pattern.rows, pattern.row_degree)
        if given.shape == nonzeros != pattern.shape:
            csr = pattern.to_csr(np.abs(given.astype(np.float64)))
            csr.eliminate_zeros()
            return csr
    values = sparse.csr_array(given, dtype=np.float64)
    values.sum_duplicates()
    values = abs(values)
    if pattern is not None:
        if values.shape != pattern.shape:
            raise ArgumentError(
                f"weights has shape {values.shape}, expected {pattern.shape} as the mask"
            )
        values = sparse.csr_array(values.multiply(as_graph(pattern).biadjacency(np.float64)))
    values.eliminate_zeros()
    return values
