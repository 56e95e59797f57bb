"""Graphs rebuilt from recipes, which may come from an untrusted file.

A recipe is a JSON-able dict with the key ``kind``. The kinds are a fixed table: nothing is
looked up by a name that the recipe brings along. Sizes are checked before anything is built.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rbgp_graphs._validation import as_int, prime_power
from rbgp_graphs.constructions.abelian_cover import abelian_cover
from rbgp_graphs.constructions.affine_plane import affine_plane
from rbgp_graphs.constructions.array_code import array_code
from rbgp_graphs.constructions.chiu import chiu
from rbgp_graphs.constructions.complete import complete
from rbgp_graphs.constructions.field_lift import field_lift
from rbgp_graphs.constructions.generalized_hexagon import generalized_hexagon
from rbgp_graphs.constructions.generalized_quadrangle import generalized_quadrangle
from rbgp_graphs.constructions.lifts import cyclic_lift, lift, two_lift
from rbgp_graphs.constructions.lps import lps
from rbgp_graphs.constructions.margulis_gabber_galil import margulis_gabber_galil
from rbgp_graphs.constructions.morgenstern import morgenstern
from rbgp_graphs.constructions.projective_group import group_order
from rbgp_graphs.constructions.projective_plane import projective_plane
from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.errors import ArgumentError, InfeasibleError
from rbgp_graphs.graph import BipartiteGraph

#: Default limits on what a recipe may build.
MAX_SIDE = 2**22
MAX_EDGES = 2**24


def from_recipe(
    recipe: Mapping[str, Any], *, max_side: int = MAX_SIDE, max_edges: int = MAX_EDGES
) -> BipartiteGraph:
    """Rebuild a graph from its recipe.

    Parameters
    ----------
    recipe : dict
        As `BipartiteGraph.recipe` returns it. It is not trusted.
    max_side : int
        Largest number of vertices on a side of any graph that is built on the way.
    max_edges : int
        Largest number of edges of any such graph. Time and memory are in proportion.

    Returns
    -------
    BipartiteGraph
        Equal to the graph whose recipe it is.

    Raises
    ------
    FormatError
        If the recipe is not one, asks for a graph beyond the limits, or is nested more than
        64 deep. The message names the place in the recipe.
    ArgumentError
        If a limit is not a positive integer.
    MissingDependencyError
        If the graph needs a finite field that is not prime and python-flint is not installed.

    Examples
    --------
    >>> from rbgp_graphs.constructions import lps
    >>> from_recipe(lps(3, 5).recipe) == lps(3, 5)
    True
    >>> from_recipe({"kind": "lps", "p": 3})
    Traceback (most recent call last):
    ...
    rbgp_graphs.errors.FormatError: recipe: q is missing
    """
    return GraphBuilder(max_side, max_edges).build(recipe, "recipe")


def rebuild(recipe: Mapping[str, Any]) -> BipartiteGraph:
    """Rebuild a graph from a recipe that this process made, so that no limits are needed."""
    return GraphBuilder(2**63, 2**63).build(recipe, "recipe")


class GraphBuilder:
    """Builds graphs from recipes within limits that all of them share.

    Parameters
    ----------
    max_side : int
        Largest number of vertices on a side of any graph that is built on the way.
    max_edges : int
        Largest number of edges of all returned graphs together, and of any graph on the way.

    Raises
    ------
    ArgumentError
        If a limit is not a positive integer.
    """

    def __init__(self, max_side: int, max_edges: int) -> None:
        self._max_side = as_int("max_side", max_side, minimum=1)
        self._max_edges = as_int("max_edges", max_edges, minimum=1)
        self._built_edges = 0

    def build(self, recipe: Any, place: str, depth: int = 0) -> BipartiteGraph:
        """Return the graph of a recipe (see `Fields` for `place` and `depth`)."""
        graph = self._build(Fields(recipe, place, depth))
        self._built_edges += graph.num_edges
        return graph

    def build_inside(self, fields: Fields, key: str) -> BipartiteGraph:
        """Return the graph of the recipe in a field of another recipe."""
        return self._build(Fields(fields[key], f"{fields.place}.{key}", fields.depth + 1))

    def _build(self, fields: Fields) -> BipartiteGraph:
        try:
            required, optional, build = _KINDS[fields.kind]
        except KeyError:
            kinds = ", ".join(sorted(_KINDS))
            raise fields.error(
                f"no graph has the kind {reprlib.repr(fields.kind)}; the kinds are {kinds}"
            ) from None
        fields.check_keys(frozenset(required), frozenset(optional))
        try:
            return build(fields, self)
        except (ArgumentError, InfeasibleError) as error:
            raise fields.error(str(error)) from error

    def check_size(self, fields: Fields, left: int, right: int, num_edges: int) -> None:
        """Raise if a graph of this size, not built yet, would go beyond the limits."""
        if max(left, right) > self._max_side:
            raise fields.error(
                f"a graph of {left} x {right} vertices goes beyond max_side={self._max_side}"
            )
        if self._built_edges + num_edges > self._max_edges:
            before = f" after {self._built_edges} before it" if self._built_edges else ""
            raise fields.error(
                f"a graph with {num_edges} edges{before} goes beyond max_edges={self._max_edges}"
            )

    def check_lift(self, fields: Fields, base: BipartiteGraph, k: int) -> None:
        """Raise if the lift of `base` to `k` copies would go beyond the limits."""
        # The copies count by themselves, because a base may have no vertices.
        self.check_size(fields, k * base.left, max(k, k * base.right), k * base.num_edges)


def _complete(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    left, right = fields.integer("left", 1), fields.integer("right", 1)
    builder.check_size(fields, left, right, left * right)
    return complete(left, right)


def _lps(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    p, q = fields.integer("p", 3), fields.integer("q", 3)
    if "allow_small" in fields and fields["allow_small"] is not True:
        raise fields.error("expected true, or no such field", "allow_small")
    small = q * q <= 4 * p
    if small != ("allow_small" in fields):
        raise fields.error(f"expected {'true' if small else 'no such field'}", "allow_small")
    size = q * (q * q - 1) // 2
    if p >= size:
        raise fields.error(f"degree {p + 1} is too large for {size} vertices a side", "p")
    builder.check_size(fields, size, size, (p + 1) * size)
    return lps(p, q, allow_small=small)


def _field_lift(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    q, b = fields.integer("q", 2), fields.integer("b", 1)
    m, j = fields.integer("m", 1), fields.integer("j", 1, 1024)
    builder.check_size(fields, q, b, q * b)
    power = prime_power(q)
    if power is None:
        raise fields.error(f"expected a prime power, not {q}", "q")
    size = power[0] ** j
    builder.check_size(fields, q * size, b * size, q * b * size)
    return field_lift(q, b, m, j)


def _projective_plane(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    q = fields.integer("q", 2)
    size = q * q + q + 1
    builder.check_size(fields, size, size, (q + 1) * size)
    return projective_plane(q)


def _affine_plane(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    q = fields.integer("q", 2)
    builder.check_size(fields, q * q, q * q + q, (q + 1) * q * q)
    return affine_plane(q)


def _generalized_quadrangle(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    s, t = fields.integer("s", 2), fields.integer("t", 2)
    size = s * t + 1
    builder.check_size(fields, (s + 1) * size, (t + 1) * size, (s + 1) * (t + 1) * size)
    return generalized_quadrangle(s, t)


def _generalized_hexagon(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    q = fields.integer("q", 2)
    size = (q**6 - 1) // (q - 1)
    builder.check_size(fields, size, size, (q + 1) * size)
    return generalized_hexagon(q)


def _chiu(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    q = fields.integer("q", 3)
    size = q * (q * q - 1) // 2
    builder.check_size(fields, size, size, 3 * size)
    return chiu(q)


def _morgenstern(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    q, d = fields.integer("q", 2), fields.integer("d", 2, 64)
    size = group_order(q**d)
    builder.check_size(fields, size, size, (q + 1) * size)
    return morgenstern(q, d)


def _margulis_gabber_galil(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    n = fields.integer("n", 3)
    # 4 n of the 5 n^2 edges are parallel to others and merged.
    builder.check_size(fields, n * n, n * n, 5 * n * n - 4 * n)
    return margulis_gabber_galil(n)


def _array_code(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    q, l = fields.integer("q", 2), fields.integer("l", 2)  # noqa: E741 - the name in the paper
    builder.check_size(fields, q * q, l * q, l * q * q)
    return array_code(q, l)


def _abelian_cover(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    a, b = fields.integer("left", 1), fields.integer("right", 1)
    orders, size = fields.integers("orders", 2), 1
    for order in orders:
        size *= order
        builder.check_size(fields, a * size, b * size, 0)
    packed = fields.packed_bits("blocks", a * b * size)
    count = int(np.bitwise_count(packed).sum(dtype=np.int64))
    builder.check_size(fields, a * size, b * size, count * size)
    bits = np.unpackbits(packed, count=a * b * size).reshape(a, b, size)
    return abelian_cover(orders, bits)


def _two_lift(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    base = builder.build_inside(fields, "base")
    builder.check_lift(fields, base, 2)
    return two_lift(base, 1 - 2 * fields.bits("signs", base.num_edges).astype(np.int8))


def _cyclic_lift(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    base = builder.build_inside(fields, "base")
    k = fields.integer("k", 1)
    builder.check_lift(fields, base, k)
    return cyclic_lift(base, k, fields.words("shifts", base.num_edges))


def _lift(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    base = builder.build_inside(fields, "base")
    k = fields.integer("k", 1)
    builder.check_lift(fields, base, k)
    words = fields.words("permutations", k * base.num_edges)
    return lift(base, words.reshape(base.num_edges, k))


def _bitmask(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    left, right = fields.integer("left", 0), fields.integer("right", 0)
    builder.check_size(fields, left, right, 0)
    packed = fields.packed_bits("bits", left * right)
    builder.check_size(fields, left, right, int(np.bitwise_count(packed).sum(dtype=np.int64)))
    # Only the bytes that hold an edge are unpacked: memory follows the edges, not the cells.
    places = np.flatnonzero(packed)
    which, bit = np.nonzero(np.unpackbits(packed[places]).reshape(-1, 8))
    cells = 8 * places[which] + bit
    u, v = np.divmod(cells, max(1, right))
    degrees = np.bincount(u, minlength=left)
    return BipartiteGraph(left, right, np.concatenate(([0], np.cumsum(degrees))), v)


def _edges(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    left, right = fields.integer("left", 0), fields.integer("right", 0)
    builder.check_size(fields, left, right, 0)
    degrees = fields.words("left_degrees", left)
    count = int(degrees.sum())
    builder.check_size(fields, left, right, count)
    neighbors = fields.words("neighbors", count)
    if neighbors.size and neighbors.max() >= right:
        raise fields.error(f"expected vertices below {right}", "neighbors")
    indptr = np.concatenate(([0], np.cumsum(degrees)))
    ascends = np.diff(neighbors) > 0
    starts = indptr[1:-1]
    # Where one row ends and the next begins, the order is free.
    ascends[starts[(starts > 0) & (starts < count)] - 1] = True
    if not ascends.all():
        raise fields.error("the neighbours of a vertex are not strictly ascending", "neighbors")
    return BipartiteGraph(left, right, indptr, neighbors)


def _transpose(fields: Fields, builder: GraphBuilder) -> BipartiteGraph:
    graph = builder.build_inside(fields, "of")
    kind = fields["of"]["kind"]
    if kind in ("bitmask", "complete", "edges", "transpose"):
        raise fields.error(f"expected the recipe that the transpose of a {kind} has itself")
    return graph.T


_Build = Callable[[Fields, GraphBuilder], BipartiteGraph]
#: Required fields, optional fields and builder of each kind.
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], _Build]] = {
    "abelian_cover": (("left", "right", "orders", "blocks"), (), _abelian_cover),
    "affine_plane": (("q",), (), _affine_plane),
    "array_code": (("q", "l"), (), _array_code),
    "bitmask": (("left", "right", "bits"), (), _bitmask),
    "chiu": (("q",), (), _chiu),
    "complete": (("left", "right"), (), _complete),
    "cyclic_lift": (("base", "k", "shifts"), (), _cyclic_lift),
    "edges": (("left", "right", "left_degrees", "neighbors"), (), _edges),
    "field_lift": (("q", "b", "m", "j"), (), _field_lift),
    "generalized_hexagon": (("q",), (), _generalized_hexagon),
    "generalized_quadrangle": (("s", "t"), (), _generalized_quadrangle),
    "lift": (("base", "k", "permutations"), (), _lift),
    "lps": (("p", "q"), ("allow_small",), _lps),
    "margulis_gabber_galil": (("n",), (), _margulis_gabber_galil),
    "morgenstern": (("q", "d"), (), _morgenstern),
    "projective_plane": (("q",), (), _projective_plane),
    "transpose": (("of",), (), _transpose),
    "two_lift": (("base", "signs"), (), _two_lift),
}
