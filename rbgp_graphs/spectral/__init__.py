"""Spectra of graphs and products: singular values, bounds and verdicts."""

from rbgp_graphs.spectral.bounds import ramanujan_bound, trace_bound
from rbgp_graphs.spectral.spectrum import Spectrum, singular_values, spectrum
from rbgp_graphs.spectral.verdict import Verdict, second_singular_value, verify

__all__ = [
    "Spectrum",
    "Verdict",
    "ramanujan_bound",
    "second_singular_value",
    "singular_values",
    "spectrum",
    "trace_bound",
    "verify",
]
