"""Constructions of bipartite graphs, a file for each family."""

from rbgp_graphs.constructions.array_code import array_code
from rbgp_graphs.constructions.biregular import random_biregular
from rbgp_graphs.constructions.complete import complete
from rbgp_graphs.constructions.field_lift import field_lift
from rbgp_graphs.constructions.lifts import cyclic_lift, lift, random_lift, two_lift
from rbgp_graphs.constructions.lps import lps
from rbgp_graphs.constructions.projective_plane import projective_plane
from rbgp_graphs.constructions.recipes import from_recipe

__all__ = [
    "array_code",
    "complete",
    "cyclic_lift",
    "field_lift",
    "from_recipe",
    "lift",
    "lps",
    "projective_plane",
    "random_biregular",
    "random_lift",
    "two_lift",
]
