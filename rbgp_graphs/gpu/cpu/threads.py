"""A pool of threads that run one kernel together."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError

_MAX_THREADS = 1024
_ALIGNMENT = 64
#: Scratch memory above this size is given back after the product.
_KEPT_BYTES = 64 << 20
_HUGE_PAGE = 2 << 20
_VARIABLE = "RBGP_NUM_THREADS"
#: How long the set of processors counts as known.
_KNOWN_SECONDS = 1.0


def get_num_threads() -> int:
    """Return how many threads a product on the CPU uses at most.

    The number given to `set_num_threads`, else the environment variable RBGP_NUM_THREADS, else
    the number of processors that this process may run on.

    Raises
    ------
    ArgumentError
        If the environment variable is set to something else than a number from 1 to 1024.

    Examples
    --------
    >>> get_num_threads() >= 1
    True
    """
    if _pool.limit is not None:
        return _pool.limit
    text = os.environ.get(_VARIABLE, "").strip()
    if text:
        if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= _MAX_THREADS:
            raise ArgumentError(f"{_VARIABLE} is {text!r}, expected a number from 1 to 1024")
        return int(text)
    return min(_MAX_THREADS, len(_pool.processors()))


def set_num_threads(number: int | None) -> None:
    """Set how many threads a product on the CPU uses at most.

    Parameters
    ----------
    number : int or None
        From 1 to 1024, or None to go back to the default (see `get_num_threads`).

    Raises
    ------
    ArgumentTypeError
        If `number` is no integer.
    ArgumentError
        If it is out of range.

    Notes
    -----
    The number of threads does not change a result: every entry is summed by one thread.

    Examples
    --------
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(None)
    """
    _pool.limit = (
        None if number is None else as_int("number", number, minimum=1, maximum=_MAX_THREADS)
    )


def get_limit() -> int | None:
    """Return the number given to `set_num_threads`, None if there is none."""
    return _pool.limit


class _Job:
    """A kernel that its caller and helpers run together.

    An interrupt may hit the caller between any two steps. So no step of the caller's takes
    anything away: each gives the same answer when it is done again.
    """

    def __init__(self, call: Callable[[int], None], num_helpers: int, needed: Any) -> None:
        #: The call and what it needs, as long as a helper may run.
        self.work: tuple[Callable[[int], None], Any] | None = (call, needed)
        self.num_helpers = num_helpers
        self.is_begun = False
        #: Who came first: a helper that begins its part, or the caller who withdraws it.
        self.owners: dict[int, str] = {}
        self.finished: set[int] = set()
        #: Wakes the caller after each entry of `finished`.
        self.news: queue.SimpleQueue[None] = queue.SimpleQueue()

    def go_on(self) -> None:
        """Do what is left of the work of the caller, and wait for the helpers."""
        assert self.work is not None
        if not self.is_begun:
            self.is_begun = True
            for k, place in enumerate(_pool.places(self.num_helpers), start=1):
                _pool.invite(functools.partial(self.help, k), place)
            self.work[0](0)
        for k in range(1, self.num_helpers + 1):
            if self.owners.setdefault(k, "caller") == "helper":
                while k not in self.finished:
                    self.news.get()
        self.work = None

    def help(self, k: int) -> None:
        """Do a part in a helper, unless the caller has withdrawn it."""
        if self.owners.setdefault(k, "helper") == "helper" and self.work is not None:
            try:
                self.work[0](k)
            finally:
                self.finished.add(k)
                self.news.put(None)


class _Pool:
    """Helpers that wait for tickets, one on each processor; started when first needed."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self.forget_helpers()

    def forget_helpers(self) -> None:
        """Start afresh: in a forked child the threads of the parent are gone."""
        self.queues: dict[int, queue.SimpleQueue[Callable[[], None]]] = {}
        self.growing = threading.Lock()
        self._processors: tuple[int, ...] = ()
        self._known_until = 0.0

    def processors(self) -> tuple[int, ...]:
        """Return the processors that this process may run on, looked up again every second."""
        now = time.monotonic()
        if now >= self._known_until:
            if hasattr(os, "sched_getaffinity"):
                self._processors = tuple(sorted(os.sched_getaffinity(0)))
            else:
                self._processors = tuple(range(os.cpu_count() or 1))
            self._known_until = now + _KNOWN_SECONDS
        return self._processors

    def places(self, count: int) -> list[int]:
        """Return which helpers to ask: on other processors than the caller's, then any."""
        here = _processor_here()
        others = [processor for processor in self.processors() if processor != here]
        return (others + [-1 - k for k in range(count)])[:count]

    def invite(self, help_: Callable[[], None], place: int) -> None:
        """Ask the helper of a place to help; negative ones are on no fixed processor."""
        waiting = self.queues.get(place)
        if waiting is None:
            with self.growing:
                waiting = self.queues.get(place)
                if waiting is None:
                    waiting = queue.SimpleQueue()
                    arguments = (waiting, place)
                    name = f"rbgp-product-{place}"
                    threading.Thread(target=_serve, args=arguments, name=name, daemon=True).start()
                    self.queues[place] = waiting
        waiting.put(help_)


