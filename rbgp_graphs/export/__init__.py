"""Masks and weights for other libraries, a file for each target, and the way back.

Every function takes a `rbgp_graphs.BipartiteGraph`, a `rbgp_graphs.TensorProduct` or a
`rbgp_graphs.RBGP4`, and optional values in the order of CSR. The target library is imported
inside the function.
"""

from rbgp_graphs.export.igraph import to_igraph
from rbgp_graphs.export.networkx import to_networkx
from rbgp_graphs.export.numpy import to_numpy, unpack_bits
from rbgp_graphs.export.read import read_mask
from rbgp_graphs.export.scipy import to_scipy
from rbgp_graphs.export.write import write

__all__ = [
    "read_mask",
    "to_igraph",
    "to_networkx",
    "to_numpy",
    "to_scipy",
    "unpack_bits",
    "write",
]
