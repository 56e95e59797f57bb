"""Trials of kernels in other processes, so that one which costs the device costs nothing else.

An access outside of memory, or a kernel that never ends, is the end of CUDA in its process. All
kernels at once are therefore tried in a child, which says what it does line by line. If it is
lost with a kernel, that is the verdict on the kernel, and the next child goes on behind it.

The check at a kernel's first use runs in the user's own process all the same. There a child would
mean seconds for its start and a second context on the device, for each kernel that is new, and some
processes may not have one: where the device is in its exclusive mode, or the memory full.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import IO, Any

from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu.cuda.checks import DeviceLostError
from rbgp_graphs.gpu.cuda.machine import Machine, cupy_machine
from rbgp_graphs.gpu.cuda.trials import Trial, run_trials
from rbgp_graphs.gpu.cuda.verdicts import Verdict

#: Longer than the kernels of one pattern take to compile on a slow machine.
_SECONDS = 600.0
_SIGNALS_FROM_OUTSIDE = {-signal.SIGTERM, -getattr(signal, "SIGKILL", signal.SIGTERM)}
_PROGRAM = "from rbgp_graphs.gpu.cuda.isolated import serve; serve()"


def isolated_verdicts(
    trials: Sequence[Trial], *, program: str = _PROGRAM, seconds: float = _SECONDS
) -> Iterator[Verdict]:
    """Run trials on the first device in child processes, and yield a verdict on each.

    Parameters
    ----------
    trials : sequence of Trial
        What to run.
    program : str
        What a child runs: Python that calls `serve`.
    seconds : float
        After how long without a word a child is ended, and the kernel counts as wrong.

    Raises
    ------
    BackendError
        If a child ends before it has run anything.
    """
    done = 0
    while done < len(trials):
        before = done
        with _Child(program, seconds) as child:
            for verdict in child.verdicts(trials[done:]):
                done += 1
                yield verdict
            if done == before:
                raise BackendError(f"the process that checks kernels {child.end()}")


def serve(make_machine: Callable[[], Machine] = lambda: cupy_machine(0)) -> None:
    """Run the trials from standard input, and write to standard output what comes of each.

    A trial has two lines of JSON there, an empty object when it begins and its verdict.
    """
    # Nothing that a library prints may come between.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)

        def say(line: dict[str, Any]) -> None:
            print(json.dumps(line), file=out, flush=True)

        trials = pickle.load(sys.stdin.buffer)
        try:
            for verdict in run_trials(make_machine(), trials, begin=lambda: say({})):
                say(asdict(verdict))
        except DeviceLostError as lost:
            say(asdict(lost.verdict))


class _Child:
    """A process that runs trials; it is ended with its context."""

    def __init__(self, program: str, seconds: float) -> None:
        self._seconds, self._is_late = seconds, False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        # What this process imports its packages from may be no longer what it was started with,
        # and no file in the current folder takes the place of one of them.
        path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": path},
        )

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        with self._errors, self._process:
            self._process.kill()

    def verdicts(self, trials: Sequence[Trial]) -> Iterator[Verdict]:
        """Yield verdicts until all are there, or the child has ended."""
        source, answers = self._process.stdin, self._process.stdout
        assert source is not None
        assert answers is not None
        try:
            with self._limit(), source:
                pickle.dump([*trials], source)
        except OSError:
            # It has ended already.
            return
        for trial in trials:
            if not self._line(answers):
                return
            line = self._line(answers)
            if not line:
                problem = f"the process that ran it {self.end()}"
                # Who ends a process from outside says nothing about its kernel.
                is_kept = self._process.returncode not in _SIGNALS_FROM_OUTSIDE
                yield Verdict(variant=trial.variant, problem=problem, is_kept=is_kept)
                return
            yield Verdict(**json.loads(line))

    def end(self) -> str:
        """Say how it has ended."""
        if self._is_late:
            return f"was ended after {self._seconds:g} s without an answer"
        with self._limit():
            code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"ended with code {code}" + (f": {lines[-1]}" if lines else "")

    def _line(self, answers: IO[bytes]) -> bytes:
        """Return its next line, empty if it has ended or is ended for having none."""
        with self._limit():
            line = answers.readline()
        # Half a line is none.
        return line if line.endswith(b"\n") else b""

    @contextlib.contextmanager
    def _limit(self) -> Iterator[None]:
        """End the process if what is done in it takes too long."""
        timer = threading.Timer(self._seconds, self._give_up)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        self._is_late = True
        self._process.kill()
