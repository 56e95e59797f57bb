import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from rbgp_graphs import (
    RBGP4,
    BipartiteGraph,
    TensorProduct,
    complete,
    field_lift,
    lps,
    projective_plane,
    random_biregular,
    spectral,
    viz,
)
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.testing.strategies import bipartite_graphs, patterns
from rbgp_graphs.viz.alternative import table_of
from rbgp_graphs.viz.origins import origins
from rbgp_graphs.viz.spectra import origin


def traces(figure: Any, name: str) -> list[Any]:
    return [trace for trace in figure.data if (trace.name or "").startswith(name)]


@given(patterns())
def test_stems_are_the_spectrum(pattern: TensorProduct) -> None:
    found = spectral.spectrum(pattern)
    (stems,) = traces(viz.spectrum(pattern), "singular value")
    np.testing.assert_allclose(stems.x, found.values, rtol=0, atol=1e-12 * found.values[0])
    np.testing.assert_array_equal(stems.y, found.multiplicities)
    assert sum(stems.y) == min(pattern.shape)


@given(patterns())
def test_lines_stand_at_the_values_of_the_verdict(pattern: TensorProduct) -> None:
    verdict = spectral.verify(pattern)
    figure = viz.spectrum(pattern)
    for name, value in (
        ("Ramanujan bound", verdict.bound),
        ("second value", verdict.sigma2),
        ("trivial value", verdict.sigma1),
    ):
        (line,) = traces(figure, name)
        assert line.x == (value, value)
        assert f"{value:.6g}" in line.name


@given(bipartite_graphs(min_side=1).filter(lambda graph: graph.degrees is None))
def test_a_graph_of_several_degrees_has_values_but_no_bound(graph: BipartiteGraph) -> None:
    figure = viz.spectrum(graph)
    assert not traces(figure, "Ramanujan bound")
    assert "no Ramanujan bound" in figure.layout.meta["text"]
    (stems,) = traces(figure, "singular value")
    expected = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
    np.testing.assert_allclose(np.repeat(stems.x, stems.y), expected, atol=1e-7)


def test_many_values_become_a_histogram_that_loses_none() -> None:
    pattern = TensorProduct(random_biregular(40, 40, 5, rng=0), random_biregular(30, 30, 4, rng=1))
    found = spectral.spectrum(pattern)
    figure = viz.spectrum(pattern)
    (bars,) = traces(figure, "singular values in a bin")
    assert sum(bars.y) == 1200
    for x, width, height in zip(bars.x, bars.width, bars.y, strict=True):
        inside = (found.values >= x - width / 2) & (found.values < x + width / 2)
        inside |= math.isclose(x + width / 2, found.values[0]) & (found.values == found.values[0])
        assert found.multiplicities[inside].sum() == height
    table = table_of(figure)
    assert table is not None
    assert len(table.rows) == len(bars.x)
    # The origins of a bin add up to its height.
    for row, height in zip(table.rows, bars.y, strict=True):
        counts = [int(part.split()[0].replace(",", "")) for part in row[3].split(", ")]
        assert sum(counts) == height


def test_the_second_value_names_the_factor_it_comes_from() -> None:
    weak, strong = random_biregular(24, 24, 3, rng=0), projective_plane(5)
    pattern = RBGP4(strong, (4, 1), weak, (1, 1))
    assert origin(pattern, spectral.verify(pattern)) == ("inner",)
    (line,) = traces(viz.spectrum(pattern), "second value")
    assert line.name.endswith("from inner")
    swapped = RBGP4(weak, (4, 1), strong, (1, 1))
    assert "comes from outer" in viz.spectrum(swapped).layout.meta["text"]


def test_factors_that_tie_are_both_named() -> None:
    plane = projective_plane(3)
    pattern = RBGP4(plane, (2, 1), plane, (1, 1))
    assert origin(pattern, spectral.verify(pattern)) == ("outer", "inner")


def test_a_twisted_pattern_names_no_factor() -> None:
    outer, inner = complete(4, 4), field_lift(4, 2, 1, 1)
    shifts = np.arange(outer.num_edges) % inner.right
    pattern = RBGP4(outer, (1, 1), inner, (1, 1), shifts=shifts)
    assert origin(pattern, spectral.verify(pattern)) == ()


