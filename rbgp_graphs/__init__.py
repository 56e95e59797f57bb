"""Ramanujan graphs, their products as sparsity patterns, and matmul with them."""

from rbgp_graphs import constructions, encoding, export, gpu, products, spectral, viz
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
from rbgp_graphs.encoding import dumps, load, loads, save
from rbgp_graphs.errors import (
    ArgumentError,
    ArgumentTypeError,
    BackendError,
    FormatError,
    InfeasibleError,
    MissingDependencyError,
    RBGPError,
)
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.selection import design, ramanujan
from rbgp_graphs.spectral import verify

__all__ = [
    "RBGP4",
    "ArgumentError",
    "ArgumentTypeError",
    "BackendError",
    "BipartiteGraph",
    "FormatError",
    "InfeasibleError",
    "MissingDependencyError",
    "RBGPError",
    "TensorProduct",
    "array_code",
    "complete",
    "constructions",
    "cyclic_lift",
    "design",
    "dumps",
    "encoding",
    "export",
    "field_lift",
    "gpu",
    "lift",
    "load",
    "loads",
    "lps",
    "products",
    "projective_plane",
    "ramanujan",
    "random_biregular",
    "random_lift",
    "save",
    "spectral",
    "two_lift",
    "verify",
    "viz",
]
