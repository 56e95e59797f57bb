"""Small patterns and weights for the tests of the layers."""

from __future__ import annotations

import torch

from rbgp_graphs.constructions import field_lift, random_biregular
from rbgp_graphs.products import RBGP4


def plain() -> RBGP4:
    """Return a pattern of 16 x 12 with a row group of 4."""
    outer = random_biregular(2, 2, 1, rng=0)
    return RBGP4(outer, (2, 1), random_biregular(2, 3, 3, rng=0), (2, 2))


def twisted() -> RBGP4:
    """Return a twisted pattern of 32 x 32."""
    return RBGP4(field_lift(2, 2, 1, 1), (2, 2), field_lift(2, 2, 1, 1), (2, 2), [1, 0, 2, 3] * 2)


def values_of(pattern: RBGP4, dtype: torch.dtype = torch.float64, seed: int = 0) -> torch.Tensor:
    """Return normal values."""
    generator = torch.Generator().manual_seed(seed)
    shape = (pattern.rows, pattern.row_degree)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def normal(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> torch.Tensor:
    """Return normal numbers."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
