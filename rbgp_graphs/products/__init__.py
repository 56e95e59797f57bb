"""Products of bipartite graphs as sparsity patterns."""

from rbgp_graphs.products.rbgp4 import RBGP4
from rbgp_graphs.products.recipes import pattern_from_recipe
from rbgp_graphs.products.tensor import TensorProduct, Window

__all__ = ["RBGP4", "TensorProduct", "Window", "pattern_from_recipe"]
