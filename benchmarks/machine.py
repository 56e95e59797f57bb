"""What a measurement ran on; the package's own record."""

from rbgp_graphs.bench.machine import describe

__all__ = ["describe"]
