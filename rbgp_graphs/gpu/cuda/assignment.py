"""Which kernel computes each product of a pattern on a device, and why not the faster ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.gpu.cuda.launch import NUMBER_TYPES, VECTOR_BYTES
from rbgp_graphs.gpu.cuda.machine import OLDEST_CAPABILITY
from rbgp_graphs.gpu.cuda.plans import Problem, misfits
from rbgp_graphs.gpu.cuda.prepared import Prepared
from rbgp_graphs.products import RBGP4


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """The kernel of one product.

    Attributes
    ----------
    product : {"forward", "transposed", "sampled"}
        The product.
    dtype : str
        The dtype of the operands, "tf32" for float32 with ``precision="tf32"``.
    capability : (int, int)
        The compute capability of the device.
    kernel : str
        Which kernel computes it.
    misfits : dict
        Why the faster kernels do not, by name.
    """

    product: Literal["forward", "transposed", "sampled"]
    dtype: str
    capability: tuple[int, int]
    kernel: str
    misfits: dict[str, str]


def assigned_kernels(
    pattern: RBGP4, capability: tuple[int, int], columns: int = 256
) -> list[Assignment]:
    """Say which CUDA kernel computes each product of a pattern on a kind of device.

    This needs no device: it follows from the sizes of the pattern. A kernel that a device finds
    to be wrong is replaced by the next one there, and so are "hopper" and "sampled_hopper" where
    the rows of an operand do not begin at multiples of 16 bytes, or a batch has gaps.

    Parameters
    ----------
    pattern : RBGP4
        The pattern.
    capability : (int, int)
        The compute capability, for example (9, 0).
    columns : int
        Columns of the dense operands, which are without gaps.

    Returns
    -------
    list of Assignment
        One for each product and dtype.

    Raises
    ------
    ArgumentError
        If the kernels do not run on such devices, or there are no columns.

    Examples
    --------
    >>> import rbgp_graphs as rg
    >>> pattern = rg.RBGP4(rg.complete(2, 2), (8, 1), rg.random_biregular(4, 4, 2, rng=0), (1, 4))
    >>> first = assigned_kernels(pattern, (9, 0))[0]
    >>> first.product, first.dtype, first.kernel, first.misfits
    ('forward', 'float16', 'tensor_core', {'hopper': '|V_b| = 4 is not a multiple of 8'})
    """
    n = as_int("columns", columns, minimum=1)
    if tuple(capability) < OLDEST_CAPABILITY:
        raise ArgumentError(f"capability is {capability!r}, the kernels need at least (7, 0)")
    plain, transposed = Prepared(pattern, np), Prepared(pattern.T, np)
    products: tuple[tuple[Literal["forward", "transposed", "sampled"], Prepared], ...] = (
        ("forward", plain),
        ("transposed", transposed),
        ("sampled", plain),
    )
    found = []
    for product, prepared in products:
        for dtype in NUMBER_TYPES:
            problem = Problem(
                product="sampled" if product == "sampled" else "forward",
                size=prepared.size,
                dtype=dtype,
                n=n,
                rows_aligned=n * NUMBER_TYPES[dtype].bytes % VECTOR_BYTES == 0,
            )
            reasons = misfits(problem, capability)
            kernel = next(kernel for kernel, reason in reasons.items() if reason is None)
            found.append(
                Assignment(
                    product=product,
                    dtype=dtype,
                    capability=capability,
                    kernel=kernel,
                    misfits={k: reason for k, reason in reasons.items() if reason is not None},
                )
            )
    return found
