"""Recipes in JSON: how to build a graph or a pattern, in a text that people can read."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from rbgp_graphs.constructions import from_recipe
from rbgp_graphs.encoding import canonical
from rbgp_graphs.errors import FormatError
from rbgp_graphs.export.entries import Exportable
from rbgp_graphs.export.npz import read_bytes
from rbgp_graphs.products.recipes import pattern_from_recipe

_PATTERN_KINDS = ("rbgp4", "tensor_product")


def encode_recipe(obj: Exportable) -> bytes:
    """Return the recipe of a graph or a pattern, with its digest, as JSON.

    Parameters
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to write.

    Returns
    -------
    bytes
        An object with the keys ``digest`` and ``recipe``, indented and sorted.
    """
    document = {"digest": obj.digest, "recipe": obj.recipe}
    return (json.dumps(document, sort_keys=True, indent=2) + "\n").encode("ascii")


def read_recipe(file: BinaryIO, limit: int) -> Exportable:
    """Return the graph or the pattern that a recipe builds.

    Parameters
    ----------
    file : binary file
        A recipe as ``.recipe`` of a graph or a pattern is, or an object with one under the
        key ``recipe``.
    limit : int
        Largest size of the text; the graphs that are built keep to the limits of
        `rbgp_graphs.constructions.from_recipe`.

    Returns
    -------
    BipartiteGraph, TensorProduct or RBGP4
        Equal to what was written.

    Raises
    ------
    FormatError
        If the text is not a recipe, or the digest beside it is that of something else.
    """
    data = read_bytes(file, limit)
    document: Any = canonical.read(str(data, "utf-8"), "recipe")
    if not isinstance(document, dict):
        raise FormatError("the text is not a JSON object, expected a recipe")
    recipe = document.get("recipe", document)
    is_pattern = isinstance(recipe, dict) and recipe.get("kind") in _PATTERN_KINDS
    obj = pattern_from_recipe(recipe) if is_pattern else from_recipe(recipe)
    claimed = document.get("digest", obj.digest)
    if "recipe" in document and claimed != obj.digest:
        raise FormatError("the digest is not that of the graph or pattern that the recipe builds")
    return obj
