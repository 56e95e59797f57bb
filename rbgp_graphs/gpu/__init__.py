"""Products of matrices with an RBGP4 pattern and dense arrays, behind one interface.

`RBGP4Matrix` holds a pattern and its values. `matmul` is the product with all options, and
`backends` says what computes it. `Sequential` runs several layers. `set_num_threads` limits the
threads of products on the CPU. `tune` finds the fastest kernels for a pattern on a GPU.
"""

from rbgp_graphs.gpu.backend import BackendInfo, backends
from rbgp_graphs.gpu.cpu.threads import get_num_threads, set_num_threads
from rbgp_graphs.gpu.cuda.tuning import Timing, Tuned, tune
from rbgp_graphs.gpu.matrix import RBGP4Matrix
from rbgp_graphs.gpu.product import matmul
from rbgp_graphs.gpu.sequential import Sequential

__all__ = [
    "BackendInfo",
    "RBGP4Matrix",
    "Sequential",
    "Timing",
    "Tuned",
    "backends",
    "get_num_threads",
    "matmul",
    "set_num_threads",
    "tune",
]
