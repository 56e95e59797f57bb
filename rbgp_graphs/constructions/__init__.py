"""Constructions of bipartite graphs, a file for each family."""

from rbgp_graphs.constructions.abelian_cover import abelian_cover
from rbgp_graphs.constructions.affine_plane import affine_plane
from rbgp_graphs.constructions.array_code import array_code
from rbgp_graphs.constructions.biregular import random_biregular
from rbgp_graphs.constructions.chiu import chiu
from rbgp_graphs.constructions.complete import complete
from rbgp_graphs.constructions.double_cover import double_cover
from rbgp_graphs.constructions.field_lift import field_lift
from rbgp_graphs.constructions.generalized_hexagon import generalized_hexagon
from rbgp_graphs.constructions.generalized_quadrangle import generalized_quadrangle
from rbgp_graphs.constructions.lifts import cyclic_lift, lift, random_lift, two_lift
from rbgp_graphs.constructions.lps import lps
from rbgp_graphs.constructions.margulis_gabber_galil import margulis_gabber_galil
from rbgp_graphs.constructions.morgenstern import morgenstern
from rbgp_graphs.constructions.projective_plane import projective_plane
from rbgp_graphs.constructions.recipes import from_recipe

__all__ = [
    "abelian_cover",
    "affine_plane",
    "array_code",
    "chiu",
    "complete",
    "cyclic_lift",
    "double_cover",
    "field_lift",
    "from_recipe",
    "generalized_hexagon",
    "generalized_quadrangle",
    "lift",
    "lps",
    "margulis_gabber_galil",
    "morgenstern",
    "projective_plane",
    "random_biregular",
    "random_lift",
    "two_lift",
]
