"""Plotly figures of patterns, graphs and spectra, and a report that collects them in one page."""

from rbgp_graphs.viz.alternative import Table
from rbgp_graphs.viz.benchmarks import benchmark
from rbgp_graphs.viz.comparisons import compare
from rbgp_graphs.viz.dashboard import app
from rbgp_graphs.viz.design_spaces import design_space
from rbgp_graphs.viz.drawings import graph
from rbgp_graphs.viz.images import save
from rbgp_graphs.viz.nesting import factors
from rbgp_graphs.viz.page import Section
from rbgp_graphs.viz.patterns import pattern
from rbgp_graphs.viz.reports import report
from rbgp_graphs.viz.spectra import spectrum
from rbgp_graphs.viz.theme import CONFIG
from rbgp_graphs.viz.tilings import tiling

__all__ = [
    "CONFIG",
    "Section",
    "Table",
    "app",
    "benchmark",
    "compare",
    "design_space",
    "factors",
    "graph",
    "pattern",
    "report",
    "save",
    "spectrum",
    "tiling",
]
