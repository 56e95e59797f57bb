"""A launch as a value: which kernel, specialised how, over which grid."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class NumberType:
    """How numbers are stored, multiplied and summed.

    Attributes
    ----------
    bytes : int
        Bytes of a stored number.
    stored, total : str
        The types of the kernels for stored numbers and for sums.
    on_tensor_cores : bool
        Whether the tensor cores of sm_80 multiply them.
    operand_error : float
        Relative error of an operand that is rounded before it is multiplied; 0 if none is.
    """

    bytes: int
    stored: str
    total: str
    on_tensor_cores: bool = False
    operand_error: float = 0.0

    @property
    def macros(self) -> dict[str, int | str]:
        """The macros that tell a kernel its types."""
        return {"RBGP_STORED": self.stored, "RBGP_SUM": self.total}


#: What kernels compute with: dtypes of operands, and "tf32" for operands in float32 whose
#: products may take the 10 bits of fraction that tensor cores multiply.
NUMBER_TYPES = {
    "float16": NumberType(bytes=2, stored="Half", total="float", on_tensor_cores=True),
    "bfloat16": NumberType(bytes=2, stored="BFloat16", total="float", on_tensor_cores=True),
    "tf32": NumberType(
        bytes=4, stored="float", total="float", on_tensor_cores=True, operand_error=2.0**-11
    ),
    "float32": NumberType(bytes=4, stored="float", total="float"),
    "float64": NumberType(bytes=8, stored="double", total="double"),
}
#: What a user may let operands in float32 be rounded to.
PRECISIONS = ("tf32",)
#: How the kernels number the functions that end a product.
ACTIVATIONS: dict[str | None, int] = {None: 0, "relu": 1, "gelu": 2, "silu": 3}
#: Widest load and store of a thread.
VECTOR_BYTES = 16
#: Shared memory that a block has on every device without asking for more.
STANDARD_SHARED_BYTES = 48 * 1024
#: What the launches of this package ask for at most: all devices from sm_86 on have it.
LARGE_SHARED_BYTES = 96 * 1024
_LARGEST_GRID = 2**31 - 1
#: Largest extent of a grid along its last axis.
_LARGEST_BATCH = 65535


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How to compile and launch a kernel for one problem.

    Attributes
    ----------
    kernel : str
        File of the kernel, without suffix; the function is ``rbgp_<kernel>``.
    structure : dict
        Macros that decide types and the sizes of arrays in registers.
    constants : dict
        Macros that are plain numbers: sizes of the pattern, extents, offsets in shared memory.
    blocks, batches : int
        Grid: blocks of one batch, and matrices that are computed side by side.
    threads : int
        Threads of a block.
    shared_bytes : int
        Dynamic shared memory of a block.
    options : tuple of str
        What else the compiler has to be told: an architecture that is not the device's own.
    operand_error : float
        As in `NumberType`, of what the kernel multiplies.
    then : Launch or None
        What has to run after it on its result.
    """

    kernel: str
    structure: dict[str, int | str]
    constants: dict[str, int]
    blocks: int
    batches: int = 1
    threads: int
    shared_bytes: int = 0
    options: tuple[str, ...] = ()
    operand_error: float = 0.0
    then: Launch | None = None
    macros: dict[str, int | str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        macros = {**self.structure, **self.constants, "RBGP_THREADS": self.threads}
        object.__setattr__(self, "macros", macros)

    @functools.cached_property
    def key(self) -> str:
        """What compiled code depends on, in one word, which is composed once."""
        return f"{self.kernel} {self.shared_bytes} {self.macros}"

    @property
    def fits(self) -> bool:
        """Whether a grid of this extent can be launched."""
        return 0 < self.blocks <= _LARGEST_GRID

    @property
    def variant(self) -> str:
        """A short name: the kernel and its structure."""
        words = (f"{k.removeprefix('RBGP_').lower()}={v}" for k, v in self.structure.items())
        return f"{self.kernel}({', '.join(words)})"


def number_type(dtype: Any, precision: str | None = None) -> str:
    """Return the key in `NUMBER_TYPES` of operands of a dtype.

    Examples
    --------
    >>> import numpy as np
    >>> number_type(np.dtype(np.float32)), number_type(np.dtype(np.float32), "tf32")
    ('float32', 'tf32')
    """
    name: str = dtype.name
    return precision if precision is not None and name == "float32" else name


def grid_batches(batches: int) -> int:
    """Return the extent of a grid for a batch; the kernels loop over what is left."""
    return max(1, min(batches, _LARGEST_BATCH))


def power_of_two_from(n: int) -> int:
    """Return the smallest power of two that is at least `n`."""
    return 1 << max(0, n - 1).bit_length()


def round_up(n: int, multiple: int) -> int:
    """Return the smallest multiple that is at least `n`."""
    return -(-n // multiple) * multiple
