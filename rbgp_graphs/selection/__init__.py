"""The front doors: a graph for a shape, a pattern for a layer, and what families there are."""

from rbgp_graphs.selection.design import design
from rbgp_graphs.selection.families import Family, FamilyMember, families
from rbgp_graphs.selection.ramanujan import ramanujan
from rbgp_graphs.selection.twist import twist

__all__ = ["Family", "FamilyMember", "design", "families", "ramanujan", "twist"]
