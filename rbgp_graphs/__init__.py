"""Ramanujan graphs, their products as sparsity patterns, and matmul with them."""

from rbgp_graphs.constructions import (
    array_code,
    complete,
    cyclic_lift,
    field_lift,
    lift,
    lps,
    projective_plane,
    random_biregular,
    random_lift,
    two_lift,
)
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct

__all__ = [
    "RBGP4",
    "BipartiteGraph",
    "TensorProduct",
    "array_code",
    "complete",
    "cyclic_lift",
    "field_lift",
    "lift",
    "lps",
    "projective_plane",
    "random_biregular",
    "random_lift",
    "two_lift",
]