@settings(max_examples=50)
@given(patterns())
def test_origins_are_the_factors_away_from_their_largest_value(pattern: TensorProduct) -> None:
    if len(pattern.factors) == 1 or (isinstance(pattern, RBGP4) and pattern.is_twisted):
        assert origins(pattern, spectral.spectrum(pattern).values) is None
        return
    values = spectral.spectrum(pattern).values
    texts = origins(pattern, values)
    assert texts is not None
    parts = [spectral.spectrum(factor).values for factor in pattern.factors]
    for value, text in zip(values.tolist(), texts, strict=True):
        expected = set()
        for chosen in itertools.product(*parts):
            if math.prod(chosen) == pytest.approx(value, abs=1e-7 * values[0]):
                away = [k for k, own in enumerate(chosen) if own != parts[k][0]]
                expected.add(" and ".join(pattern.factor_names[k] for k in away))
        if value < 1e-9 * values[0]:
            assert text == "zero"
        else:
            assert {*text.split(" or ")} == {name or "trivial value" for name in expected}


def test_stems_and_table_tell_the_origins() -> None:
    pattern = RBGP4(projective_plane(2), (4, 1), projective_plane(3), (1, 1))
    figure = viz.spectrum(pattern)
    table = table_of(figure)
    assert table is not None
    assert table.columns[-1] == "origin"
    scale = 2.0
    # The values √2 of the plane of order 2, and √3 of the plane of order 3.
    expected = {
        12 * scale: "trivial value",
        4 * math.sqrt(2) * scale: "from outer",
        3 * math.sqrt(3) * scale: "from inner",
        math.sqrt(6) * scale: "from outer and inner",
    }
    assert {float(row[0]): row[3] for row in table.rows} == {
        float(f"{value:.6g}"): text for value, text in expected.items()
    }
    (stems,) = traces(figure, "singular value")
    assert len(set(zip(stems.marker.color, stems.marker.symbol, strict=True))) == 4
    assert {trace.name for trace in traces(figure, "from ")} == {*expected.values()} - {
        "trivial value"
    }


def test_the_law_over_stems_has_an_axis_of_its_own() -> None:
    figure = viz.spectrum(projective_plane(3))
    (law,) = traces(figure, "limit law")
    assert law.yaxis == "y2"
    np.testing.assert_allclose(law.y, spectral.limit_density(4, 4, law.x))
    assert figure.layout.yaxis2.overlaying == "y"
    assert figure.layout.yaxis2.type != "log"
    assert figure.layout.yaxis.type == "log"


def test_the_law_over_a_histogram_counts_values() -> None:
    graph = random_biregular(300, 300, 4, rng=0)
    figure = viz.spectrum(graph)
    (law,), (bars,) = traces(figure, "limit law"), traces(figure, "singular values in a bin")
    assert law.yaxis == "y"
    # Together as many values as the graph has; random graphs follow the law.
    step = law.x[1] - law.x[0]
    assert sum(law.y) * step / bars.width[0] == pytest.approx(300, rel=0.01)
    inside = [k for k, x in enumerate(bars.x) if 0.5 < x < 3]
    at_bars = np.interp([bars.x[k] for k in inside], law.x, law.y)
    np.testing.assert_allclose([bars.y[k] for k in inside], at_bars, rtol=0.6)
    low, high = (10**end for end in figure.layout.yaxis.range)
    assert low < 1
    assert max(bars.y) < high


def test_degrees_below_2_have_no_law() -> None:
    assert not traces(viz.spectrum(complete(3, 1)), "limit law")


def test_marks_in_the_table_and_the_shade_beyond_the_bound() -> None:
    graph = projective_plane(4)
    figure = viz.spectrum(graph)
    table = table_of(figure)
    assert table is not None
    assert table.rows == (("5", "1", "trivial value"), ("2", "20", "second value"))
    (shade,) = figure.layout.shapes
    assert (shade.x0, shade.x1) == (4, 5)


def test_disconnected_graphs_repeat_the_trivial_value() -> None:
    two = BipartiteGraph.from_biadjacency(np.kron(np.eye(2), np.ones((2, 2))))
    figure = viz.spectrum(two)
    assert "disconnected" in figure.layout.meta["text"]
    table = table_of(figure)
    assert table is not None
    assert table.rows == (("2", "2", "trivial value, repeated"), ("0", "2", ""))


def test_a_graph_too_large_for_all_values_shows_the_marks() -> None:
    graph = lps(3, 29)
    with pytest.raises(ArgumentError, match="dense SVD"):
        spectral.spectrum(graph)
    figure = viz.spectrum(graph)
    assert not traces(figure, "singular value")
    assert traces(figure, "second value")
    assert "Only the largest two" in figure.layout.meta["text"]


def test_a_verdict_that_is_known_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = projective_plane(3)
    verdict = spectral.verify(graph)
    monkeypatch.delattr(spectral, "verify")
    assert traces(viz.spectrum(graph, verdict=verdict), "Ramanujan bound")
    with pytest.raises(AttributeError):
        viz.spectrum(graph)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="p is 'graph'"):
        viz.spectrum("graph")
    with pytest.raises(ArgumentError, match="theme"):
        viz.spectrum(projective_plane(2), theme="blue")  # type: ignore[arg-type]
