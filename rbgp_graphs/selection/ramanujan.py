"""A Ramanujan graph of exactly the shape and degree that is asked for."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np

from rbgp_graphs._validation import as_generator, as_int
from rbgp_graphs.constructions import random_biregular, random_lift
from rbgp_graphs.constructions.recipes import rebuild
from rbgp_graphs.errors import ArgumentError, InfeasibleError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.selection.best_cover import quick_cover
from rbgp_graphs.selection.catalogue import Catalogue, CatalogueRecord
from rbgp_graphs.selection.explicit import explicit_member
from rbgp_graphs.selection.feasible import is_connectable, nearest_degrees
from rbgp_graphs.spectral.abelian_search import CoverSearchResult
from rbgp_graphs.spectral.bounds import ramanujan_bound
from rbgp_graphs.spectral.composition import lift_blocks
from rbgp_graphs.spectral.numeric import largest_singular_value, second_singular_value_directly

Method = Literal["auto", "explicit", "catalogue", "cover", "lift", "random"]

#: Random tries before giving up; between 1.0 and 1.3 are needed on average.
_TRIES = 64
#: A cover is taken at once if its second singular value is below this share of what random
#: graphs have; else both are made and compared.
_BETTER_THAN_RANDOM = 0.95
#: Random graphs must stay below the bound by this share, so that rounding cannot matter.
_MARGIN = 1e-9


def ramanujan(
    left: int,
    right: int,
    degree: int,
    *,
    rng: Any = 0,
    method: Method = "auto",
    catalogue: Any = None,
) -> BipartiteGraph:
    r"""Return a Ramanujan graph of exactly the given shape and left degree.

    Parameters
    ----------
    left, right : int
        Number of left and of right vertices, at least 1.
    degree : int
        The left degree; ``left * degree`` is a multiple of `right`.
    rng : int, numpy.random.Generator or None
        Source of randomness where no known graph fits. The default makes results repeat.
    method : {"auto", "explicit", "catalogue", "cover", "lift", "random"}
        "explicit": only families whose spectrum a theorem gives. "catalogue": only graphs of the
        catalogue, each with a proved bound. "cover": what a short search among the covers with
        a cyclic group finds (see `rbgp_graphs.spectral.search_abelian_cover`). "lift": a tower
        of random 2-lifts of an explicit graph, each level drawn until the new signed matrix
        keeps to the bound. "random": random biregular graphs until one keeps to the bound.
        "auto": the one of an explicit family or of the catalogue with the smaller sigma2; if
        there is none, the better of a cover and of a random graph, which is a tower of 2-lifts
        of a known graph where there is one.
    catalogue : Catalogue, str, os.PathLike or None
        A catalogue of one's own, considered next to the one that comes with the package. It is
        never used unless it is given here, so that results do not depend on the machine.

    Returns
    -------
    BipartiteGraph
        Connected, with second singular value at most :math:`\sqrt{d_l-1}+\sqrt{d_r-1}`: by a
        theorem for explicit families, by a proof that the tests of this package replay for
        its catalogue, by a proof found on the spot for `catalogue`, by its floating-point value
        otherwise.

    Raises
    ------
    ArgumentError
        If an argument leaves its range.
    InfeasibleError
        If no biregular or no connected graph of this shape exists, or the method found none;
        names the nearest degrees that work.
    FormatError
        If `catalogue` is not a catalogue, or the record that would be taken is not proved.

    Notes
    -----
    About nine of ten random 2-lifts of a Ramanujan graph are Ramanujan, at all sizes and
    degrees from 3 up, so a level rarely takes more than one try; that one exists is a theorem
    [1]_. The new singular values of a 2-lift are those of the signed matrix of the base, so a
    level costs one norm of half the size.

    Random graphs come close to the bound, and covers that were searched stay well below it: at
    640 x 640 and degree 40 a 2-lift has 0.996 of the bound, a cover 0.743. A search takes at
    most 400 moves, about a second for 2048 x 2048, and is left out beyond about 10 000 x 10 000.

    References
    ----------
    .. [1] A. W. Marcus, D. A. Spielman and N. Srivastava, Interlacing families I,
       Annals of Mathematics 182 (2015), 307-325, arXiv:1304.4132.

    Examples
    --------
    >>> ramanujan(32, 128, 32).degrees
    (32, 8)
    >>> ramanujan(10, 10, 3).is_connected
    True
    """
    left, right = as_int("left", left, minimum=1), as_int("right", right, minimum=1)
    degree = as_int("degree", degree, minimum=1, maximum=right)
    if method not in get_args(Method):
        raise ArgumentError(f"method is {method!r}, expected one of {', '.join(get_args(Method))}")
    _check_feasible(left, right, degree)
    generator = as_generator(rng)
    graph: BipartiteGraph | None = None
    catalogues = _catalogues(catalogue) if method in ("auto", "catalogue") else ()
    if method in ("auto", "explicit", "catalogue"):
        graph = _known(left, right, degree, catalogues, explicit=method != "catalogue")
    if graph is not None:
        return graph
    cover = _cover(left, right, degree, generator) if method in ("auto", "cover") else None
    if cover is not None and (method == "cover" or _is_surely_better(cover)):
        return cover.graph
    if method in ("auto", "lift"):
        graph = _tower(left, right, degree, catalogues, generator)
    if graph is None and method in ("auto", "random"):
        graph = _random(left, right, degree, generator)
    if cover is not None and (graph is None or _sigma2(graph) > cover.sigma2):
        graph = cover.graph
    if graph is None:
        raise InfeasibleError(
            f"method {method!r} found no Ramanujan graph of shape ({left}, {right}) and left "
            f"degree {degree}; method='auto' tries every way, 'cover' needs sides with a common "
            "divisor, and 'lift' needs sides that halve down to an explicit graph"
        )
    return graph


def _check_feasible(left: int, right: int, degree: int) -> None:
    if is_connectable(left, right, degree):
        return
    if left * degree % right:
        reason = f"{left} * {degree} is not a multiple of {right}"
    else:
        reason = f"with {left * degree} edges every graph is disconnected, so none is Ramanujan"
    nearest = " and ".join(map(str, nearest_degrees(left, right, degree)))
    raise InfeasibleError(
        f"no connected biregular graph has shape ({left}, {right}) and left degree {degree}: "
        f"{reason}; the nearest left degrees are {nearest}"
    )


def _catalogues(given: Any) -> tuple[Catalogue, ...]:
    if given is None:
        return (Catalogue.shipped(),)
    own = given if isinstance(given, Catalogue) else Catalogue.read(given)
    return (Catalogue.shipped(), own)


def _known(
    left: int, right: int, degree: int, catalogues: tuple[Catalogue, ...], *, explicit: bool = True
) -> BipartiteGraph | None:
    """Return the explicit graph or the one of a catalogue with the smallest sigma2."""
    if explicit and degree == 2 and left == right > 2:
        return _cycle(left)
    member = explicit_member(left, right, degree) if explicit else None
    smallest = math.inf if member is None else member.sigma2
    best: CatalogueRecord | None = None
    for catalogue in catalogues:
        record = catalogue.record(left, right, degree)
        if record is not None and record.sigma2 < smallest:
            best, smallest = record, record.sigma2
    if best is None:
        return None if member is None else rebuild(member.recipe)
    # What comes with the package is proved by its tests.
    is_shipped = best is Catalogue.shipped().record(left, right, degree)
    graph = best.graph() if is_shipped else best.prove()
    return graph if graph.shape == (left, right) else graph.T


def _cycle(half: int) -> BipartiteGraph:
    u = np.arange(half)
    edges = np.concatenate((np.column_stack((u, u)), np.column_stack((u, (u + 1) % half))))
    return BipartiteGraph.from_edges(edges, shape=(half, half))


def _cover(
    left: int, right: int, degree: int, generator: np.random.Generator
) -> CoverSearchResult | None:
    """Return the cover that a short search finds, or None if it is not Ramanujan."""
    found = quick_cover((left, right, degree), generator)
    if found is None or found.ratio > 1 - _MARGIN or not found.graph.is_connected:
        return None
    return found


def _sigma2(graph: BipartiteGraph) -> float:
    return second_singular_value_directly(graph).value


def _is_surely_better(cover: CoverSearchResult) -> bool:
    """Return whether no random graph of this shape can be expected to surpass a cover."""
    density = cover.graph.num_edges / math.prod(cover.graph.shape)
    return cover.ratio <= _BETTER_THAN_RANDOM * math.sqrt(1 - density)


def _tower(
    left: int,
    right: int,
    degree: int,
    catalogues: tuple[Catalogue, ...],
    generator: np.random.Generator,
) -> BipartiteGraph | None:
    """Lift a known graph as few times as possible, or return None if there is no base."""
    levels = 0
    graph: BipartiteGraph | None = None
    while graph is None and left % 2 == 0 and right % 2 == 0 and right // 2 >= degree:
        left, right, levels = left // 2, right // 2, levels + 1
        graph = _known(left, right, degree, catalogues)
    for _ in range(levels):
        if graph is None:
            return None
        graph = _good_two_lift(graph, generator)
    return graph if levels else None


def _good_two_lift(base: BipartiteGraph, generator: np.random.Generator) -> BipartiteGraph | None:
    bound = ramanujan_bound(*(base.degrees or (0, 0))) * (1 - _MARGIN)
    for _ in range(_TRIES):
        lifted = random_lift(base, rng=generator)
        ((signed, _),) = lift_blocks(lifted.recipe)
        if largest_singular_value(signed).value <= bound and lifted.is_connected:
            return lifted
    return None


def _random(
    left: int, right: int, degree: int, generator: np.random.Generator
) -> BipartiteGraph | None:
    bound = ramanujan_bound(degree, left * degree // right) * (1 - _MARGIN)
    for _ in range(_TRIES):
        graph = random_biregular(left, right, degree, rng=generator)
        if graph.is_connected and _sigma2(graph) <= bound:
            return graph
    return None
