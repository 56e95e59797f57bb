"""Graphs and patterns are rebuilt from their recipes, and from nothing else."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import rbgp_graphs as rg
from rbgp_graphs.constructions import recipes
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import FormatError
from rbgp_graphs.products.recipes import pattern_from_recipe
from rbgp_graphs.testing.strategies import bipartite_graphs, biregular_graphs, lifts, patterns

ANY_GRAPH = st.one_of(bipartite_graphs(), biregular_graphs(), lifts())


def b64(data: Any, dtype: str = "<u4") -> str:
    return base64.b64encode(np.array(data, dtype=dtype).tobytes()).decode()


COMPLETE: dict[str, Any] = {"kind": "complete", "left": 2, "right": 3}
BITMASK: dict[str, Any] = {
    "kind": "bitmask",
    "left": 2,
    "right": 3,
    "bits": b64([0b10110100], "u1"),
}
EDGES: dict[str, Any] = {
    "kind": "edges",
    "left": 3,
    "right": 5,
    "left_degrees": b64([2, 0, 1]),
    "neighbors": b64([1, 4, 0]),
}
TWO_LIFT: dict[str, Any] = {"kind": "two_lift", "base": COMPLETE, "signs": b64([0b01001000], "u1")}
CYCLIC: dict[str, Any] = {
    "kind": "cyclic_lift",
    "base": COMPLETE,
    "k": 3,
    "shifts": b64([0, 1, 2, 0, 1, 2]),
}
LIFT: dict[str, Any] = {
    "kind": "lift",
    "base": COMPLETE,
    "k": 2,
    "permutations": b64([[0, 1], [1, 0]] * 3),
}
LPS: dict[str, Any] = {"kind": "lps", "p": 3, "q": 5}
FIELD: dict[str, Any] = {"kind": "field_lift", "q": 4, "b": 3, "m": 1, "j": 2}
ARRAY: dict[str, Any] = {"kind": "array_code", "q": 3, "l": 2}
PLANE: dict[str, Any] = {"kind": "projective_plane", "q": 2}
AFFINE: dict[str, Any] = {"kind": "affine_plane", "q": 4}
QUADRANGLE: dict[str, Any] = {"kind": "generalized_quadrangle", "s": 2, "t": 4}
HEXAGON: dict[str, Any] = {"kind": "generalized_hexagon", "q": 2}
CHIU: dict[str, Any] = {"kind": "chiu", "q": 3}
MORGENSTERN: dict[str, Any] = {"kind": "morgenstern", "q": 3, "d": 2}
MARGULIS: dict[str, Any] = {"kind": "margulis_gabber_galil", "n": 6}
TRANSPOSE: dict[str, Any] = {"kind": "transpose", "of": TWO_LIFT}
ABELIAN: dict[str, Any] = {
    "kind": "abelian_cover",
    "left": 1,
    "right": 2,
    "orders": [2, 3],
    "blocks": b64([0b10110100, 0b11010000], "u1"),
}
GRAPHS = [
    ABELIAN, COMPLETE, BITMASK, EDGES, TWO_LIFT, CYCLIC, LIFT, LPS, FIELD, ARRAY, PLANE, TRANSPOSE,
    AFFINE, QUADRANGLE, HEXAGON, CHIU, MORGENSTERN, MARGULIS,
]  # fmt: skip
RBGP4: dict[str, Any] = {
    "kind": "rbgp4",
    "outer": COMPLETE,
    "repeat": [2, 1],
    "inner": ARRAY,
    "block": [1, 2],
}
TWISTED = {**RBGP4, "shifts": b64([0, 5, 1, 2, 3, 4]), "shift_side": "right"}
PRODUCT: dict[str, Any] = {"kind": "tensor_product", "factors": [PLANE, TWO_LIFT]}
PATTERNS = [RBGP4, TWISTED, PRODUCT]


def test_the_table_holds_the_kinds_that_are_tested() -> None:
    assert {recipe["kind"] for recipe in GRAPHS} == set(recipes._KINDS)


@given(ANY_GRAPH)
def test_a_recipe_rebuilds_its_graph(graph: rg.BipartiteGraph) -> None:
    rebuilt = from_recipe(graph.recipe)
    assert rebuilt == graph
    assert rebuilt.recipe == graph.recipe
    assert from_recipe(graph.T.recipe) == graph.T


@given(patterns())
def test_a_recipe_rebuilds_its_pattern(pattern: rg.TensorProduct) -> None:
    rebuilt = pattern_from_recipe(pattern.recipe)
    assert rebuilt == pattern
    assert type(rebuilt) is type(pattern)
    assert rebuilt.recipe == pattern.recipe
    assert pattern_from_recipe(pattern.T.recipe) == pattern.T


def test_written_out_graphs_mean_what_the_specification_says() -> None:
    assert_array_equal(from_recipe(BITMASK).biadjacency().toarray(), [[1, 0, 1], [1, 0, 1]])
    assert from_recipe(EDGES).edges.tolist() == [[0, 1], [0, 4], [2, 0]]
    crossed = from_recipe(TWO_LIFT)
    assert_array_equal(crossed.neighbors(0), [0, 2, 4])
    assert_array_equal(crossed.neighbors(1), [0, 2, 4])
    assert_array_equal(crossed.neighbors(2), [1, 3, 5])
    assert_array_equal(from_recipe(CYCLIC).neighbors(2), [2, 3, 7])
    assert_array_equal(from_recipe(LIFT).neighbors(0), [0, 2, 4])
    assert_array_equal(from_recipe(LIFT).neighbors(1), [1, 3, 5])


@pytest.mark.parametrize("recipe", GRAPHS, ids=lambda recipe: recipe["kind"])
def test_each_field_of_a_graph_is_needed_known_and_typed(recipe: dict[str, Any]) -> None:
    from_recipe(recipe)
    for key in recipe:
        lacking = {name: value for name, value in recipe.items() if name != key}
        with pytest.raises(FormatError, match=f"recipe: {key} is missing"):
            from_recipe(lacking)
        wrong: Any
        for wrong in (None, True, 1.5, "?", [], {}, -1, 2**60, b"", np.int64(2)):
            with pytest.raises(FormatError, match="recipe"):
                from_recipe({**recipe, key: wrong})
    for name in ("extra", "Kind", 3):
        with pytest.raises(FormatError, match=f"recipe: a {recipe['kind']} has no field"):
            from_recipe({**recipe, name: 1})  # type: ignore[dict-item]


@pytest.mark.parametrize("recipe", PATTERNS, ids=["rbgp4", "twisted", "tensor_product"])
def test_each_field_of_a_pattern_is_needed_known_and_typed(recipe: dict[str, Any]) -> None:
    pattern_from_recipe(recipe)
    for key in recipe:
        lacking = {name: value for name, value in recipe.items() if name != key}
        with pytest.raises(FormatError, match=f"recipe: {key} is missing"):
            pattern_from_recipe(lacking)
        wrong: Any
        for wrong in (None, True, 1.5, "?", [], {}, -1, [1], [1, 0], [1, 2, 3], ["1", 2]):
            with pytest.raises(FormatError, match="recipe"):
                pattern_from_recipe({**recipe, key: wrong})
    with pytest.raises(FormatError, match=f"recipe: a {recipe['kind']} has no field 'extra'"):
        pattern_from_recipe({**recipe, "extra": 1})


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({**COMPLETE, "kind": "os.system"}, "recipe: no graph has the kind 'os.system'; the kinds"),
        ({**COMPLETE, "kind": "__class__"}, "no graph has the kind"),
        ({**COMPLETE, "kind": ["complete"]}, r"recipe\.kind: expected a string"),
        ({**BITMASK, "bits": b64([0b10110110], "u1")}, r"recipe\.bits: the bits after the first 6"),
        ({**BITMASK, "bits": "tB=="}, r"recipe\.bits: not the canonical base64 form of 1 bytes"),
        ({**BITMASK, "bits": "t-=="}, r"recipe\.bits: not base64"),
        ({**BITMASK, "bits": "tA=\n"}, r"recipe\.bits: not"),
        ({**BITMASK, "bits": "tA"}, r"recipe\.bits: expected 4 base64 characters \(1 bytes\)"),
        ({**BITMASK, "bits": "tAAA"}, r"recipe\.bits: not the canonical base64 form of 1 bytes"),
        ({**BITMASK, "bits": "t\u00e9=="}, r"recipe\.bits: not base64"),
        ({**EDGES, "neighbors": b64([4, 1, 0])}, r"recipe\.neighbors: .*not strictly ascending"),
        ({**EDGES, "neighbors": b64([1, 1, 0])}, r"recipe\.neighbors: .*not strictly ascending"),
        ({**EDGES, "neighbors": b64([1, 5, 0])}, r"recipe\.neighbors: expected vertices below 5"),
        ({**EDGES, "neighbors": b64([1, 4])}, r"recipe\.neighbors: expected 16 base64"),
        ({**TWO_LIFT, "signs": b64([0b01001010], "u1")}, r"recipe\.signs: the bits after the"),
        ({**TWO_LIFT, "base": None}, r"recipe\.base: expected an object"),
        ({**TWO_LIFT, "base": {**BITMASK, "left": 0}}, r"recipe\.base\.bits: expected 0 base64"),
        ({**CYCLIC, "shifts": b64([0, 1, 3, 0, 1, 2])}, "recipe: shifts range from 0 to 3"),
        ({**LIFT, "permutations": b64([[0, 0]] * 6)}, r"recipe: permutations\[0\] is \[0, 0\]"),
        ({**LPS, "q": 9}, "recipe: q is 9, expected an odd prime"),
        ({**LPS, "p": 5}, "recipe: p and q are both 5"),
        ({**LPS, "p": 7}, r"recipe\.allow_small: expected true"),
        ({**LPS, "allow_small": True}, r"recipe\.allow_small: expected no such field"),
        ({**LPS, "p": 7, "allow_small": 1}, r"recipe\.allow_small: expected true"),
        ({**LPS, "p": 13, "q": 3, "allow_small": True}, r"recipe\.p: degree 14 is too large"),
        ({**LPS, "p": 11, "q": 3, "allow_small": True}, "recipe"),
        ({**FIELD, "q": 6}, r"recipe\.q: expected a prime power, not 6"),
        ({**FIELD, "b": 5}, "recipe: b is 5"),
        ({**FIELD, "j": 3}, "recipe: j is 3"),
        ({**ARRAY, "q": 4}, "recipe: q is 4, expected a prime"),
        ({**PLANE, "q": 6}, "recipe: q is 6, expected a prime power"),
        ({"kind": "transpose", "of": COMPLETE}, "the transpose of a complete has itself"),
        ({"kind": "transpose", "of": TRANSPOSE}, "the transpose of a transpose has itself"),
        ({"kind": "transpose", "of": BITMASK}, "the transpose of a bitmask has itself"),
        ({"kind": "transpose", "of": PRODUCT}, r"recipe\.of: no graph has the kind"),
    ],
)
def test_a_wrong_graph_recipe_is_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        from_recipe(recipe)


IRREGULAR = {**BITMASK, "bits": b64([0b11110000], "u1")}
NO_EDGES = {**BITMASK, "bits": b64([0], "u1")}


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (COMPLETE, "recipe: no pattern has the kind 'complete'; the kinds are rbgp4, tensor"),
        ({**RBGP4, "outer": PRODUCT}, r"recipe\.outer: no graph has the kind 'tensor_product'"),
        ({**RBGP4, "inner": IRREGULAR}, "recipe: .*is not biregular"),
        ({**RBGP4, "inner": NO_EDGES}, "recipe: .*has no edges"),
        ({**RBGP4, "repeat": [2.0, 1]}, r"recipe\.repeat: expected an integer"),
        ({**RBGP4, "block": [0, 1]}, r"recipe\.block: expected an integer from 1"),
        ({**TWISTED, "shifts": b64([0] * 6)}, r"recipe\.shifts: all shifts are zero"),
        ({**TWISTED, "shifts": b64([0, 6, 1, 2, 3, 4])}, "recipe: shifts range from 0 to 6"),
        ({**TWISTED, "shifts": b64([1, 2, 3])}, r"recipe\.shifts: expected 32 base64"),
        ({**TWISTED, "shift_side": "up"}, r"recipe\.shift_side: expected left or right"),
        ({**PRODUCT, "factors": []}, r"recipe\.factors: expected 1 to 64 factors, not 0"),
        ({**PRODUCT, "factors": [COMPLETE] * 65}, "expected 1 to 64 factors, not 65"),
        ({**PRODUCT, "factors": [COMPLETE] * 40}, "at most 2147483648 a side"),
        ({**PRODUCT, "factors": [PLANE, 3]}, r"recipe\.factors\[1\]: expected an object, not 3"),
        ({**PRODUCT, "factors": [PLANE, {**PLANE, "q": 0}]}, r"recipe\.factors\[1\]\.q: expected"),
    ],
)
def test_a_wrong_pattern_recipe_is_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        pattern_from_recipe(recipe)


def test_recipes_nest_sixty_four_deep_and_no_deeper() -> None:
    recipe: dict[str, Any] = {"kind": "complete", "left": 1, "right": 1}
    for _ in range(63):
        recipe = {"kind": "cyclic_lift", "base": recipe, "k": 1, "shifts": b64([0])}
    assert from_recipe(recipe).shape == (1, 1)
    with pytest.raises(FormatError, match=r"factors\[0\](\.base){63}: nested more than 64 deep"):
        pattern_from_recipe({"kind": "tensor_product", "factors": [recipe]})
    for _ in range(2000):
        recipe = {"kind": "cyclic_lift", "base": recipe, "k": 1, "shifts": b64([0])}
    with pytest.raises(FormatError, match=r"recipe(\.base){64}: nested more than 64 deep"):
        from_recipe(recipe)


def test_limits_are_exact() -> None:
    assert from_recipe(TWO_LIFT, max_side=6, max_edges=12).shape == (4, 6)
    with pytest.raises(FormatError, match=r"recipe: a graph of 4 x 6 vertices .*max_side=5"):
        from_recipe(TWO_LIFT, max_side=5)
    with pytest.raises(FormatError, match=r"recipe: a graph with 12 edges .*max_edges=11"):
        from_recipe(TWO_LIFT, max_edges=11)
    for recipe in GRAPHS:
        graph = from_recipe(recipe)
        assert from_recipe(recipe, max_side=max(graph.shape), max_edges=graph.num_edges) == graph
        with pytest.raises(FormatError, match="max_side"):
            from_recipe(recipe, max_side=max(graph.shape) - 1)
        with pytest.raises(FormatError, match="max_edges"):
            from_recipe(recipe, max_edges=graph.num_edges - 1)
