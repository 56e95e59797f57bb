"""Which explicit families have a member of a given shape and degree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rbgp_graphs._validation import is_prime, prime_power
from rbgp_graphs.constructions.chiu import is_chiu_prime
from rbgp_graphs.constructions.finite_field import has_field
from rbgp_graphs.constructions.generalized_quadrangle import quadrangle_field
from rbgp_graphs.constructions.projective_group import group_order
from rbgp_graphs.graph import Recipe
from rbgp_graphs.spectral.bounds import ramanujan_bound
from rbgp_graphs.spectral.composition import field_lift_fibres

#: A field lift with more shifts than this is not considered: the fibre count would be slow.
_LARGEST_SHIFT_GROUP = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member of an explicit family.

    Attributes
    ----------
    recipe : dict
        For `rbgp_graphs.constructions.from_recipe`.
    sigma2 : float
        Its second singular value, or the family's bound on it.
    """

    recipe: Recipe
    sigma2: float


def explicit_member(left: int, right: int, degree: int) -> Member | None:
    """Return the Ramanujan member of an explicit family with the smallest sigma2.

    Parameters
    ----------
    left, right, degree : int
        Shape and left degree; ``left * degree`` is a multiple of `right`.

    Returns
    -------
    Member or None
        None if no family has a Ramanujan graph of exactly this shape and degree that can be
        built here: fields whose size is not prime need python-flint.
    """
    right_degree = left * degree // right
    bound = ramanujan_bound(degree, right_degree)
    found = list(_members(left, right, degree, right_degree))
    for member in _members(right, left, right_degree, degree):
        found.append(Member(recipe=_transposed(member.recipe), sigma2=member.sigma2))
    fitting = [m for m in found if m.sigma2 <= bound and _is_buildable(m.recipe)]
    return min(fitting, key=lambda member: member.sigma2, default=None)


def _is_buildable(recipe: Recipe) -> bool:
    while recipe["kind"] == "transpose":
        recipe = recipe["of"]
    if recipe["kind"] in ("complete", "array_code", "lps", "chiu"):
        return True
    if recipe["kind"] == "generalized_quadrangle":
        return has_field(quadrangle_field(recipe["s"], recipe["t"]) or 0)
    order: int = recipe["q"] ** recipe.get("d", 1)
    return has_field(order)


def _transposed(recipe: Recipe) -> dict[str, Any]:
    if recipe["kind"] == "complete":
        return {"kind": "complete", "left": recipe["right"], "right": recipe["left"]}
    return {"kind": "transpose", "of": dict(recipe)}


def _members(left: int, right: int, dl: int, dr: int) -> Iterator[Member]:
    if dl == right:
        yield Member(recipe={"kind": "complete", "left": left, "right": right}, sigma2=0.0)
        return
    if left == right and prime_power(dl - 1) and left == (dl - 1) * dl + 1:
        q = dl - 1
        yield Member(recipe={"kind": "projective_plane", "q": q}, sigma2=math.sqrt(q))
    if is_prime(dr) and left == dr * dr and right == dl * dr and dl >= 2:
        sigma2 = math.sqrt(-(-dl // dr) * dr)
        yield Member(recipe={"kind": "array_code", "q": dr, "l": dl}, sigma2=sigma2)
    if prime_power(dr) and left == dr * dr and dl == dr + 1 and right == dr * dl:
        yield Member(recipe={"kind": "affine_plane", "q": dr}, sigma2=math.sqrt(dr))
    yield from _polygons(left, right, dl, dr)
    yield from _field_lifts(left, right, dl, dr)
    yield from _lps(left, right, dl)
    yield from _morgenstern(left, right, dl)
    yield from _chiu(left, right, dl)


def _polygons(left: int, right: int, dl: int, dr: int) -> Iterator[Member]:
    s, t = dr - 1, dl - 1
    if (
        left == dr * (s * t + 1)
        and right == dl * (s * t + 1)
        and min(s, t) >= 2
        and quadrangle_field(s, t)
    ):
        recipe = {"kind": "generalized_quadrangle", "s": s, "t": t}
        yield Member(recipe=recipe, sigma2=math.sqrt(s + t))
    if left == right and prime_power(s) and left == (s**6 - 1) // (s - 1):
        yield Member(recipe={"kind": "generalized_hexagon", "q": s}, sigma2=math.sqrt(3 * s))


def _field_lifts(left: int, right: int, b: int, q: int) -> Iterator[Member]:
    power = prime_power(q)
    if power is None or not has_field(q) or b > q or b < 2 or left % q:
        return
    p, k = power
    size = left // q
    shifts = prime_power(size)
    if shifts is None or shifts[0] != p or right != b * size or size > _LARGEST_SHIFT_GROUP:
        return
    j = shifts[1]
    # More powers than needed only make fibres larger; a single fibre would disconnect the graph.
    m = -(-j // k)
    if b <= m and not field_lift_fibres(q, b, m, j)[1]:
        return
    recipe = {"kind": "field_lift", "q": q, "b": b, "m": m, "j": j}
    yield Member(recipe=recipe, sigma2=math.sqrt(min(m, b) * q))


def _lps(left: int, right: int, degree: int) -> Iterator[Member]:
    p = degree - 1
    if left != right or p < 3 or not is_prime(p):
        return
    q = round((2 * left) ** (1 / 3))
    for candidate in (q, q + 1):
        fits = candidate * (candidate**2 - 1) // 2 == left and candidate not in (2, p)
        if fits and is_prime(candidate) and candidate**2 > 4 * p:
            yield Member(recipe={"kind": "lps", "p": p, "q": candidate}, sigma2=2 * math.sqrt(p))


def _morgenstern(left: int, right: int, degree: int) -> Iterator[Member]:
    q = degree - 1
    if left != right or prime_power(q) is None:
        return
    d = next(d for d in itertools.count(2, 2) if group_order(q**d) >= left)
    if group_order(q**d) == left:
        yield Member(recipe={"kind": "morgenstern", "q": q, "d": d}, sigma2=2 * math.sqrt(q))


def _chiu(left: int, right: int, degree: int) -> Iterator[Member]:
    q = round((2 * left) ** (1 / 3))
    if left == right and degree == 3 and q * (q * q - 1) // 2 == left and is_chiu_prime(q):
        yield Member(recipe={"kind": "chiu", "q": q}, sigma2=2 * math.sqrt(2))
