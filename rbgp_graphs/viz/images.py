"""Figures as files: pages, images and JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rbgp_graphs._validation import as_int, require
from rbgp_graphs._version import package_version
from rbgp_graphs.encoding.atomic import as_path, write_file
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, MissingDependencyError
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.page import Section, render

#: Suffixes that `save` accepts.
SUFFIXES = (".html", ".png", ".svg", ".pdf", ".json")
_WIDTH = 800


def save(
    figure: Any,
    path: str | os.PathLike[str],
    *,
    width: int | None = None,
    height: int | None = None,
    scale: int = 2,
    overwrite: bool = True,
) -> Path:
    """Write a figure as a page that opens offline, as an image, or as JSON.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        The figure.
    path : str or os.PathLike
        Where to write; ends in ``.html``, in ``.png``, ``.svg`` or ``.pdf`` for an image, or in
        ``.json``.
    width, height : int, optional
        Size of an image in pixels, from 64 to 8192; that of the figure by default, or 800
        pixels wide.
    scale : int
        Dots of a PNG per pixel and axis, from 1 to 8.
    overwrite : bool
        Whether a file that is there already is replaced.

    Returns
    -------
    pathlib.Path
        Where the file is.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If `path` has another suffix, a number is out of range, or the file cannot be written or
        exists while `overwrite` is False.
    MissingDependencyError
        If plotly is not installed; for images also if kaleido is not installed or finds no
        Chrome or Chromium.

    Notes
    -----
    A page holds plotly.js, about 5 MB, the text alternative and the data table, and follows the
    reader's choice of light or dark. Zooming into a pattern draws finer levels there, pointing
    at a vertex of a graph highlights its neighbours, and steps have a slider. JSON is plotly's
    own: ``plotly.io.read_json`` returns the figure.

    Examples
    --------
    >>> import tempfile
    >>> from rbgp_graphs import projective_plane, viz
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     viz.save(viz.graph(projective_plane(2)), f"{folder}/plane.html").name
    'plane.html'
    """
    go = style.graph_objects()
    if not isinstance(figure, go.Figure):
        raise ArgumentTypeError(
            f"figure is a {type(figure).__name__}, expected a plotly.graph_objects.Figure"
        )
    target = as_path(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        listed = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise ArgumentError(f"path is {os.fspath(path)!r}, expected a name in {listed}")
    width = None if width is None else as_int("width", width, minimum=64, maximum=8192)
    height = None if height is None else as_int("height", height, minimum=64, maximum=8192)
    scale = as_int("scale", scale, minimum=1, maximum=8)
    if suffix == ".html":
        title = figure.layout.title.text or "Figure"
        footer = f"Written by rbgp-graphs {package_version()}."
        content = render(title, [Section(title, figure=figure)], footer)
    elif suffix == ".json":
        content = figure.to_json().encode()
    else:
        content = _image(figure, suffix[1:], width, height, scale if suffix == ".png" else 1)
    write_file(target, [content], overwrite=overwrite)
    return target


def _image(figure: Any, kind: str, width: int | None, height: int | None, scale: int) -> bytes:
    kaleido, errors = require("kaleido", "images"), require("kaleido.errors", "images")
    content = figure.to_dict()
    layout = content["layout"]
    # A slider and buttons do nothing in an image, and the text alternative is not drawn.
    for name in ("sliders", "updatemenus", "meta"):
        layout.pop(name, None)
    size = {
        "width": width or layout.get("width") or _WIDTH,
        "height": height or layout.get("height"),
    }
    try:
        return bytes(
            kaleido.calc_fig_sync(
                content,
                opts={"format": kind, "scale": scale, **size},
                # Without this the page that draws asks the network for a typesetter.
                kopts={"mathjax": False},
            )
        )
    except errors.ChromeNotFoundError as error:
        raise MissingDependencyError(
            "images need Chrome or Chromium, and none was found; install one, for instance with: "
            "apt-get install chromium, or set BROWSER_PATH to it; .html needs none"
        ) from error
