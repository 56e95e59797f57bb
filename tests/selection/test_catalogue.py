"""Every record of the shipped catalogue is proved again; no other content is believed."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs import (
    complete,
    generalized_quadrangle,
    margulis_gabber_galil,
    projective_plane,
    ramanujan,
    random_biregular,
    random_lift,
)
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.selection import Catalogue, CatalogueRecord
from rbgp_graphs.selection.build_catalogue import find_again, targets
from rbgp_graphs.selection.catalogue import SHIPPED, record_of
from rbgp_graphs.selection.explicit import explicit_member
from rbgp_graphs.spectral import trace_bound, verify
from rbgp_graphs.spectral.threshold import Threshold

RECORDS = Catalogue.shipped().records
BY_SIDE = sorted({record.left for record in RECORDS})


@pytest.mark.parametrize("side", BY_SIDE)
def test_every_record_is_proved(side: int) -> None:
    for record in RECORDS:
        if record.left == side:
            graph = record.prove()
            assert graph.is_connected
            assert record.sigma2 >= trace_bound(*graph.shape, record.degree) * (1 - 1e-12)
            allowed = Threshold.ramanujan(record.degree, record.right_degree)
            assert allowed.compare(record.square.numerator, record.square.denominator) <= 0


def test_the_file_is_canonical() -> None:
    keys = [(record.left, record.right, record.degree) for record in RECORDS]
    assert keys == sorted(set(keys))
    lines = SHIPPED.read_text(encoding="ascii").splitlines()
    assert lines == [json.dumps(r.to_dict(), separators=(",", ":")) for r in RECORDS]
    assert SHIPPED.stat().st_size < 600_000
    assert Catalogue(reversed(RECORDS)).records == RECORDS


def test_every_shape_that_the_catalogue_is_for_has_a_record_or_an_explicit_graph() -> None:
    for shape in targets():
        known = Catalogue.shipped().record(*shape) or explicit_member(*shape)
        assert known is not None, shape


def test_every_record_is_better_than_the_explicit_families() -> None:
    for record in RECORDS:
        member = explicit_member(record.left, record.right, record.degree)
        assert member is None or record.sigma2 < member.sigma2


@pytest.mark.parametrize(
    "record",
    [r for r in RECORDS if r.left * r.degree <= 200 and r.origin["steps"] <= 1200][::6],
    ids=lambda r: f"{r.left}x{r.right}-{r.degree}",
)
def test_a_record_is_found_again_from_its_seed(record: CatalogueRecord) -> None:
    found = find_again(record)
    assert found.graph.digest == record.digest
    assert found.sigma2 <= record.sigma2 * (1 + 1e-12)


@given(st.sampled_from(RECORDS))
def test_the_front_door_takes_the_better_of_record_and_family(record: CatalogueRecord) -> None:
    left, right, degree = record.left, record.right, record.degree
    graph = ramanujan(left, right, degree)
    assert graph.digest == record.digest
    assert ramanujan(left, right, degree, method="catalogue") == graph
    if left < right:
        assert ramanujan(right, left, record.right_degree) == graph.T
    assert verify(graph).sigma2 <= record.sigma2 * (1 + 1e-9)


def test_a_tower_starts_from_the_catalogue_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rbgp_graphs.selection.best_cover._MOST_QUICK_ORBITS", 0)
    record = Catalogue.shipped().record(512, 512, 4)
    assert record is not None
    graph = ramanujan(1024, 1024, 4)
    assert graph.recipe["kind"] == "two_lift"
    assert graph.recipe["base"] == record.recipe
    assert verify(graph).is_ramanujan


@pytest.mark.parametrize(
    ("graph", "square"),
    [
        (projective_plane(4), Fraction(4)),
        (generalized_quadrangle(4, 2), Fraction(6)),
        (complete(5, 3), Fraction(0)),
        (random_lift(complete(5, 5), rng=1), None),
    ],
    ids=repr,
)
def test_a_record_is_proved_before_it_is_made(
    graph: BipartiteGraph, square: Fraction | None
) -> None:
    record = record_of(graph, {"by": "hand"})
    assert record.left <= record.right
    assert record.graph() in (graph, graph.T)
    assert record.prove() == record.graph()
    value = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)[1]
    assert value**2 - 1e-9 <= record.square <= value**2 * (1 + 1e-4) + 1e-9
    if square is not None:
        assert record.square == square


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (margulis_gabber_galil(5), "connected biregular graphs only"),
        (BipartiteGraph.from_edges([(0, 0), (1, 1)], shape=(2, 2)), "connected biregular"),
        (BipartiteGraph.from_edges([], shape=(2, 2)), "connected biregular"),
        (random_biregular(20_000, 20_000, 2, rng=0), "at most 16384 vertices a side"),
        (
            BipartiteGraph.from_edges(
                [(u, (u + d) % 40) for u in range(40) for d in range(3)], shape=(40, 40)
            ),
            "not proved to keep to the Ramanujan bound",
        ),
    ],
    ids=["irregular", "disconnected", "empty", "large", "not Ramanujan"],
)
def test_what_is_no_proved_ramanujan_graph_is_refused(graph: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        record_of(graph, {})


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="graph is a list"):
        record_of([[1]], {})  # type: ignore[arg-type]


def changed(**fields: Any) -> str:
    record = Catalogue.shipped().record(16, 16, 6)
    assert record is not None
    return json.dumps({**record.to_dict(), **fields})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "expected an object"),
        ("{}", "kind is missing"),
        (changed(kind="graph"), "expected 'catalogue_record'"),
        (changed(extra=1), "no field 'extra'"),
        (changed(left=17), "right: expected an integer from 17"),
        (changed(right=10**9), "right: expected an integer"),
        (changed(degree=0), "degree: expected an integer"),
        (changed(right=17), "degree: no connected graph"),
        (changed(sigma2_squared=[4]), "expected two integers"),
        (changed(sigma2_squared=[4, 0]), "positive denominator"),
        (changed(sigma2_squared=[21, 1]), "above the square of the Ramanujan bound"),
        (changed(sigma2_squared=[-1, 1]), "expected an integer from 0"),
        (changed(sigma2_squared=[4.0, 1]), "expected an integer"),
        (changed(recipe=[]), "recipe or origin is not an object"),
        (changed(origin=3), "recipe or origin is not an object"),
        (changed(origin={"seconds": float("nan")}), "not JSON"),
        (changed(origin={"x": 7}).replace("7", "1e999"), "not JSON"),
        (changed(digest=3), "digest: expected a string"),
        (changed() + "\n" + changed(), "two records have shape"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(line: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(FormatError, match=message):
        Catalogue.read(file)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sigma2_squared": [399, 100]}, "not proved to be 399/100"),
        ({"digest": "0" * 64}, "another graph than the digest says"),
        ({"recipe": {"kind": "complete", "left": 16, "right": 16}}, "another graph"),
        ({"recipe": {"kind": "lps", "p": 5, "q": 10007}}, "beyond max_side"),
        ({"recipe": {"kind": "exec", "code": "1"}}, "no graph has the kind"),
        ({"recipe": {}}, "kind is missing"),
    ],
)
def test_a_record_that_lies_is_refused_when_it_is_used(
    fields: dict[str, Any], message: str, tmp_path: Path
) -> None:
    file = tmp_path / "own.jsonl"
    # A smaller claim than the record of the package, so that it is preferred.
    file.write_text(changed(**{"sigma2_squared": [399, 100], **fields}) + "\n")
    with pytest.raises(FormatError, match=message):
        ramanujan(16, 16, 6, catalogue=file)
    assert ramanujan(16, 16, 6).degrees == (6, 6)


def test_a_file_that_is_not_there_or_no_text_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="cannot read catalogue"):
        Catalogue.read(tmp_path / "none.jsonl")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(FormatError, match="not ASCII"):
        Catalogue.read(tmp_path / "bytes")
    with pytest.raises(ArgumentTypeError, match="catalogue is 3"):
        ramanujan(16, 16, 6, catalogue=3)


def test_the_better_record_of_a_shape_stays() -> None:
    good = Catalogue.shipped().record(16, 16, 8)
    assert good is not None
    worse = record_of(random_lift(complete(8, 8), rng=0), {})
    assert worse.square > good.square
    catalogue = Catalogue([good])
    assert catalogue.with_record(worse) is catalogue
    assert Catalogue([worse]).with_record(good).records == (good,)
    assert len(catalogue) == 1
    assert repr(catalogue) == "<Catalogue of 1 graphs>"


def test_a_request_that_no_record_can_fit_finds_none() -> None:
    assert Catalogue.shipped().record(16, 10, 3) is None
    assert Catalogue.shipped().record(5, 5, 5) is None


def test_a_look_up_does_not_depend_on_the_size_of_the_graph() -> None:
    record = RECORDS[-1]
    assert math.isclose(record.sigma2**2, record.square)
    assert "recipe" not in repr(record)
