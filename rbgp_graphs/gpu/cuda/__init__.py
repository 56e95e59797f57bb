"""Products on NVIDIA GPUs: CUDA kernels for RBGP4 patterns, launched through CuPy."""

from rbgp_graphs.gpu.cuda.assignment import Assignment, assigned_kernels
from rbgp_graphs.gpu.cuda.recording import release_graphs
from rbgp_graphs.gpu.cuda.status import KernelCheck, KernelStatus, check_kernels, status

__all__ = [
    "Assignment",
    "KernelCheck",
    "KernelStatus",
    "assigned_kernels",
    "check_kernels",
    "release_graphs",
    "status",
]
