"""Patterns rebuilt from recipes, which may come from an untrusted file."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any, cast

from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.constructions.recipes import MAX_EDGES, MAX_SIDE, GraphBuilder
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products.rbgp4 import RBGP4, ShiftSide
from rbgp_graphs.products.tensor import TensorProduct

#: Factors of a tensor product in a recipe.
MAX_FACTORS = 64


def pattern_from_recipe(
    recipe: Mapping[str, Any], *, max_side: int = MAX_SIDE, max_edges: int = MAX_EDGES
) -> TensorProduct:
    """Rebuild a pattern from its recipe.

    Parameters
    ----------
    recipe : dict
        As `TensorProduct.recipe` and `RBGP4.recipe` return it. It is not trusted.
    max_side : int
        Largest number of vertices on a side of any factor.
    max_edges : int
        Largest number of edges of all factors together. Time and memory are in proportion.

    Returns
    -------
    TensorProduct or RBGP4
        Equal to the pattern whose recipe it is.

    Raises
    ------
    FormatError
        If the recipe is not one, or goes beyond the limits (see
        `rbgp_graphs.constructions.from_recipe`).
    ArgumentError
        If a limit is not a positive integer.
    MissingDependencyError
        If a factor needs a finite field that is not prime and python-flint is not installed.

    Examples
    --------
    >>> from rbgp_graphs.constructions import array_code
    >>> pattern = RBGP4(array_code(5, 3), (2, 1), array_code(3, 2), (1, 1))
    >>> pattern_from_recipe(pattern.recipe) == pattern
    True
    """
    builder = GraphBuilder(max_side, max_edges)
    fields = Fields(recipe, "recipe")
    try:
        keys, optional, build = _KINDS[fields.kind]
    except KeyError:
        raise fields.error(
            f"no pattern has the kind {reprlib.repr(fields.kind)}; "
            f"the kinds are {', '.join(sorted(_KINDS))}"
        ) from None
    fields.check_keys(frozenset(keys), frozenset(optional))
    try:
        return build(fields, builder)
    except ArgumentError as error:
        raise fields.error(str(error)) from error


def _tensor_product(fields: Fields, builder: GraphBuilder) -> TensorProduct:
    recipes = fields.list("factors")
    if not 1 <= len(recipes) <= MAX_FACTORS:
        raise fields.error(f"expected 1 to {MAX_FACTORS} factors, not {len(recipes)}", "factors")
    places = [f"{fields.place}.factors[{position}]" for position in range(len(recipes))]
    pairs = zip(recipes, places, strict=True)
    return TensorProduct(*(builder.build(inner, place, 1) for inner, place in pairs))


def _rbgp4(fields: Fields, builder: GraphBuilder) -> RBGP4:
    outer, inner = (
        builder.build(fields[key], f"{fields.place}.{key}", 1) for key in ("outer", "inner")
    )
    repeat, block = (_complete(fields, key, builder) for key in ("repeat", "block"))
    if "shifts" not in fields and "shift_side" not in fields:
        return RBGP4(outer, repeat, inner, block)
    side = fields.text("shift_side")
    if side not in ("left", "right"):
        raise fields.error(f"expected left or right, not {reprlib.repr(side)}", "shift_side")
    shifts = fields.words("shifts", outer.num_edges)
    if not shifts.any():
        raise fields.error("all shifts are zero, expected no such field", "shifts")
    return RBGP4(outer, repeat, inner, block, shifts, cast("ShiftSide", side))


def _complete(fields: Fields, key: str, builder: GraphBuilder) -> BipartiteGraph:
    left, right = fields.pair(key, 1)
    recipe = {"kind": "complete", "left": left, "right": right}
    return builder.build(recipe, f"{fields.place}.{key}", 1)


_Build = Callable[[Fields, GraphBuilder], TensorProduct]
#: Required fields, optional fields and builder of each kind.
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], _Build]] = {
    "rbgp4": (("outer", "repeat", "inner", "block"), ("shifts", "shift_side"), _rbgp4),
    "tensor_product": (("factors",), (), _tensor_product),
}
