import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rbgp_graphs import (
    RBGP4,
    BipartiteGraph,
    TensorProduct,
    complete,
    field_lift,
    projective_plane,
    random_biregular,
    two_lift,
    viz,
)
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.spectral import verify
from rbgp_graphs.testing.strategies import bipartite_graphs, patterns
from rbgp_graphs.viz import page
from rbgp_graphs.viz.summary import built_by, key_numbers
from rbgp_graphs.viz.zoom import first_cell, zoom_windows

_EMPTY_ELEMENTS = {"meta", "link", "br", "img", "hr", "input"}
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&amp;<!-- \ud800"


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _EMPTY_ELEMENTS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


@pytest.fixture(scope="module")
def pattern() -> RBGP4:
    outer, inner = random_biregular(32, 32, 8, rng=0), random_biregular(32, 32, 8, rng=1)
    return RBGP4(outer, (4, 1), inner, (1, 4))


@pytest.fixture(scope="module")
def written(pattern: RBGP4, tmp_path_factory: pytest.TempPathFactory) -> Path:
    extra = [
        viz.Section(HOSTILE, HOSTILE, go.Figure(go.Bar(y=[1], name=HOSTILE)), None),
        viz.Section(
            "Accuracy", "One.\n\nTwo.", table=viz.Table(["net", HOSTILE], [["a", HOSTILE]])
        ),
    ]
    path = tmp_path_factory.mktemp("report") / "report.html"
    return viz.report(pattern, path, title=HOSTILE, extra=extra)


@pytest.fixture(scope="module")
def reader(written: Path) -> Reader:
    return Reader(written.read_text("utf-8"))


