"""The CUDA kernels, and what launches them through CuPy."""
