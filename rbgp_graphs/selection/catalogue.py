"""A catalogue of proved graphs: text, one record a line, each with a recipe and a proved bound."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.graph import BipartiteGraph, Recipe
from rbgp_graphs.selection.feasible import is_connectable
from rbgp_graphs.spectral.bounds import ramanujan_bound
from rbgp_graphs.spectral.composition import second_singular_value_of_graph
from rbgp_graphs.spectral.prover import prove
from rbgp_graphs.spectral.text_file import as_text_path, replace_text
from rbgp_graphs.spectral.threshold import Threshold

#: The catalogue that comes with the package.
SHIPPED = Path(__file__).with_name("catalogue.jsonl")
_KIND = "catalogue_record"
_LARGEST_FILE = 2**26
#: Limits on the graphs of a catalogue.
_MAX_SIDE, _MAX_EDGES = 2**14, 2**22
#: Denominator of bounds that are not integers, and how far above the computed value they lie.
_DENOMINATOR, _ROOM = 10**6, 1e-6
#: A computed square this close to an integer may be one.
_CLOSE = 1e-7


@dataclass(frozen=True, kw_only=True)
class CatalogueRecord:
    r"""A graph of a catalogue, described without being built.

    Attributes
    ----------
    left, right : int
        Its shape, with ``left <= right``.
    degree : int
        The left degree.
    square : fractions.Fraction
        A proved upper bound on :math:`\sigma_2^2`.
    digest : str
        The digest of the graph.
    recipe : dict
        How to build it.
    origin : dict
        How it was found: for people, and for the script that finds it again.
    """

    left: int
    right: int
    degree: int
    square: Fraction
    digest: str
    recipe: Recipe = field(repr=False)
    origin: dict[str, Any]

    @property
    def right_degree(self) -> int:
        """The right degree."""
        return self.left * self.degree // self.right

    @property
    def sigma2(self) -> float:
        """The proved bound on the second singular value, as the nearest float."""
        return math.sqrt(self.square)

    @property
    def bound(self) -> float:
        """The Ramanujan bound for the degrees."""
        return ramanujan_bound(self.degree, self.right_degree)

    def graph(self) -> BipartiteGraph:
        """Build the graph.

        Returns
        -------
        BipartiteGraph
            With the shape, the degrees and the digest of the record.

        Raises
        ------
        FormatError
            If the recipe gives another graph.
        """
        graph = from_recipe(self.recipe, max_side=_MAX_SIDE, max_edges=_MAX_EDGES)
        if graph.shape != (self.left, self.right) or graph.digest != self.digest:
            raise FormatError(f"{self._name}: the recipe gives another graph than the digest says")
        if graph.degrees != (self.degree, self.right_degree):
            raise FormatError(f"{self._name}: the graph has the degrees {graph.degrees}")
        return graph

    def prove(self) -> BipartiteGraph:
        r"""Build the graph and prove, in exact arithmetic, what the record says about it.

        Returns
        -------
        BipartiteGraph
            Connected, with :math:`\sigma_2^2` at most `square`, which is at most the square of the
            Ramanujan bound.

        Raises
        ------
        FormatError
            If the recipe gives another graph, or no proof is found.
        """
        graph = self.graph()
        if not _is_proved(graph, self.square):
            raise FormatError(f"{self._name}: sigma2 squared is not proved to be {self.square}")
        return graph

    @property
    def _name(self) -> str:
        return f"catalogue: record of shape ({self.left}, {self.right}), degree {self.degree}"

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a JSON-able dict."""
        return {
            "kind": _KIND,
            "left": self.left,
            "right": self.right,
            "degree": self.degree,
            "sigma2_squared": [self.square.numerator, self.square.denominator],
            "digest": self.digest,
            "origin": self.origin,
            "recipe": dict(self.recipe),
        }


