"""Spectra of graphs and products."""
