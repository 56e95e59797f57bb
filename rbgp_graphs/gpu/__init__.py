"""Products of matrices with an RBGP4 pattern and dense arrays, behind one interface.

`RBGP4Matrix` holds a pattern and its values. `matmul` is the product with all options, and
`backends` says what computes it. In this version all backends run on the CPU.
"""

from rbgp_graphs.gpu.backend import BackendInfo, backends
from rbgp_graphs.gpu.matrix import RBGP4Matrix
from rbgp_graphs.gpu.product import matmul

__all__ = ["BackendInfo", "RBGP4Matrix", "backends", "matmul"]
