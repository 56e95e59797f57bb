"""Plotly figures of patterns and spectra, and a report that collects them in one page."""

from rbgp_graphs.viz.alternative import Table
from rbgp_graphs.viz.page import Section
from rbgp_graphs.viz.patterns import pattern
from rbgp_graphs.viz.reports import report
from rbgp_graphs.viz.spectra import spectrum
from rbgp_graphs.viz.theme import CONFIG

__all__ = ["CONFIG", "Section", "Table", "pattern", "report", "spectrum"]
