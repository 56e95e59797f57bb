"""What recorded CUDA graphs read and write: a graph knows addresses, and owns no memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

_kept: list[Any] = []


@contextlib.contextmanager
def kept(cupy: Any, *objects: Any) -> Iterator[None]:
    """Keep some objects, and all memory that this thread takes from CuPy meanwhile."""
    allocate = cupy.cuda.get_allocator()

    def keep(size: int) -> Any:
        memory = allocate(size)
        _kept.append(memory)
        return memory

    _kept.extend(objects)
    with cupy.cuda.using_allocator(keep):
        yield


def release_graphs() -> None:
    """Give back the memory that products keep for recorded CUDA graphs.

    A product that a CUDA graph records keeps its pattern, values and bias, and all memory that it
    takes from CuPy: its result, copies of operands, sums between two kernels. Every launch of the
    graph uses them again. CUDA does not say when a graph is gone, so they are kept until this is
    called. Call it when no graph with products of this package is launched any more.

    Examples
    --------
    >>> release_graphs()
    """
    _kept.clear()
