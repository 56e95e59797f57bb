import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given

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