def record_of(graph: BipartiteGraph, origin: dict[str, Any]) -> CatalogueRecord:
    r"""Prove a bound on the second singular value of a Ramanujan graph, and return its record.

    Parameters
    ----------
    graph : BipartiteGraph
        Connected, biregular and Ramanujan. It is transposed if its left side is the larger one.
    origin : dict
        JSON-able; how it was found.

    Returns
    -------
    CatalogueRecord
        With an integer as the square where :math:`\sigma_2^2` is one, else with the computed
        value plus about one millionth.

    Raises
    ------
    ArgumentTypeError
        If `graph` is not a graph.
    ArgumentError
        If it is not biregular, not connected, too large for a catalogue, or not proved to be
        Ramanujan.

    Examples
    --------
    >>> from rbgp_graphs import projective_plane
    >>> record_of(projective_plane(3), {}).square
    Fraction(3, 1)
    """
    if not isinstance(graph, BipartiteGraph):
        raise ArgumentTypeError(f"graph is a {type(graph).__name__}, expected a BipartiteGraph")
    if graph.left > graph.right:
        graph = graph.T
    if max(graph.shape) > _MAX_SIDE or graph.num_edges > _MAX_EDGES:
        raise ArgumentError(
            f"the graph has shape {graph.shape} and {graph.num_edges} edges; a catalogue takes at "
            f"most {_MAX_SIDE} vertices a side and {_MAX_EDGES} edges"
        )
    if graph.degrees is None or graph.num_edges == 0 or not graph.is_connected:
        raise ArgumentError("a catalogue takes connected biregular graphs only")
    computed = second_singular_value_of_graph(graph).value ** 2
    for square in _squares_above(computed):
        if _is_proved(graph, square):
            return CatalogueRecord(
                left=graph.left,
                right=graph.right,
                degree=graph.degrees[0],
                square=square,
                digest=graph.digest,
                recipe=graph.recipe,
                origin=origin,
            )
    bound = ramanujan_bound(*graph.degrees)
    raise ArgumentError(
        f"the graph has sigma2 = {math.sqrt(computed):.9g}, which is not proved to keep to the "
        f"Ramanujan bound {bound:.9g}; a catalogue takes proved Ramanujan graphs only"
    )


def _squares_above(computed: float) -> list[Fraction]:
    nearest = round(computed)
    if abs(computed - nearest) <= _CLOSE * max(1.0, computed):
        return [Fraction(nearest)]
    rooms = (_ROOM, 10 * _ROOM, 1000 * _ROOM)
    return [
        Fraction(math.ceil(computed * (1 + room) * _DENOMINATOR), _DENOMINATOR) for room in rooms
    ]


def _is_proved(graph: BipartiteGraph, square: Fraction) -> bool:
    """Say whether sigma2 squared is at most this, which is at most the square of the bound."""
    allowed = Threshold.ramanujan(*(graph.degrees or (1, 1)))
    if allowed.compare(square.numerator, square.denominator) > 0:
        return False
    found = prove(graph, Threshold(square.numerator, 0, square.denominator))
    return not isinstance(found, str) and found.holds


