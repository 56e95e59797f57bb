"""Designs of every row group, and targets that this machine can run."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from rbgp_graphs.gpu.cpu.target import Target, host
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import factor_graphs

#: Row groups from 1 to 128, as (repetitions, rows of a block).
GROUPS = ((1, 1), (2, 1), (1, 3), (4, 1), (5, 1), (1, 8), (11, 1), (8, 2), (4, 16), (64, 2))
#: Columns: none, one, less than a vector, whole vectors, panels with and without a tail.
COLUMNS = (0, 1, 3, 16, 33, 64, 100)


@st.composite
def designs(draw: st.DrawFn) -> RBGP4:
    """Generate a pattern with a row group from `GROUPS`, plain or twisted on either side."""
    outer, inner = draw(factor_graphs()), draw(factor_graphs(max_side=8))
    (repeat_rows, block_rows), wide = draw(st.sampled_from(GROUPS)), st.integers(1, 3)
    repeat, block = (repeat_rows, draw(wide)), (block_rows, draw(wide))
    side: Any = draw(st.sampled_from((None, "right", "left")))
    if side is None:
        return RBGP4(outer, repeat, inner, block)
    modulus, count = inner.right if side == "right" else inner.left, outer.num_edges
    shifts = draw(st.lists(st.integers(0, modulus - 1), min_size=count, max_size=count))
    return RBGP4(outer, repeat, inner, block, shifts, side)


def narrow_host() -> Target | None:
    """Return this machine without its 512-bit vectors, or None if it has none."""
    target = host()
    if target.vector_bytes < 64:
        return None
    return dataclasses.replace(
        target, cpu="haswell", features="+avx2,+fma,+f16c", vector_bytes=32, registers=16
    )
