"""Sphinx configuration. The build needs no network and no LaTeX: formulas become MathML."""

from __future__ import annotations

import doctest
import importlib
import importlib.metadata
import importlib.util
import inspect
import re
import sys
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import benchmark_tables  # noqa: E402
import cli_reference  # noqa: E402 (these lie beside this file)
import figures  # noqa: E402
import gallery  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

logger = logging.getLogger(__name__)

project = "rbgp-graphs"
author = "The rbgp-graphs developers"
project_copyright = author
release = importlib.metadata.version("rbgp-graphs")
version = ".".join(release.split(".")[:2])

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
]
exclude_patterns = ["_build", "_generated", "_templates"]
templates_path = ["_templates"]
default_role = "code"
nitpicky = True

myst_enable_extensions = ["attrs_inline", "deflist", "dollarmath"]
myst_heading_anchors = 3

# The builder "doctest" runs the code of the pages; that of the docstrings runs in the tests.
doctest_test_doctest_blocks = ""
doctest_default_flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

autosummary_generate = True
# Annotations would link to classes of other projects, and their indexes are on the network.
autodoc_typehints = "none"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

TOP_PAGES = [page.stem for page in HERE.glob("*.md")]

html_theme = "pydata_sphinx_theme"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["rbgp.css"]
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"
# Only the API reference has pages below pages.
html_sidebars = {page: [] for page in TOP_PAGES}
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": project},
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}


PUBLIC_MODULES = (
    "rbgp_graphs",
    "rbgp_graphs.bench",
    "rbgp_graphs.constructions",
    "rbgp_graphs.encoding",
    "rbgp_graphs.export",
    "rbgp_graphs.gpu",
    "rbgp_graphs.gpu.cuda",
    "rbgp_graphs.gpu.distributed",
    "rbgp_graphs.nn",
    "rbgp_graphs.products",
    "rbgp_graphs.selection",
    "rbgp_graphs.spectral",
    "rbgp_graphs.viz",
)


# Their docstrings refer to pages that are not here.
FOREIGN = ("numpy", "torch")

# What docutils' converter does not know, and what it calls the same sign.
TEX_ALIASES = {"\\dots": "\\ldots", "≡": "\\equiv "}


def write_generated(app: Sphinx) -> None:
    """Write the tables and draw the figures that the pages include."""
    if app.builder.name == "doctest":
        return  # It runs after another builder, which has done that.
    generated = HERE / "_generated"
    cli_reference.write_reference(generated / "cli.md")
    benchmark_tables.write_all(HERE / "benchmarks", generated)
    figures.draw_all(generated)
    gallery.draw_all(HERE / "gallery.md", generated / "gallery")


def check_api_pages(_: Sphinx) -> None:
    """Warn about public names that no page of the API reference lists."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in (HERE / "api").glob("*.md"))
    listed = set(re.findall(r"^   (\w+)$", text, re.MULTILINE))
    for name in PUBLIC_MODULES:
        module = importlib.import_module(name)
        for public in sorted(set(module.__all__) - listed):
            if callable(getattr(module, public)):
                logger.warning("docs/api: %s.%s is public but on no page", name, public)


def skip_foreign(
    _app: Sphinx, _what: str, _name: str, member: Any, _skip: bool, _options: Any
) -> bool | None:
    """Leave out what a class has from another project, such as the methods of torch's Module."""
    module = getattr(inspect.unwrap(member), "__module__", None) if callable(member) else None
    return True if module and module.partition(".")[0] in FOREIGN else None


def mark_doctests(_app: Sphinx, page: str, source: list[str]) -> None:
    """Let Sphinx know the code that it can run, and drop the empty line that ends each block."""
    needed = re.findall(r'importorskip\("(\w+)"\)', source[0])
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        logger.info("%s: its code is not run without %s", page, ", ".join(missing))
    kind = "python" if missing else "{doctest}"
    source[0] = re.sub(r"(?ms)^```python\n(>>>.*?)\n+^```$", rf"```{kind}\n\1\n```", source[0])


def show_both_themes(_app: Sphinx, page: str, source: list[str]) -> None:
    """Let the pictures of the gallery follow the reader's choice of light or dark."""
    if page == "gallery":
        source[0] = gallery.with_themes(source[0])


def to_mathml(node: nodes.math | nodes.math_block, *, as_block: bool = False) -> str:
    """Convert a formula; one that cannot be converted is a warning and stays TeX."""
    tex = node.astext()
    for unknown, known in TEX_ALIASES.items():
        tex = tex.replace(unknown, known)
    try:
        return tex2mathml(tex, as_block=as_block)
    except MathError as error:
        logger.warning("formula %r: %s", tex, error, location=node)
        return f"<code>{escape(tex)}</code>"


def visit_inline_math(self: Any, node: nodes.math) -> None:
    """Write an inline formula as MathML, which browsers draw without scripts or fonts."""
    self.body.append(to_mathml(node))
    raise nodes.SkipNode


def visit_displayed_math(self: Any, node: nodes.math_block) -> None:
    """Write a displayed formula as MathML."""
    self.body.append(f'<div class="formula">{to_mathml(node, as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Register what this file adds to Sphinx."""
    app.connect("source-read", mark_doctests)
    app.connect("source-read", show_both_themes)
    app.connect("builder-inited", write_generated)
    app.connect("builder-inited", check_api_pages)
    app.connect("autodoc-skip-member", skip_foreign)
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(visit_inline_math, None),
        block_renderers=(visit_displayed_math, None),
    )
