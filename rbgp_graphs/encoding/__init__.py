"""The .rbgp file format."""

from rbgp_graphs.encoding.file import Loaded, dumps, load, loads, save

__all__ = ["Loaded", "dumps", "load", "loads", "save"]