def test_the_page_is_well_formed_and_says_its_language(reader: Reader) -> None:
    assert reader.all("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in reader.all("meta")
    assert any(meta.get("name") == "viewport" for meta in reader.all("meta"))
    assert len(reader.all("h1")) == 1
    assert len(reader.all("main")) == 1


def test_nothing_is_loaded_from_elsewhere(written: Path, reader: Reader) -> None:
    for tag, attributes in reader.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert not {"src", "srcset", "action", "style", "background"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#")
    (css,) = reader.text("style")
    assert "url(" not in css
    assert "@import" not in css


def test_the_policy_lets_only_the_two_scripts_run(reader: Reader) -> None:
    (policy,) = (
        meta["content"] or ""
        for meta in reader.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    scripts = [text for text in reader.text("script") if not text.startswith("{")]
    assert len(scripts) == 2
    expected = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert re.findall("'sha256-([^']+)'", policy) == expected
    assert "unsafe-inline" not in policy.partition("style-src")[0]


def test_plotly_is_in_the_page_once_and_offers_no_upload(written: Path, reader: Reader) -> None:
    assert sum("plotly.js v" in text[:200] for text in reader.text("script")) == 1
    (settings_text,) = (text for text in reader.text("script") if '"templates"' in text[:3000])
    config = json.loads(settings_text)["config"]
    assert config["showSendToCloud"] is False
    assert config["displaylogo"] is False
    assert config["plotlyServerURL"] == ""


def test_hostile_names_are_shown_as_text(written: Path, reader: Reader) -> None:
    shown = HOSTILE.replace("\ud800", "�")
    assert reader.text("h1") == [shown]
    assert reader.text("h2").count(shown) == 1
    assert shown in reader.text("td")
    assert not reader.all("img")
    assert "<img src=x" not in written.read_text("utf-8")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.text(), st.text())
def test_any_text_survives_as_text(
    monkeypatch: pytest.MonkeyPatch, title: str, text: str, cell: str
) -> None:
    monkeypatch.setattr(page, "require", lambda *_: type("", (), {"get_plotlyjs": lambda: "0"}))
    section = viz.Section(title, text, table=viz.Table([cell, title], [[cell, text]]))
    reader = Reader(page.render(title, [section], text).decode())
    assert [tag for tag, _ in reader.elements if tag not in {"p", "li", "a"}] == [
        *("html", "head", "meta", "meta", "meta", "title", "style", "body", "header", "h1"),
        *("nav", "ul", "main", "section", "h2", "div", "table", "thead", "tr", "th", "th"),
        *("tbody", "tr", "th", "td", "footer", "script", "script", "script"),
    ]


def test_every_figure_has_caption_text_and_data(reader: Reader, pattern: RBGP4) -> None:
    identifiers = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    plots = [div for div in reader.all("div") if "data-figure" in div]
    # Factors, four zooms, the spectrum, two graphs, the tiling, and the foreign figure, which
    # brings neither text nor data.
    assert len(plots) == 10
    assert len(reader.all("figcaption")) == 10
    assert len(reader.all("details")) == 9
    for plot in plots:
        assert plot["aria-label"]
        assert plot["data-figure"] in identifiers
        described = plot.get("aria-describedby")
        assert described in identifiers or plot is plots[-1]


def test_the_figures_are_those_of_the_factories(reader: Reader, pattern: RBGP4) -> None:
    contents = [json.loads(text) for text in reader.text("script") if text.startswith('{"data"')]
    expected = [viz.factors(pattern)]
    expected += [viz.pattern(pattern, *window) for window in zoom_windows(pattern)]
    expected += [viz.spectrum(pattern), viz.graph(pattern.outer), viz.graph(pattern.inner)]
    expected.append(viz.tiling(pattern))
    for content, figure in zip(contents, expected, strict=False):
        wanted = json.loads(figure.to_json())
        assert content["data"] == wanted["data"]
        assert content.get("frames") == wanted.get("frames")
        assert content["layout"].get("images") == wanted["layout"].get("images")
        assert "template" not in content["layout"]
    # Only the whole pattern carries what finer levels need.
    actions = [content.get("action", {}).get("kind") for content in contents]
    assert actions == [None, "zoom", *[None] * 4, "neighbors", "neighbors", "frames", None]


def test_small_patterns_are_compared_with_others(tmp_path: Path) -> None:
    pattern = RBGP4(projective_plane(3), (4, 1), random_biregular(16, 16, 4, rng=0), (4, 4))
    assert pattern.shape == (832 * 4, 832)
    small = RBGP4(
        random_biregular(8, 8, 2, rng=0), (4, 1), random_biregular(8, 8, 4, rng=0), (1, 4)
    )
    reader = Reader(viz.report(small, tmp_path / "report.html").read_text("utf-8"))
    assert reader.text("h2")[-1] == "Beside others"
    assert {"this pattern", "unstructured", "blocks 16 × 16"} <= {*reader.text("th")}
    large = Reader(viz.report(pattern, tmp_path / "report.html").read_text("utf-8"))
    assert "Beside others" not in large.text("h2")


def test_key_numbers_are_right(pattern: RBGP4) -> None:
    names, values = zip(*key_numbers(pattern).rows, strict=True)
    numbers = dict(zip(names, values, strict=True))
    assert numbers["Shape (rows × columns)"] == "4,096 × 4,096"
    assert numbers["Nonzeros"] == f"{pattern.nnz:,}"
    assert numbers["Sparsity (share of zeros)"] == "93.75 %"
    assert numbers["Rows that share one column list (row group)"] == "4"
    assert numbers["Tile (rows × columns)"] == "128 × 128"
    assert numbers["Tiles that exist"] == "256 of 1,024"
    assert numbers["Index bytes of the product"] == f"{pattern.index_bytes:,}"
    csr = pattern.to_csr()
    own = csr.indices.nbytes + csr.indptr.nbytes
    assert numbers["Index bytes as CSR"].startswith(f"{own:,} ")
    assert numbers["Index bytes as a bitmask"].startswith(f"{4096 * 4096 // 8:,} ")


def test_verdicts_of_all_factors_and_of_the_product_are_told(
    reader: Reader, pattern: RBGP4
) -> None:
    verdict = verify(pattern)
    for each in (verdict, *verdict.factors):
        assert f"{each.sigma2:.6g}" in reader.text("td")
        assert f"{each.bound:.6g}" in reader.text("td")
    assert any("The product is not Ramanujan" in text for text in reader.text("p"))
    assert any("normally not Ramanujan" in text for text in reader.text("p"))


def test_the_same_arguments_give_the_same_bytes(pattern: RBGP4, tmp_path: Path) -> None:
    first, second = (viz.report(pattern, tmp_path / name) for name in ("a.html", "b.html"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    "subject",
    [
        projective_plane(3),
        np.eye(3, 5, dtype=bool),
        BipartiteGraph.from_edges([], shape=(2, 2)),
        TensorProduct(complete(2, 2), complete(1, 3)),
        RBGP4(complete(4, 4), (2, 1), field_lift(4, 2, 1, 1), (1, 2), shifts=np.arange(16) % 4),
    ],
    ids=["plane", "mask", "no edges", "complete", "twisted"],
)
def test_graphs_masks_and_odd_products_have_reports(subject: Any, tmp_path: Path) -> None:
    reader = Reader(viz.report(subject, tmp_path / "report.html").read_text("utf-8"))
    assert reader.text("h2")[3] == "Is it Ramanujan?"


@given(st.one_of(patterns(), bipartite_graphs(min_side=1)))
def test_zooms_shrink_and_show_the_first_nonzero(subject: Any) -> None:
    windows = zoom_windows(subject)
    row, col = first_cell(subject)
    areas = []
    for (top, bottom), (left, right) in windows:
        assert top <= row < bottom <= subject.shape[0]
        assert left <= col < right <= subject.shape[1]
        areas.append((bottom - top) * (right - left))
    assert all(4 * small <= large for large, small in itertools.pairwise(areas))
    mask = subject.mask() if isinstance(subject, TensorProduct) else subject.biadjacency().toarray()
    assert mask[row, col] == mask.any()


def test_towers_of_lifts_are_named_down_to_their_base() -> None:
    base = complete(2, 2)
    once = two_lift(base, [1, 1, 1, -1])
    assert built_by(once.recipe) == "two lift of complete (left = 2, right = 2)"
    twice = two_lift(once, [1, -1] * 4)
    assert built_by(twice.recipe) == "two lift, 2 times, of complete (left = 2, right = 2)"


def test_an_existing_file_is_kept_unless_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(ArgumentError, match="exists already"):
        viz.report(projective_plane(2), path, overwrite=False)
    assert path.read_text() == "old"
    viz.report(projective_plane(2), path)
    assert path.stat().st_size > 4_000_000
    assert list(tmp_path.iterdir()) == [path]


def test_paths_that_cannot_be_written_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="there is no directory"):
        viz.report(projective_plane(2), tmp_path / "missing" / "report.html")
    with pytest.raises(ArgumentError, match="it is a directory"):
        viz.report(projective_plane(2), tmp_path)
    with pytest.raises(ArgumentTypeError, match="path is 3"):
        viz.report(projective_plane(2), 3)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: viz.Section(3),  # type: ignore[arg-type]
        lambda: viz.Section("a", None),  # type: ignore[arg-type]
        lambda: viz.Section("a", "", "figure"),
        lambda: viz.Section("a", "", [1]),
        lambda: viz.Section("a", table=[["x"]]),  # type: ignore[arg-type]
        lambda: viz.Table("ab", []),
        lambda: viz.Table(["a"], ["b"]),
        lambda: viz.report(projective_plane(2), "x.html", title=3),  # type: ignore[arg-type]
        lambda: viz.report(projective_plane(2), "x.html", extra=["text"]),  # type: ignore[list-item]
        lambda: viz.report(projective_plane(2), "x.html", extra=3),  # type: ignore[arg-type]
    ],
)
def test_wrong_types_are_refused(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentTypeError):
        make()
    assert list(tmp_path.iterdir()) == []


def test_tables_with_rows_of_other_lengths_are_refused() -> None:
    with pytest.raises(ArgumentError, match="row 1 has 1 cells, expected 2"):
        viz.Table(["a", "b"], [[1, 2], [3]])
    with pytest.raises(ArgumentError, match="columns is empty"):
        viz.Table([], [])
