"""Products on NVIDIA GPUs: CUDA kernels for RBGP4 patterns, launched through CuPy."""

from rbgp_graphs.gpu.cuda.status import KernelCheck, KernelStatus, check_kernels, status

__all__ = ["KernelCheck", "KernelStatus", "check_kernels", "status"]
