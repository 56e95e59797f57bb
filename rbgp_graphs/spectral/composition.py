"""Spectra of graphs from how they were built: lifts level by level, families by theorem."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.constructions.field_lift import voltage_digits
from rbgp_graphs.constructions.finite_field import finite_field
from rbgp_graphs.constructions.recipes import rebuild
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral.numeric import (
    Estimate,
    from_square,
    largest,
    largest_singular_value,
    second_singular_value_directly,
)

#: Characters of a field lift that are counted at a time.
_CHARACTERS = 1 << 14


def second_singular_value_of_graph(graph: BipartiteGraph) -> Estimate:
    """Return the second singular value of a connected biregular graph, by its recipe if it helps.

    The recipe of a graph is set by the construction that made it, so it is trusted here.
    """
    recipe = graph.recipe
    rule = _RULES.get(recipe["kind"])
    return second_singular_value_directly(graph) if rule is None else rule(recipe)


def lift_blocks(recipe: Any) -> Iterator[tuple[Any, int]]:
    """Yield the matrices whose singular values a 2-lift or cyclic lift adds to its base.

    Each is a sparse array of the shape of the base, with how often its singular values count:
    twice for a complex one, which stands for its conjugate too.
    """
    base = rebuild(recipe["base"])
    for weights, count in _lift_weights(recipe, base.num_edges):
        block: Any = base.biadjacency(weights.dtype)
        block.data[:] = weights
        yield block, count


def _lift_weights(recipe: Any, num_edges: int) -> Iterator[tuple[NDArray[Any], int]]:
    """Yield the edge weights of each new block with its multiplicity."""
    if recipe["kind"] == "two_lift":
        bits = np.unpackbits(_bytes(recipe["signs"]), count=num_edges)
        yield 1.0 - 2.0 * bits, 1
        return
    k = recipe["k"]
    shifts = _bytes(recipe["shifts"]).view("<u4").astype(np.int64)
    for c in range(1, k // 2 + 1):
        if 2 * c == k:
            yield 1.0 - 2.0 * (shifts % 2), 1
        else:
            yield np.exp(2j * np.pi * (c * shifts % k) / k), 2


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(text), dtype=np.uint8)


def field_lift_fibres(q: int, b: int, m: int, j: int) -> tuple[dict[int, int], bool]:
    """Count the fibres of a field lift over all characters.

    Parameters
    ----------
    q, b, m, j : int
        As in `rbgp_graphs.field_lift`.

    Returns
    -------
    counts : dict
        From fibre size to the number of fibres of that size, without the trivial character.
    connected : bool
        Whether no other character has a single fibre.

    Notes
    -----
    For the character with digits c, elements y and y' are in one fibre if
    ``x -> c . phi(x F(y))`` and the same with y' are equal maps of F_q to F_p; they are linear,
    so their values on a basis decide.
    """
    field = finite_field("q", q)
    p, k = field.characteristic, field.degree
    basis = p ** np.arange(k)
    digits = voltage_digits(field, basis, b, m, j)
    counts = np.zeros(b + 1, dtype=np.int64)
    for start in range(1, p**j, _CHARACTERS):
        number = np.arange(start, min(start + _CHARACTERS, p**j))
        character = number[:, None] // p ** np.arange(j) % p
        values = np.tensordot(character, digits, axes=(1, 2)) % p
        maps = np.sort(np.tensordot(values, basis, axes=(1, 0)), axis=1)
        ends = np.ones_like(maps, dtype=bool)
        ends[:, :-1] = maps[:, 1:] != maps[:, :-1]
        # The first end of a row measures from the row's start, the others from the end before.
        places = np.flatnonzero(ends)
        sizes = np.diff(places, prepend=-1)
        counts += np.bincount(sizes, minlength=b + 1)
    sizes_found = {size: int(count) for size, count in enumerate(counts) if size and count}
    return sizes_found, b not in sizes_found


def _complete(_recipe: Any) -> Estimate:
    return from_square(0, "complete graph")


def _plane(recipe: Any) -> Estimate:
    return from_square(recipe["q"], "theorem of the family")


def _generalized_quadrangle(recipe: Any) -> Estimate:
    return from_square(recipe["s"] + recipe["t"], "theorem of the family")


def _generalized_hexagon(recipe: Any) -> Estimate:
    return from_square(3 * recipe["q"], "theorem of the family")


def _lift(recipe: Any) -> Estimate:
    old = second_singular_value_of_graph(rebuild(recipe["base"]))
    new = [largest_singular_value(block) for block, _ in lift_blocks(recipe)]
    return replace(largest([old, *new]), method="lift level by level")


def _field_lift(recipe: Any) -> Estimate:
    q, b, m, j = (recipe[key] for key in ("q", "b", "m", "j"))
    fibres, _ = field_lift_fibres(q, b, m, j)
    return from_square(q * max(fibres), "fibres of the field lift")


def _array_code(recipe: Any) -> Estimate:
    q, length = recipe["q"], recipe["l"]
    return from_square(-(-length // q) * q, "theorem of the family")


def _transpose(recipe: Any) -> Estimate:
    inner = recipe["of"]
    rule = _RULES.get(inner["kind"])
    return second_singular_value_directly(rebuild(inner)) if rule is None else rule(inner)


_RULES: dict[str, Callable[[Any], Estimate]] = {
    "complete": _complete,
    "projective_plane": _plane,
    "affine_plane": _plane,
    "generalized_quadrangle": _generalized_quadrangle,
    "generalized_hexagon": _generalized_hexagon,
    "array_code": _array_code,
    "field_lift": _field_lift,
    "two_lift": _lift,
    "cyclic_lift": _lift,
    "transpose": _transpose,
}
