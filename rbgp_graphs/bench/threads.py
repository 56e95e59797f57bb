"""How many threads the libraries may use."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator

from rbgp_graphs._machine import usable_cores
from rbgp_graphs._validation import as_int
from rbgp_graphs.gpu import set_num_threads
from rbgp_graphs.gpu.cpu.threads import get_limit


@contextlib.contextmanager
def limit_threads(count: int | None) -> Iterator[int]:
    """Let every library that is loaded use this many threads, and put it back after that.

    Parameters
    ----------
    count : int or None
        Number of threads; None leaves everything as it is.

    Yields
    ------
    int
        The number of threads: `count`, or that of the usable cores.

    Notes
    -----
    This package, Numba and PyTorch are told by their own functions, BLAS and OpenMP libraries
    through threadpoolctl where it is installed. A library that is imported later is not limited.

    Examples
    --------
    >>> with limit_threads(1) as threads:
    ...     threads
    1
    """
    if count is None:
        yield usable_cores()
        return
    count = as_int("threads", count, minimum=1, maximum=usable_cores())
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError):
            stack.enter_context(importlib.import_module("threadpoolctl").threadpool_limits(count))
        stack.callback(set_num_threads, get_limit())
        set_num_threads(count)
        for module in ("numba", "torch"):
            library = sys.modules.get(module)
            if library is not None:
                stack.callback(library.set_num_threads, library.get_num_threads())
                library.set_num_threads(count)
        yield count
