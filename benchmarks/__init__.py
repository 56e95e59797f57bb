"""Measurements of the package next to its peers; not part of the test run."""
