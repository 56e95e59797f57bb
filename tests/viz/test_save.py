import shutil
import sys
from pathlib import Path
from typing import Any

import plotly.io as pio
import pytest

from rbgp_graphs import RBGP4, projective_plane, viz
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, MissingDependencyError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def figure() -> Any:
    return viz.tiling(RBGP4(projective_plane(2), (4, 1), projective_plane(2), (1, 1)))


def test_a_page_has_the_title_once_and_what_its_figure_does(figure: Any, tmp_path: Path) -> None:
    path = viz.save(figure, tmp_path / "tiling.html")
    text = path.read_text("utf-8")
    body = text[: text.index('<script type="application/json"')]
    assert body.count(figure.layout.title.text) >= 1
    assert "<h1>" in body
    assert "<h2" not in body
    assert "<nav" not in body
    assert '"action":{"kind":"frames"' in text
    assert "<details>" in text


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_images_have_the_size_that_was_asked_for(
    figure: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("kaleido", reason="kaleido is not installed")
    monkeypatch.setenv("BROWSER_PATH", str(CHROMIUM))
    path = viz.save(figure, tmp_path / "tiling.png", width=300, height=200, scale=3)
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(content[k : k + 4]) for k in (16, 20)] == [900, 600]


def test_json_is_the_whole_figure(figure: Any, tmp_path: Path) -> None:
    read = pio.read_json(viz.save(figure, tmp_path / "tiling.json"))
    assert read.to_plotly_json() == pio.from_json(figure.to_json()).to_plotly_json()
    assert len(read.frames) == len(figure.frames) > 0


def test_a_notebook_shows_the_figure_without_a_renderer_of_its_own(
    figure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")
    bundle = figure._repr_mimebundle_()
    shown = bundle["application/vnd.plotly.v1+json"]
    assert len(shown["data"]) == len(figure.data)
    assert shown["layout"]["template"]


def test_without_kaleido_the_error_names_the_command(
    figure: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "rbgp-graphs\[images\]"'):
        viz.save(figure, tmp_path / "figure.png")
    assert list(tmp_path.iterdir()) == []


def test_without_a_browser_the_error_says_what_to_install(
    figure: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaleido = pytest.importorskip("kaleido", reason="kaleido is not installed")
    from kaleido.errors import ChromeNotFoundError

    def fail(*_: object, **__: object) -> bytes:
        raise ChromeNotFoundError

    monkeypatch.setattr(kaleido, "calc_fig_sync", fail)
    with pytest.raises(MissingDependencyError, match="apt-get install chromium"):
        viz.save(figure, tmp_path / "figure.svg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options", "error", "match"),
    [
        ("figure.gif", {}, ArgumentError, "expected a name in .html, .png, .svg, .pdf or .json"),
        ("figure", {}, ArgumentError, "expected a name in"),
        ("figure.png", {"width": 10}, ArgumentError, "width is 10, expected at least 64"),
        ("figure.png", {"height": 9000}, ArgumentError, "height is 9000"),
        ("figure.png", {"scale": 0}, ArgumentError, "scale is 0"),
        ("figure.png", {"scale": 1.5}, ArgumentTypeError, "scale is 1.5"),
    ],
)
def test_bad_arguments_are_refused(
    figure: Any, tmp_path: Path, name: str, options: Any, error: Any, match: str
) -> None:
    with pytest.raises(error, match=match):
        viz.save(figure, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_only_figures_are_saved(tmp_path: Path) -> None:
    with pytest.raises(ArgumentTypeError, match="figure is a dict"):
        viz.save({}, tmp_path / "figure.html")


def test_an_existing_file_is_kept_unless_overwritten(figure: Any, tmp_path: Path) -> None:
    path = tmp_path / "figure.html"
    path.write_text("old")
    with pytest.raises(ArgumentError, match="exists already"):
        viz.save(figure, path, overwrite=False)
    assert path.read_text() == "old"