class Catalogue:
    """Proved graphs by shape and degree, at most one for each.

    Parameters
    ----------
    records : iterable of CatalogueRecord
        In any order, without two of one shape and degree.

    Raises
    ------
    FormatError
        If two records have the same shape and degree.

    Examples
    --------
    >>> record = Catalogue.shipped().record(64, 64, 32)
    >>> record.sigma2 < 32**0.5  # what a field lift has
    True
    """

    def __init__(self, records: Iterable[CatalogueRecord]) -> None:
        self._records: dict[tuple[int, int, int], CatalogueRecord] = {}
        for record in records:
            key = (record.left, record.right, record.degree)
            if key in self._records:
                raise FormatError(f"catalogue: two records have shape {key[:2]}, degree {key[2]}")
            self._records[key] = record

    @property
    def records(self) -> tuple[CatalogueRecord, ...]:
        """The records in canonical order: by left and right side, then by degree."""
        return tuple(self._records[key] for key in sorted(self._records))

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"<Catalogue of {len(self)} graphs>"

    def record(self, left: int, right: int, degree: int) -> CatalogueRecord | None:
        """Return the record of a shape and left degree, None if there is none.

        Parameters
        ----------
        left, right, degree : int
            In any order of the sides: a record stands for its transpose too.

        Returns
        -------
        CatalogueRecord or None
            With ``left <= right``.
        """
        if left > right:
            if left * degree % right:
                return None
            left, right, degree = right, left, left * degree // right
        return self._records.get((left, right, degree))

    def with_record(self, record: CatalogueRecord) -> Catalogue:
        """Return a catalogue with the better one of the new and the old record of a shape."""
        old = self._records.get((record.left, record.right, record.degree))
        if old is not None and old.square <= record.square:
            return self
        return Catalogue({**self._records, _key(record): record}.values())

    @classmethod
    def shipped(cls) -> Catalogue:
        """Return the catalogue that comes with the package; it is read once."""
        return _shipped()

    @classmethod
    def read(cls, path: Any) -> Catalogue:
        """Read a catalogue, which is not trusted.

        Parameters
        ----------
        path : str or os.PathLike
            A file with one JSON object a line.

        Returns
        -------
        Catalogue
            Well formed. What the records claim is checked when they are used or proved.

        Raises
        ------
        ArgumentTypeError
            If `path` is not a path.
        ArgumentError
            If the file cannot be read.
        FormatError
            If it is not a catalogue; the message names the line.
        """
        file = as_text_path("catalogue", path)
        try:
            if file.stat().st_size > _LARGEST_FILE:
                raise FormatError(f"catalogue {file}: larger than {_LARGEST_FILE} bytes")
            text = file.read_text(encoding="ascii")
        except OSError as error:
            raise ArgumentError(f"cannot read catalogue {file}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise FormatError(f"catalogue {file}: not ASCII text") from None
        lines = enumerate(text.splitlines(), 1)
        return cls(read_record(line, f"catalogue {file}: line {number}") for number, line in lines)

    def write(self, path: Any) -> None:
        """Write the catalogue, completely or not at all, in canonical order.

        Parameters
        ----------
        path : str or os.PathLike
            The file, which is replaced.

        Raises
        ------
        ArgumentTypeError
            If `path` is not a path.
        ArgumentError
            If the file cannot be written.
        """
        lines = (
            json.dumps(record.to_dict(), separators=(",", ":"), allow_nan=False) + "\n"
            for record in self.records
        )
        replace_text(as_text_path("catalogue", path), "".join(lines), "catalogue")


def _key(record: CatalogueRecord) -> tuple[int, int, int]:
    return record.left, record.right, record.degree


@functools.cache
def _shipped() -> Catalogue:
    return Catalogue.read(SHIPPED)


def read_record(line: str, place: str) -> CatalogueRecord:
    """Return the record of an untrusted line, or raise `FormatError`."""
    try:
        data = json.loads(line)
        # What Python reads beyond JSON (NaN, numbers that overflow) could not be written again.
        json.dumps(data, allow_nan=False)
    except (ValueError, RecursionError):
        raise FormatError(f"{place}: not JSON") from None
    fields = Fields(data, place)
    if fields.kind != _KIND:
        raise fields.error(f"expected {_KIND!r}", "kind")
    names = {"left", "right", "degree", "sigma2_squared", "digest", "origin", "recipe"}
    fields.check_keys(frozenset(names), frozenset())
    left = fields.integer("left", 1, _MAX_SIDE)
    right = fields.integer("right", left, _MAX_SIDE)
    degree = fields.integer("degree", 1, right)
    if not is_connectable(left, right, degree):
        raise fields.error(f"no connected graph of shape ({left}, {right}) has it", "degree")
    numerator, denominator = fields.pair("sigma2_squared", 0)
    if denominator < 1:
        raise fields.error("expected a positive denominator", "sigma2_squared")
    square = Fraction(numerator, denominator)
    allowed = Threshold.ramanujan(degree, left * degree // right)
    if allowed.compare(square.numerator, square.denominator) > 0:
        raise fields.error("above the square of the Ramanujan bound", "sigma2_squared")
    recipe, origin = fields["recipe"], fields["origin"]
    if not isinstance(recipe, dict) or not isinstance(origin, dict):
        raise fields.error("recipe or origin is not an object")
    return CatalogueRecord(
        left=left,
        right=right,
        degree=degree,
        square=square,
        digest=fields.text("digest"),
        recipe=recipe,
        origin=origin,
    )
