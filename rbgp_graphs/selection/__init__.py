"""The two front doors: a Ramanujan graph for a shape, and a pattern for a layer."""

from rbgp_graphs.selection.design import design
from rbgp_graphs.selection.ramanujan import ramanujan

__all__ = ["design", "ramanujan"]
