"""The question whether a mask is an RBGP4 pattern, and of which factors."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.export.kronecker import Factorizations, cost
from rbgp_graphs.export.matrices import pattern_of
from rbgp_graphs.export.nearest import nearest_pattern
from rbgp_graphs.export.read import read_mask
from rbgp_graphs.export.shifted_tiles import twisted_factorization
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4


@dataclass(frozen=True, kw_only=True, eq=False)
class Detection:
    """What was found out about a mask.

    Attributes
    ----------
    graph : BipartiteGraph
        The mask.
    pattern : RBGP4 or None
        The pattern that equals the mask with the smallest index, if it needs fewer index entries
        than the mask has nonzeros. It may be twisted.
    block_shape : (int, int)
        The largest dense element block.
    nearest : RBGP4 or None
        `pattern`, or a pattern near the mask.
    distance : int or None
        Number of entries in which `nearest` and the mask differ.
    """

    graph: BipartiteGraph
    pattern: RBGP4 | None
    block_shape: tuple[int, int]
    nearest: RBGP4 | None
    distance: int | None

    @functools.cached_property
    def factorizations(self) -> tuple[RBGP4, ...]:
        """All ways to write the mask without shifts, one for each tile shape.

        The smallest index comes first. A biregular mask always has the two in which one factor
        is the whole mask. They are made when they are first asked for.
        """
        return tuple(Factorizations(self.graph).all())

    @property
    def density(self) -> float:
        """Share of the cells that are nonzero; 0 for a mask without cells."""
        return self.graph.num_edges / max(1, self.graph.left * self.graph.right)

    @property
    def row_group(self) -> int:
        """Rows that share one column list, in the pattern or else in the dense block."""
        return self.block_shape[0] if self.pattern is None else self.pattern.row_group


def detect(
    mask: Any, *, twisted: bool = True, nearest: bool = True, max_edges: int = 1 << 24
) -> Detection:
    """Find the RBGP4 pattern that a mask is, or one that is near.

    Parameters
    ----------
    mask : BipartiteGraph, TensorProduct, array_like, tensor, sparse matrix, layer or path
        The mask, or weights whose nonzeros are the mask; whatever `read_mask` takes.
    twisted : bool
        Whether to look for patterns with shifted tiles too.
    nearest : bool
        Whether to look for a pattern near a mask that is none.
    max_edges : int
        Refuse larger masks. A million edges take about a second at 4096 x 4096, and up to half a
        minute in a mask with a million rows.

    Returns
    -------
    Detection
        The pattern and what else was found. It is exact: the pattern has the nonzeros of the mask
        and no others.

    Raises
    ------
    ArgumentTypeError, ArgumentError, FormatError
        As `read_mask`, and if the mask has more than `max_edges` edges.

    Notes
    -----
    The factors of a mask are not unique: factors can be products themselves, and complete factors
    may belong to the repetition, the block or the others. The result has the largest block, and
    then the smallest index.

    Examples
    --------
    >>> from rbgp_graphs import array_code
    >>> pattern = RBGP4(array_code(5, 3), (4, 1), array_code(3, 2), (2, 2))
    >>> detect(pattern.mask()).pattern == pattern
    True
    >>> damaged = pattern.mask()
    >>> damaged[0, :3] ^= True
    >>> found = detect(damaged)
    >>> found.pattern is None, found.nearest == pattern, found.distance
    (True, True, 3)
    """
    limit = as_int("max_edges", max_edges, minimum=0)
    pattern = pattern_of(mask)
    _check_edges(0 if pattern is None else pattern.nnz, limit)
    graph = read_mask(mask)
    _check_edges(graph.num_edges, limit)
    plain = Factorizations(graph)
    best = plain.smallest()
    if twisted and best is not None:
        shifted = twisted_factorization(graph, best.index_bytes)
        best = best if shifted is None else min(best, shifted, key=cost)
    if best is not None and best.index_bytes >= 4 * graph.num_edges:
        best = None
    near: tuple[RBGP4, int] | None = None if best is None else (best, 0)
    if near is None and nearest:
        near = nearest_pattern(graph)
    return Detection(
        graph=graph,
        pattern=best,
        block_shape=plain.block,
        nearest=None if near is None else near[0],
        distance=None if near is None else near[1],
    )


def _check_edges(count: int, limit: int) -> None:
    if count > limit:
        raise ArgumentError(
            f"the mask has {count} edges, more than max_edges={limit}; pass a larger one"
        )