def _serve(invitations: queue.SimpleQueue[Callable[[], None]], place: int) -> None:
    # A system wakes a thread on the processor of its waker, where it would wait for the caller
    # to finish, for milliseconds. A helper with a processor of its own starts at once.
    if place >= 0 and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(threading.get_native_id(), {place})
    while True:
        invitations.get()()


@functools.cache
def _processor_reader() -> Callable[[], int]:
    """Return the function of the C library that tells the processor, or one that cannot."""
    try:
        return ctypes.CDLL(None).sched_getcpu
    except (AttributeError, OSError, TypeError):
        return lambda: -1


def _processor_here() -> int:
    return _processor_reader()()


_pool = _Pool()
_scratch = threading.local()


def run(call: Callable[[int], None], num_threads: int, *needed: Any) -> None:
    """Call ``call(k)`` for k = 0 here and for other k below `num_threads` in helpers.

    The call for k = 0 must do all the work that no other call has begun, because a helper that
    is busy elsewhere may never start. When `run` returns or raises, nothing runs any more; only
    a second interrupt in the same microsecond as another can come through before that, and then
    the helpers still have what they need.

    Parameters
    ----------
    call : callable
        Does one part.
    num_threads : int
        Number of parts.
    *needed : object
        What the calls use by its address; kept until the last one has ended, whatever happens
        to the caller.
    """
    if num_threads == 1:
        call(0)
        return
    job = _Job(call, num_threads - 1, needed)
    interrupt: BaseException | None = None
    while job.work is not None:
        try:
            job.go_on()
        except BaseException as error:
            interrupt = error
    try:
        if interrupt is not None:
            raise interrupt
    finally:
        # An exception that its own frame refers to would keep all arrays for a while.
        del interrupt


def scratch(size: int) -> int:
    """Return the address of `size` bytes that only this thread uses, aligned to 64 bytes.

    Much memory is aligned to huge pages and large enough that NumPy asks the system for them:
    rows of a panel are read in no order, and small pages would have to be looked up each time.
    """
    if size > getattr(_scratch, "size", 0):
        _scratch.size, _scratch.buffer = 0, None
        alignment = _ALIGNMENT if size < _HUGE_PAGE // 4 else _HUGE_PAGE
        # At least two huge pages, because NumPy asks for none in smaller arrays.
        buffer = np.empty(size + max(alignment, 2 * alignment - size), np.uint8)
        start = int(buffer.__array_interface__["data"][0])
        _scratch.buffer, _scratch.start = buffer, start + -start % alignment
        _scratch.size = size
    return int(_scratch.start)


def trim() -> None:
    """Give back this thread's scratch memory if it is large."""
    if getattr(_scratch, "size", 0) > _KEPT_BYTES:
        _scratch.size, _scratch.buffer = 0, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.forget_helpers)
