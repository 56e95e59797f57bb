"""Numbered tries run on any executor, with a result that does not depend on their order."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from rbgp_graphs.errors import BackendError, RBGPError
from rbgp_graphs.spectral.lift_trials import LevelTask, Trial, run_trials

#: Chunks that an executor holds at a time: enough for many workers, few enough to stop soon.
_IN_FLIGHT = 64
_LONGEST_WAIT = 0.5


class Cancelled(RBGPError):  # noqa: N818 - a state, not an error
    """A search was stopped by its progress callback; its checkpoint can be used to go on.

    The callback raises it or returns it.
    """


def run_all(
    task: LevelTask,
    numbers: Iterable[Sequence[int]],
    executor: Executor | None,
    deadline: float | None,
    is_wanted: Callable[[int], bool],
) -> Iterator[Trial]:
    """Run the tries of a level and yield them as they end.

    Parameters
    ----------
    task : LevelTask
        The level.
    numbers : iterable of sequences of int
        The tries, in chunks.
    executor : concurrent.futures.Executor or None
        Where they run; None for this thread.
    deadline : float or None
        Time (`time.monotonic`) after which no further chunk is started, except the first.
    is_wanted : callable
        Whether a try is still of interest, asked before its chunk is started.

    Yields
    ------
    Trial
        In the order in which they end.

    Raises
    ------
    BackendError
        If the executor fails.
    """
    chunks = _chunks(numbers, deadline, is_wanted)
    if executor is None:
        for chunk in chunks:
            yield from run_trials(task, chunk)
    else:
        yield from _run_on(executor, task, chunks, is_wanted)


def _chunks(
    numbers: Iterable[Sequence[int]],
    deadline: float | None,
    is_wanted: Callable[[int], bool],
) -> Iterator[Sequence[int]]:
    for count, chunk in enumerate(numbers):
        if count and deadline is not None and time.monotonic() >= deadline:
            return
        if is_wanted(chunk[0]):
            yield chunk


def _run_on(
    executor: Executor,
    task: LevelTask,
    chunks: Iterator[Sequence[int]],
    is_wanted: Callable[[int], bool],
) -> Iterator[Trial]:
    pending: dict[Future[list[Trial]], Sequence[int]] = {}
    try:
        while True:
            while len(pending) < _IN_FLIGHT and (chunk := next(chunks, None)) is not None:
                with _as_backend_error(task, chunk):
                    pending[executor.submit(run_trials, task, chunk)] = chunk
            if not pending:
                return
            # With a limit, so that an interrupt from the keyboard is noticed on all systems.
            done, _ = wait(pending, timeout=_LONGEST_WAIT, return_when=FIRST_COMPLETED)
            for future in done:
                with _as_backend_error(task, pending.pop(future)):
                    trials = future.result()
                yield from trials
            for future, chunk in list(pending.items()):
                if not is_wanted(chunk[0]) and future.cancel():
                    del pending[future]
    finally:
        for future in pending:
            future.cancel()


@contextlib.contextmanager
def _as_backend_error(task: LevelTask, chunk: Sequence[int]) -> Iterator[None]:
    try:
        yield
    except RBGPError:
        raise
    # An executor may raise whatever it likes: BrokenProcessPool, CancelledError, KilledWorker.
    except Exception as error:
        raise BackendError(
            f"the executor failed at level {task.level + 1}, tries {chunk[0] + 1} to "
            f"{chunk[-1] + 1} ({type(error).__name__}: {error}); what ended before is kept in "
            "the checkpoint, if one was asked for: search again with a working executor"
        ) from error
