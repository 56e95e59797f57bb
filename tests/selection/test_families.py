from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

from rbgp_graphs import families, ramanujan
from rbgp_graphs.cli import main
from rbgp_graphs.constructions.recipes import _KINDS, from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.selection.explicit import explicit_member
from rbgp_graphs.selection.families import Family, FamilyMember
from rbgp_graphs.spectral.bounds import ramanujan_bound

MAX_SIDE = 130


def by_name(name: str) -> Family:
    return next(family for family in families() if family.name == name)


def few(family: Family, max_side: int, count: int = 40) -> list[FamilyMember]:
    """Return members spread over the family."""
    found = list(family.members(max_side))
    return found[:: -(-len(found) // count) or 1]


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_members_are_what_the_constructor_builds(family: Family) -> None:
    for member in few(family, 90, 25):
        graph = family.constructor(**member.parameters)
        assert graph.shape == (member.left, member.right)
        assert graph.recipe["kind"] == family.name
        assert (graph.degrees or (None,))[0] == member.degree
        if family.is_ramanujan:
            assert graph.is_connected
            assert graph.degrees is not None
            assert member.sigma2 is not None
            values = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
            second = values[1] if len(values) > 1 else 0.0
            assert second <= min(member.sigma2, ramanujan_bound(*graph.degrees)) + 1e-6
            if family.sigma2_is_exact:
                assert second == pytest.approx(member.sigma2, abs=1e-6)


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_the_front_door_considers_every_ramanujan_member_both_ways(family: Family) -> None:
    for member in few(family, MAX_SIDE, 60):
        if member.degree is None or member.sigma2 is None:
            assert not family.is_ramanujan
            continue
        left, right, degree = member.left, member.right, member.degree
        for shape in ((left, right, degree), (right, left, left * degree // right)):
            best = explicit_member(*shape)
            assert best is not None
            assert best.sigma2 <= member.sigma2


@pytest.mark.parametrize(
    ("left", "right", "degree", "kind"),
    [
        (9, 12, 4, "affine_plane"),
        (15, 15, 3, "generalized_quadrangle"),
        (27, 45, 5, "generalized_quadrangle"),
        (45, 27, 3, "generalized_quadrangle"),
        (64, 96, 6, "generalized_quadrangle"),
        (175, 125, 5, "generalized_quadrangle"),
        (297, 165, 5, "generalized_quadrangle"),
        (63, 63, 3, "generalized_hexagon"),
        (12, 12, 3, "chiu"),
        (60, 60, 3, "morgenstern"),
        (360, 360, 4, "morgenstern"),
    ],
)
def test_the_front_door_chooses_the_new_families(
    left: int, right: int, degree: int, kind: str
) -> None:
    graph = ramanujan(left, right, degree, method="explicit")
    assert graph.recipe["kind"] == kind
    assert graph.shape == (left, right)
    assert from_recipe(graph.recipe) == graph


def test_the_transposed_plane_is_chosen_for_the_transposed_shape() -> None:
    recipe = ramanujan(12, 9, 3, method="explicit").recipe
    assert recipe == {"kind": "transpose", "of": {"kind": "affine_plane", "q": 3}}


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_a_larger_limit_only_adds_members(family: Family) -> None:
    small, large = (list(family.members(limit)) for limit in (20, 45))
    assert small == [m for m in large if max(m.left, m.right) <= 20]
    assert all(max(m.left, m.right) <= 45 for m in large)


def test_no_shape_is_missing_from_the_families() -> None:
    known = {
        (m.left, m.right, m.degree) for f in families() if f.is_ramanujan for m in f.members(16)
    }
    for left, right in itertools.product(range(2, 17), repeat=2):
        for degree in range(2, right):
            if left * degree % right or left * degree // right < 2:
                continue
            if explicit_member(left, right, degree) is not None:
                other = (right, left, left * degree // right)
                assert (left, right, degree) in known or other in known


def test_every_kind_of_recipe_with_parameters_alone_is_a_family() -> None:
    stored = {"abelian_cover", "bitmask", "cyclic_lift", "edges", "lift", "transpose", "two_lift"}
    assert {family.name for family in families()} == {*_KINDS} - stored


def test_the_names_are_sorted_and_different() -> None:
    names = [family.name for family in families()]
    assert names == sorted(set(names))


def test_the_quadrangles_up_to_forty_five_points_are_known() -> None:
    found = [tuple(m.parameters.values()) for m in by_name("generalized_quadrangle").members(45)]
    assert found == [(2, 2), (2, 4), (3, 3), (4, 2)]


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused_at_once(limit: int) -> None:
    with pytest.raises(ArgumentError, match=f"max_side is {limit}, expected at least 1"):
        by_name("lps").members(limit)


def test_a_limit_of_a_wrong_type_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        by_name("lps").members(10.0)  # type: ignore[arg-type]


def test_the_command_lists_families_and_members() -> None:
    result = CliRunner().invoke(main, ["families", "--max-side", "63", "--json"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    listed = {entry["name"]: entry for entry in document["families"]}
    assert [*listed] == [family.name for family in families()]
    (hexagon,) = listed["generalized_hexagon"]["members"]
    assert hexagon["parameters"] == {"q": 2}
    assert math.isclose(hexagon["sigma2"], math.sqrt(6))
    assert listed["complete"]["more_members"] is True
    text = CliRunner().invoke(main, ["families", "--max-side", "63"])
    assert text.exit_code == 0
    assert "27 x 45" in text.stdout
    refused = CliRunner().invoke(main, ["families", "--max-side", "0"])
    assert refused.exit_code == 2


@pytest.mark.parametrize(
    "recipe",
    [
        {"kind": "affine_plane", "q": 2**52},
        {"kind": "generalized_hexagon", "q": 2**52},
        {"kind": "generalized_quadrangle", "s": 2**30, "t": 2**30},
        {"kind": "chiu", "q": 2**52},
        {"kind": "margulis_gabber_galil", "n": 2**52},
        {"kind": "affine_plane", "q": 6},
        {"kind": "generalized_hexagon", "q": "2"},
        {"kind": "chiu", "q": 5},
        {"kind": "morgenstern", "q": 2, "d": 3},
        {"kind": "margulis_gabber_galil", "n": 8, "m": 1},
    ],
)
def test_hostile_recipes_are_refused_before_anything_is_built(recipe: dict[str, object]) -> None:
    with pytest.raises(FormatError, match="recipe"):
        from_recipe(recipe)
