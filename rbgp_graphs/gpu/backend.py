"""The backends: one fixed table, and how a name picks from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rbgp_graphs.errors import ArgumentError, BackendError
from rbgp_graphs.gpu import numpy_backend
from rbgp_graphs.gpu.cpu import chain as cpu_chain
from rbgp_graphs.gpu.cpu import products as cpu_products
from rbgp_graphs.gpu.cpu import target as cpu_target
from rbgp_graphs.gpu.cuda import cupy_backend
from rbgp_graphs.gpu.cuda.launch import PRECISIONS


@dataclass(frozen=True, kw_only=True)
class BackendInfo:
    """What a backend is and whether it runs here.

    Attributes
    ----------
    name : str
        What to pass as ``backend=``.
    available : bool
        Whether it runs on this machine.
    reason : str or None
        Why it does not run, or None if it does.
    description : str
        What it is made of, in one line.
    """

    name: str
    available: bool
    reason: str | None
    description: str


@dataclass(frozen=True, kw_only=True)
class Backend:
    """The three products of one implementation.

    Arrays come checked: shapes fit, dtypes are real, `out` is writeable, overlaps nothing and
    has dtype float16, bfloat16, float32 or float64. Strides are any, and the values may have
    changed in place since the last call.

    Attributes
    ----------
    name, description : str
        See `BackendInfo`.
    missing : callable
        Returns why the backend does not run here, or None if it does.
    forward : callable
        ``forward(pattern, values, X, out, bias, activation)`` writes the product with X of
        shape (..., cols, N), plus bias of shape (rows,) and after the activation, to `out` of
        shape (..., rows, N).
    transposed : callable
        The same with the transposed matrix: operand (..., rows, N), bias (cols,), `out`
        (..., cols, N).
    sampled : callable
        ``sampled(pattern, dY, X, out)`` with dY (..., rows, N) and X (..., cols, N) writes the
        products of row i of dY and row j of X, summed over the leading axes, for all
        nonzeros (i, j) to `out` of shape (rows, row_degree).
    chain : callable or None
        ``chain(layers, X, out, memory)`` writes the result of layers, given as tuples (pattern,
        values, bias, activation), to `out` of shape (rows, N), N > 0; all have nonzeros.
        ``memory(k, size)`` returns at least `size` bytes for the result of layer k, until that of
        layer k + 2. None if the backend has nothing better than one product after the other.
    precisions : tuple of str
        Which of `PRECISIONS` it gains from: what it takes as a last argument of the products.
    """

    name: str
    description: str
    missing: Callable[[], str | None]
    forward: Callable[..., None]
    transposed: Callable[..., None]
    sampled: Callable[..., None]
    chain: Callable[..., None] | None = None
    precisions: tuple[str, ...] = ()

    def reduced(self, precision: str | None) -> dict[str, str]:
        """Return what to pass to a product that may be computed in a reduced precision."""
        return {"precision": precision} if precision in self.precisions else {}

    @property
    def info(self) -> BackendInfo:
        """What users see of the backend."""
        reason = self.missing()
        return BackendInfo(
            name=self.name,
            available=reason is None,
            reason=reason,
            description=self.description,
        )


#: From the fastest to the one that always runs; "auto" takes the first that is available. What
#: lies on a GPU is computed there, and what lies on the CPU is copied to a GPU only on request.
_TABLE = (
    Backend(
        name="cpu",
        description="kernels compiled at run time by LLVM, with sums in vector registers",
        missing=cpu_target.missing,
        forward=cpu_products.forward,
        transposed=cpu_products.transposed,
        sampled=cpu_products.sampled,
        chain=cpu_chain.chain,
    ),
    Backend(
        name="numpy",
        description="gather and batched dense products with NumPy and SciPy, on the CPU",
        missing=lambda: None,
        forward=numpy_backend.forward,
        transposed=numpy_backend.transposed,
        sampled=numpy_backend.sampled,
    ),
    Backend(
        name="cupy",
        description="CUDA kernels compiled at run time, through CuPy, on an NVIDIA GPU",
        missing=cupy_backend.missing,
        forward=cupy_backend.forward,
        transposed=cupy_backend.transposed,
        sampled=cupy_backend.sampled,
        precisions=PRECISIONS,
    ),
)


def check_precision(precision: Any) -> None:
    """Raise unless a precision is None or one of `PRECISIONS`."""
    if precision is not None and precision not in PRECISIONS:
        names = ", ".join(map(repr, PRECISIONS))
        raise ArgumentError(
            f"precision is {precision!r}, expected None or {names}: what operands in float32 may "
            "be rounded to"
        )


def backends() -> tuple[BackendInfo, ...]:
    """Return the backends of this version, and why not what does not run here.

    Returns
    -------
    tuple of BackendInfo
        In the order in which ``backend="auto"`` tries them.

    Examples
    --------
    >>> [b.name for b in backends()]
    ['cpu', 'numpy', 'cupy']
    """
    return tuple(backend.info for backend in _TABLE)


def choose(name: Any, *, on_device: bool = False) -> Backend:
    """Return the backend of that name, or the first available one for "auto".

    With `on_device` some array lies on a CUDA device, which only "cupy" can use.
    """
    table = [backend for backend in _TABLE if backend.name == "cupy" or not on_device]
    if on_device and name in {backend.name for backend in _TABLE} - {"cupy"}:
        raise BackendError(
            f"backend {name!r} works on the CPU and an array lies on a CUDA device; use 'auto' or "
            "'cupy', or copy the array to the CPU"
        )
    for backend in table:
        if name in ("auto", backend.name) and backend.missing() is None:
            return backend
    lines = [
        f"{b.name} ({'available' if b.available else f'not available: {b.reason}'})"
        for b in backends()
    ]
    raise BackendError(f"backend {name!r} cannot be used; allowed are auto, {', '.join(lines)}")
