"""Plotly figures of patterns and spectra, and a report that collects them in one page."""

from rbgp_graphs.viz.patterns import pattern
from rbgp_graphs.viz.theme import CONFIG

__all__ = ["CONFIG", "pattern"]
