"""What one instruction of a warp multiplies on tensor cores, and how its operands are laid out.

An instruction takes 32 bytes along the sums: 16 numbers of two bytes, or 8 of four. `ldmatrix`
reads a row of a matrix, half of that, as a piece of 16 bytes.
"""

from __future__ import annotations

from rbgp_graphs.gpu.cuda.launch import NUMBER_TYPES, VECTOR_BYTES

#: From here on a device has the instructions.
OLDEST_CAPABILITY = (8, 0)
#: Warps of a block, where the pattern has work for so many.
WARPS = 8
#: Rows of a group in one instruction, and what it multiplies them with: columns of the operand
#: in the product, values of a row in the sampled product.
STEP_ROWS, STEP_PLACES = 8, 16
#: From here on no multiprocessor has shared memory for more than three blocks.
FEW_BLOCKS_BYTES = 64 * 1024
#: Bytes of one operand along the sums.
_STEP_BYTES = 2 * VECTOR_BYTES


def suits(dtype: str, capability: tuple[int, int]) -> bool:
    """Return whether the tensor cores of a device multiply numbers of a type.

    Examples
    --------
    >>> suits("float16", (8, 0)), suits("float16", (7, 5)), suits("float32", (9, 0))
    (True, False, False)
    """
    return NUMBER_TYPES[dtype].on_tensor_cores and capability >= OLDEST_CAPABILITY


def step_length(dtype: str) -> int:
    """Return how many sums one instruction takes.

    Examples
    --------
    >>> step_length("float16"), step_length("tf32")
    (16, 8)
    """
    return _STEP_BYTES // NUMBER_TYPES[dtype].bytes


def piece_length(dtype: str) -> int:
    """Return how many numbers 16 bytes hold.

    Rows in shared memory that are longer by this than a multiple of a step lie at odd multiples
    of 16 bytes, so that the eight rows that `ldmatrix` reads at a time use different banks.
    """
    return VECTOR_BYTES // NUMBER_TYPES[dtype].bytes
