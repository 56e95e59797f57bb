"""The explicit families: what each can produce, how good it is, and who proved it."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rbgp_graphs._validation import as_int, is_prime, prime_power
from rbgp_graphs.constructions import (
    affine_plane,
    array_code,
    chiu,
    complete,
    field_lift,
    generalized_hexagon,
    generalized_quadrangle,
    lps,
    margulis_gabber_galil,
    morgenstern,
    projective_plane,
)
from rbgp_graphs.constructions.chiu import is_chiu_prime
from rbgp_graphs.constructions.generalized_quadrangle import quadrangle_field
from rbgp_graphs.constructions.projective_group import group_order
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral.bounds import ramanujan_bound
from rbgp_graphs.spectral.composition import field_lift_fibres

#: A field lift with more shifts than this is not listed: the fibre count would be slow.
_LARGEST_SHIFT_GROUP = 1 << 20


@dataclass(frozen=True, kw_only=True)
class FamilyMember:
    """One graph of a family, described without building it.

    Attributes
    ----------
    parameters : dict of str to int
        The arguments of the constructor.
    left, right : int
        Number of left and of right vertices.
    degree : int or None
        The left degree; None if the left degrees differ.
    sigma2 : float or None
        The second singular value or, in a family whose `Family.sigma2_is_exact` is False, the
        bound that the theorem gives; None if there is none.
    """

    parameters: dict[str, int]
    left: int
    right: int
    degree: int | None
    sigma2: float | None


_Walk = Callable[[int], Iterator[FamilyMember]]


@dataclass(frozen=True, kw_only=True)
class Family:
    """An explicit family of bipartite graphs.

    Attributes
    ----------
    name : str
        The kind in the recipes of its graphs.
    constructor : callable
        Builds a member from its parameters.
    parameters : str
        The parameters and their ranges, in words.
    shape : str
        Left and right vertices, as formulas in the parameters.
    degrees : str
        Left and right degree.
    sigma2 : str
        The second singular value or a bound on it.
    sigma2_is_exact : bool
        Whether `sigma2` is the value rather than a bound.
    is_ramanujan : bool
        Whether all members that `members` yields are Ramanujan.
    theorem : str
        Why, or why not.
    reference : str
        Where that is proved.
    """

    name: str
    constructor: Callable[..., BipartiteGraph]
    parameters: str
    shape: str
    degrees: str
    sigma2: str
    sigma2_is_exact: bool
    is_ramanujan: bool
    theorem: str
    reference: str
    _walk: _Walk = field(repr=False, compare=False)

    def members(self, max_side: int) -> Iterator[FamilyMember]:
        """Yield the members with at most `max_side` vertices on either side.

        They come in the order of their parameters, without being built. Graphs that a limit of
        the constructor excludes by its number of edges are not known here.

        Parameters
        ----------
        max_side : int
            Largest number of left and of right vertices, at least 1.

        Yields
        ------
        FamilyMember
            Parameters, shape, left degree and sigma2.

        Raises
        ------
        ArgumentError
            If `max_side` is below 1.

        Examples
        --------
        >>> planes = next(f for f in families() if f.name == "projective_plane")
        >>> [member.left for member in planes.members(60)]
        [7, 13, 21, 31, 57]
        """
        limit = as_int("max_side", max_side, minimum=1)
        return (m for m in self._walk(limit) if max(m.left, m.right) <= limit)


def families() -> tuple[Family, ...]:
    """Return the explicit families that `rbgp_graphs.ramanujan` considers, and the baseline.

    Returns
    -------
    tuple of Family
        Sorted by name.

    Examples
    --------
    >>> [family.name for family in families() if not family.is_ramanujan]
    ['margulis_gabber_galil']
    """
    return _FAMILIES


def _prime_powers(size: Callable[[int], int], limit: int) -> Iterator[int]:
    """Yield the prime powers q with ``size(q) <= limit``; `size` increases."""
    for q in itertools.count(2):
        if size(q) > limit:
            return
        if prime_power(q) is not None:
            yield q


def _member(
    left: int, right: int, degree: int | None, sigma2: float | None, /, **parameters: int
) -> FamilyMember:
    return FamilyMember(parameters=parameters, left=left, right=right, degree=degree, sigma2=sigma2)


def _geometries(
    left: Callable[[int], int], right: Callable[[int], int], square: Callable[[int], int]
) -> _Walk:
    """Return a walk over geometries of prime power order q, whose left degree is q + 1."""

    def walk(limit: int) -> Iterator[FamilyMember]:
        for q in _prime_powers(right, limit):
            yield _member(left(q), right(q), q + 1, math.sqrt(square(q)), q=q)

    return walk


def _array_codes(limit: int) -> Iterator[FamilyMember]:
    for q in _prime_powers(lambda q: q * q, limit):
        if is_prime(q):
            for l in range(2, limit // q + 1):  # noqa: E741 - the name in the paper
                yield _member(q * q, l * q, l, math.sqrt(-(-l // q) * q), q=q, l=l)


def _projective_groups(limit: int) -> Iterator[tuple[int, int]]:
    """Yield the odd primes q with the number of elements of PSL(2, q), up to a limit of that."""
    for q in itertools.count(3, 2):
        size = group_order(q)
        if size > limit:
            return
        if is_prime(q):
            yield q, size


def _chius(limit: int) -> Iterator[FamilyMember]:
    for q, size in _projective_groups(limit):
        if is_chiu_prime(q):
            yield _member(size, size, 3, 2 * math.sqrt(2), q=q)


def _completes(limit: int) -> Iterator[FamilyMember]:
    for left, right in itertools.product(range(1, limit + 1), repeat=2):
        yield _member(left, right, right, 0.0, left=left, right=right)


def _field_lifts(limit: int) -> Iterator[FamilyMember]:
    for q in _prime_powers(lambda q: q, limit // 2):
        p, k = prime_power(q) or (q, 1)
        for j in itertools.count(1):
            if q * p**j > limit or p**j > _LARGEST_SHIFT_GROUP:
                break
            m = -(-j // k)
            for b in range(2, q + 1):
                square = min(m, b) * q
                if math.sqrt(square) > ramanujan_bound(b, q):
                    continue
                if b <= m and not field_lift_fibres(q, b, m, j)[1]:
                    continue
                yield _member(q * p**j, b * p**j, b, math.sqrt(square), q=q, b=b, m=m, j=j)


def _quadrangles(limit: int) -> Iterator[FamilyMember]:
    # A quadrangle has more than s**2 t points and s t**2 lines.
    for s in range(2, math.isqrt(limit // 2) + 1):
        for t in range(2, min(limit // (s * s), math.isqrt(limit // s)) + 1):
            left, right = (s + 1) * (s * t + 1), (t + 1) * (s * t + 1)
            if max(left, right) <= limit and quadrangle_field(s, t) is not None:
                yield _member(left, right, t + 1, math.sqrt(s + t), s=s, t=t)


def _lps_graphs(limit: int) -> Iterator[FamilyMember]:
    for q, size in _projective_groups(limit):
        for p in range(3, (q * q - 1) // 4 + 1):
            if is_prime(p) and p != q:
                yield _member(size, size, p + 1, 2 * math.sqrt(p), p=p, q=q)


def _expanders(limit: int) -> Iterator[FamilyMember]:
    for n in range(3, math.isqrt(limit) + 1):
        yield _member(n * n, n * n, None, None, n=n)


def _morgensterns(limit: int) -> Iterator[FamilyMember]:
    # For an even q the group is twice as large, so the size below is only a lower bound.
    for q in _prime_powers(lambda q: q * q * (q**4 - 1) // 2, limit):
        for d in itertools.count(2, 2):
            size = group_order(q**d)
            if size > limit:
                break
            yield _member(size, size, q + 1, 2 * math.sqrt(q), q=q, d=d)


def _points_of_a_plane(q: int) -> int:
    return q * q + q + 1


def _points_of_a_hexagon(q: int) -> int:
    return (q**6 - 1) // (q - 1)


_geometry = functools.partial(Family, sigma2_is_exact=True, is_ramanujan=True)
_cayley = functools.partial(Family, sigma2_is_exact=False, is_ramanujan=True)

_FAMILIES: tuple[Family, ...] = (
    _geometry(
        name="affine_plane",
        constructor=affine_plane,
        parameters="q a prime power",
        shape="q^2 x (q^2 + q)",
        degrees="q + 1, q",
        sigma2="sqrt(q)",
        theorem="two points lie on one line",
        reference="elementary: B B^T = q I + J",
        _walk=_geometries(lambda q: q * q, lambda q: q * q + q, lambda q: q),
    ),
    _geometry(
        name="array_code",
        constructor=array_code,
        parameters="q a prime, l >= 2",
        shape="q^2 x l q",
        degrees="l, q",
        sigma2="sqrt(ceil(l / q) q)",
        theorem="the blocks are powers of a cyclic shift",
        reference="Burnwal, Sinha and Vidyasagar, arXiv:1910.03937",
        _walk=_array_codes,
    ),
    _cayley(
        name="chiu",
        constructor=chiu,
        parameters="q a prime; -2 and 13 are squares modulo q",
        shape="q (q^2 - 1) / 2 a side",
        degrees="3, 3",
        sigma2="at most 2 sqrt(2)",
        theorem="Ramanujan conjecture for a quaternion algebra (Eichler, Deligne)",
        reference="Chiu, Combinatorica 12 (1992), 275-285",
        _walk=_chius,
    ),
    _geometry(
        name="complete",
        constructor=complete,
        parameters="left, right >= 1",
        shape="left x right",
        degrees="right, left",
        sigma2="0",
        theorem="the biadjacency matrix has rank 1",
        reference="elementary",
        _walk=_completes,
    ),
    # With the fewest powers m that reach j digits, some fibre may still be smaller than m.
    _cayley(
        name="field_lift",
        constructor=field_lift,
        parameters="q = p^k a prime power, 2 <= b <= q, m = ceil(j / k); those within the bound",
        shape="q p^j x b p^j",
        degrees="b, q",
        sigma2="at most sqrt(min(m, b) q)",
        theorem="a polynomial of degree m takes a value at most m times",
        reference="abelian lifts of K_{q,b}; m = k = 1: array codes; j = m k: Wenger graphs, "
        "Cioaba, Lazebnik and Li, arXiv:1402.3341",
        _walk=_field_lifts,
    ),
    _geometry(
        name="generalized_hexagon",
        constructor=generalized_hexagon,
        parameters="q a prime power",
        shape="q^5 + q^4 + q^3 + q^2 + q + 1 a side",
        degrees="q + 1, q + 1",
        sigma2="sqrt(3 q)",
        theorem="spectrum of a generalized hexagon (Feit and Higman)",
        reference="Tits, Publ. Math. IHES 2 (1959), 13-60",
        _walk=_geometries(_points_of_a_hexagon, _points_of_a_hexagon, lambda q: 3 * q),
    ),
    _geometry(
        name="generalized_quadrangle",
        constructor=generalized_quadrangle,
        parameters="(s, t) = (q, q), (q, q^2), (q - 1, q + 1) for a prime power q, (4, 8) and "
        "(9, 27); in both orders",
        shape="(s + 1)(s t + 1) x (t + 1)(s t + 1)",
        degrees="t + 1, s + 1",
        sigma2="sqrt(s + t)",
        theorem="spectrum of a generalized quadrangle (Feit and Higman)",
        reference="Payne and Thas, Finite Generalized Quadrangles, 1984",
        _walk=_quadrangles,
    ),
    _cayley(
        name="lps",
        constructor=lps,
        parameters="p, q different odd primes, q^2 > 4 p",
        shape="q (q^2 - 1) / 2 a side",
        degrees="p + 1, p + 1",
        sigma2="at most 2 sqrt(p)",
        theorem="Ramanujan conjecture for a quaternion algebra (Eichler, Deligne)",
        reference="Lubotzky, Phillips and Sarnak, Combinatorica 8 (1988), 261-277",
        _walk=_lps_graphs,
    ),
    Family(
        name="margulis_gabber_galil",
        constructor=margulis_gabber_galil,
        parameters="n >= 3",
        shape="n^2 a side",
        degrees="at most 5, not all equal",
        sigma2="not known in closed form",
        sigma2_is_exact=False,
        is_ramanujan=False,
        theorem="an expander, but neither biregular as a simple graph nor Ramanujan",
        reference="Gabber and Galil, J. Comput. System Sci. 22 (1981), 407-420",
        _walk=_expanders,
    ),
    _cayley(
        name="morgenstern",
        constructor=morgenstern,
        parameters="q a prime power, d even",
        shape="q^d (q^(2d) - 1) a side, half of it for odd q",
        degrees="q + 1, q + 1",
        sigma2="at most 2 sqrt(q)",
        theorem="Ramanujan conjecture over function fields (Drinfeld)",
        reference="Morgenstern, J. Combin. Theory B 62 (1994), 44-62",
        _walk=_morgensterns,
    ),
    _geometry(
        name="projective_plane",
        constructor=projective_plane,
        parameters="q a prime power",
        shape="q^2 + q + 1 a side",
        degrees="q + 1, q + 1",
        sigma2="sqrt(q)",
        theorem="two lines meet in one point",
        reference="elementary: B B^T = q I + J",
        _walk=_geometries(_points_of_a_plane, _points_of_a_plane, lambda q: q),
    ),
)
