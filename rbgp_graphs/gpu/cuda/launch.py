"""A launch as a value: which kernel, specialised how, over which grid."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Bytes of a number, the type that the kernels store it in, and the type of their sums.
NUMBER_TYPES = {
    "float16": (2, "Half", "float"),
    "bfloat16": (2, "BFloat16", "float"),
    "float32": (4, "float", "float"),
    "float64": (8, "double", "double"),
}
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
        What else the compiler has to be told.
    """

    kernel: str
    structure: dict[str, int | str]
    constants: dict[str, int]
    blocks: int
    batches: int = 1
    threads: int
    shared_bytes: int = 0
    options: tuple[str, ...] = ()
    macros: dict[str, int | str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        macros = {**self.structure, **self.constants, "RBGP_THREADS": self.threads}
        object.__setattr__(self, "macros", macros)

    @property
    def fits(self) -> bool:
        """Whether a grid of this extent can be launched."""
        return 0 < self.blocks <= _LARGEST_GRID

    @property
    def variant(self) -> str:
        """A short name: the kernel and its structure."""
        words = (f"{k.removeprefix('RBGP_').lower()}={v}" for k, v in self.structure.items())
        return f"{self.kernel}({', '.join(words)})"


def grid_batches(batches: int) -> int:
    """Return the extent of a grid for a batch; the kernels loop over what is left."""
    return max(1, min(batches, _LARGEST_BATCH))


def power_of_two_from(n: int) -> int:
    """Return the smallest power of two that is at least `n`."""
    return 1 << max(0, n - 1).bit_length()


def round_up(n: int, multiple: int) -> int:
    """Return the smallest multiple that is at least `n`."""
    return -(-n // multiple) * multiple
