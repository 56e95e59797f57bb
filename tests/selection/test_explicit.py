from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.selection.explicit import explicit_member
from rbgp_graphs.spectral import ramanujan_bound

SMALL = [
    (left, right, degree)
    for left in range(1, 26)
    for right in range(1, 26)
    for degree in range(1, right + 1)
    if left * degree % right == 0 and left * degree <= 100
]


def test_every_small_member_is_ramanujan_of_the_requested_shape() -> None:
    kinds = set()
    for left, right, degree in SMALL:
        member = explicit_member(left, right, degree)
        if member is None:
            continue
        graph = from_recipe(member.recipe)
        kinds.add(member.recipe["kind"])
        assert graph.shape == (left, right)
        assert graph.degrees == (degree, left * degree // right)
        assert graph.is_connected
        values = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
        second = values[1] if len(values) > 1 else 0.0
        assert second <= member.sigma2 + 1e-7
        assert member.sigma2 <= ramanujan_bound(*graph.degrees)
    assert kinds >= {"complete", "projective_plane", "array_code", "field_lift", "transpose"}


@pytest.mark.parametrize(
    ("request_", "recipe", "sigma2"),
    [
        ((7, 4, 4), {"kind": "complete", "left": 7, "right": 4}, 0),
        ((73, 73, 9), {"kind": "projective_plane", "q": 8}, math.sqrt(8)),
        ((60, 60, 4), {"kind": "lps", "p": 3, "q": 5}, 2 * math.sqrt(3)),
        ((2448, 2448, 6), {"kind": "lps", "p": 5, "q": 17}, 2 * math.sqrt(5)),
        ((9, 15, 5), {"kind": "array_code", "q": 3, "l": 5}, math.sqrt(6)),
        (
            (15, 9, 3),
            {"kind": "transpose", "of": {"kind": "array_code", "q": 3, "l": 5}},
            math.sqrt(6),
        ),
        ((4096, 4096, 256), {"kind": "field_lift", "q": 256, "b": 256, "m": 1, "j": 4}, 16),
        ((32, 32, 8), {"kind": "field_lift", "q": 8, "b": 8, "m": 1, "j": 2}, math.sqrt(8)),
        ((64, 64, 4), {"kind": "field_lift", "q": 4, "b": 4, "m": 2, "j": 4}, math.sqrt(8)),
        (
            (16, 32, 8),
            {"kind": "transpose", "of": {"kind": "field_lift", "q": 8, "b": 4, "m": 1, "j": 2}},
            math.sqrt(8),
        ),
    ],
)
def test_known_members_are_found(
    request_: tuple[int, int, int], recipe: dict[str, Any], sigma2: float
) -> None:
    member = explicit_member(*request_)
    assert member is not None
    assert member.recipe == recipe
    assert member.sigma2 == pytest.approx(sigma2)


def test_a_member_that_meets_the_bound_exactly_counts() -> None:
    member = explicit_member(256, 256, 4)
    assert member is not None
    assert member.recipe == {"kind": "field_lift", "q": 4, "b": 4, "m": 3, "j": 6}


@pytest.mark.parametrize("request_", [(10, 10, 3), (1024, 1024, 4), (6, 6, 2), (60, 60, 14)])
def test_where_no_family_fits_there_is_no_member(request_: tuple[int, int, int]) -> None:
    assert explicit_member(*request_) is None
