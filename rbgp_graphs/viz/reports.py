"""The report on a pattern: numbers, words, verdicts and figures in one page."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rbgp_graphs import spectral
from rbgp_graphs._version import package_version
from rbgp_graphs.encoding.atomic import as_path, write_file
from rbgp_graphs.errors import ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct, block_sparse, unstructured
from rbgp_graphs.viz import summary
from rbgp_graphs.viz.comparisons import compare
from rbgp_graphs.viz.drawings import graph, is_drawable
from rbgp_graphs.viz.nesting import factors
from rbgp_graphs.viz.page import Section, check_text, render
from rbgp_graphs.viz.patterns import pattern
from rbgp_graphs.viz.raster import Subject, as_subject
from rbgp_graphs.viz.spectra import has_bound, spectrum
from rbgp_graphs.viz.tilings import tiling
from rbgp_graphs.viz.zoom import zoom_windows

#: Measuring larger masks without structure takes too long for a report.
_LARGEST_COMPARED = 512


def report(
    p: Any,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    extra: Section | Sequence[Section] = (),
    overwrite: bool = True,
    verdict: spectral.Verdict | None = None,
) -> Path:
    """Write one self-contained HTML page about a pattern or graph.

    Parameters
    ----------
    p : TensorProduct, BipartiteGraph or array_like, shape (rows, cols)
        A pattern, a graph, or a dense or sparse mask.
    path : str or os.PathLike
        Where to write the page.
    title : str, optional
        The heading of the page.
    extra : list or tuple of Section
        Sections that follow those of the report; one can stand without a list.
    overwrite : bool
        Whether a file that is there already is replaced.
    verdict : Verdict, optional
        What `rbgp_graphs.verify` returned for `p`, if it is known already.

    Returns
    -------
    pathlib.Path
        Where the page is.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If `p` has no cells, or the file cannot be written or exists while `overwrite` is False.
    MissingDependencyError
        If plotly is not installed.

    Notes
    -----
    The page holds plotly.js, about 5 MB, and opens without a network. It follows the reader's
    choice of light or dark; every figure has a text alternative and a data table. The pattern
    is shown whole, by tiles and by cells, and zooming into the whole draws finer levels, without
    a server. Patterns of at most 512 rows and columns are compared with others of their
    sparsity. The same arguments give the same bytes.

    Examples
    --------
    >>> import tempfile
    >>> from rbgp_graphs import RBGP4, projective_plane
    >>> pattern = RBGP4(projective_plane(2), (4, 1), projective_plane(3), (1, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report(pattern, f"{folder}/pattern.html").stat().st_size > 4_000_000
    True
    """
    subject = as_subject(p)
    target = as_path(path)
    sections = tuple(extra) if isinstance(extra, (list, tuple)) else (extra,)
    for section in sections:
        if not isinstance(section, Section):
            raise ArgumentTypeError(
                f"extra holds a {type(section).__name__}, expected a list of Section"
            )
    if title is not None:
        check_text("title", title)
    if verdict is None and has_bound(subject):
        verdict = spectral.verify(subject)
    page = render(
        title or summary.headline(subject),
        (*_own_sections(subject, verdict), *sections),
        f"Written by rbgp-graphs {package_version()}. SHA-256 of the structure: {subject.digest}",
    )
    write_file(target, [page], overwrite=overwrite)
    return target


def _own_sections(subject: Subject, verdict: spectral.Verdict | None) -> list[Section]:
    views = [
        pattern(subject, rows, cols, zoomable=number == 0)
        for number, (rows, cols) in enumerate(zoom_windows(subject))
    ]
    values = spectrum(subject, verdict=verdict)
    nested = factors(subject) if isinstance(subject, TensorProduct) else None
    return [
        Section("Key numbers", table=summary.key_numbers(subject)),
        Section("The design", summary.design(subject), nested, summary.factors(subject)),
        Section("The pattern", summary.how_to_read(subject), views),
        Section(
            "Is it Ramanujan?",
            summary.answer(subject, verdict),
            table=summary.verdicts(subject, verdict),
        ),
        Section("Singular values", summary.how_to_read_spectrum(verdict), values),
        *_graph_sections(subject),
        *_tiling_sections(subject),
        *_comparison_sections(subject),
    ]


def _graph_sections(subject: Subject) -> list[Section]:
    """Return drawings of the graph, or of the factors that are not complete, where they fit."""
    graphs = (
        dict(zip(subject.factor_names, subject.factors, strict=True))
        if isinstance(subject, TensorProduct)
        else {"the graph": subject}
    )
    drawings = []
    for name, each in graphs.items():
        if is_drawable(each) and (not each.is_complete or isinstance(subject, BipartiteGraph)):
            figure = graph(each)
            figure.update_layout(title_text=f"{name.capitalize()}, {each.left} + {each.right}")
            drawings.append(figure)
    if not drawings:
        return []
    return [Section("The graphs", summary.how_to_read_graphs(), drawings)]


def _tiling_sections(subject: Subject) -> list[Section]:
    if not isinstance(subject, RBGP4):
        return []
    return [Section("What a product loads", summary.how_to_read_tiling(), tiling(subject))]


def _comparison_sections(subject: Subject) -> list[Section]:
    """Return the pattern beside others of its shape and sparsity, if that is quick to measure."""
    rows, cols = subject.shape
    if not isinstance(subject, TensorProduct) or max(rows, cols) > _LARGEST_COMPARED:
        return []
    peers = {"this pattern": subject, "unstructured": unstructured(rows, cols, subject.sparsity)}
    block = math.gcd(rows, 16), math.gcd(cols, 16)
    if min(block) > 1:
        name = f"blocks {block[0]} × {block[1]}"
        peers[name] = block_sparse(rows, cols, subject.sparsity, block)
    figure = compare(*peers.values(), names=[*peers])
    return [Section("Beside others", summary.how_to_read_comparison(), figure)]
