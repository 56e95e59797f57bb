"""Checks and measurements on an NVIDIA GPU: ``python -m benchmarks gpu``."""
