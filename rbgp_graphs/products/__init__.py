"""Products of bipartite graphs as sparsity patterns, and the patterns to compare them with."""

from rbgp_graphs.products.baselines import (
    banded,
    block_sparse,
    butterfly,
    n_of_m,
    unstructured,
)
from rbgp_graphs.products.classical import (
    cartesian,
    lexicographic,
    replacement,
    strong,
    zig_zag,
)
from rbgp_graphs.products.rbgp4 import RBGP4
from rbgp_graphs.products.recipes import pattern_from_recipe
from rbgp_graphs.products.tensor import TensorProduct, Window
from rbgp_graphs.products.voltage import voltage_product

__all__ = [
    "RBGP4",
    "TensorProduct",
    "Window",
    "banded",
    "block_sparse",
    "butterfly",
    "cartesian",
    "lexicographic",
    "n_of_m",
    "pattern_from_recipe",
    "replacement",
    "strong",
    "unstructured",
    "voltage_product",
    "zig_zag",
]
