from __future__ import annotations

import os
import queue
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.gpu import get_num_threads, set_num_threads
from rbgp_graphs.gpu.cpu import threads


def test_the_number_of_threads_can_be_set_and_reset() -> None:
    with mock.patch.dict(os.environ, {"RBGP_NUM_THREADS": " 7 "}):
        assert get_num_threads() == 7
        set_num_threads(3)
        assert get_num_threads() == 3
        set_num_threads(None)
        assert get_num_threads() == 7
    with mock.patch.dict(os.environ):
        os.environ.pop("RBGP_NUM_THREADS", None)
        if hasattr(os, "sched_getaffinity"):
            pool = threads._Pool()
            with (
                mock.patch.object(threads, "_pool", pool),
                mock.patch.object(os, "sched_getaffinity", return_value={0, 3, 5}),
            ):
                assert get_num_threads() == 3
        assert 1 <= get_num_threads() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "1025", "\N{ARABIC-INDIC DIGIT TWO}"])
def test_a_bad_environment_variable_is_refused(text: str) -> None:
    with (
        mock.patch.dict(os.environ, {"RBGP_NUM_THREADS": text}),
        pytest.raises(ArgumentError, match=r"RBGP_NUM_THREADS is .* from 1 to 1024"),
    ):
        get_num_threads()


def test_bad_numbers_of_threads_are_refused() -> None:
    for bad, error in ((0, ArgumentError), (1025, ArgumentError), ("2", ArgumentTypeError)):
        with pytest.raises(error, match="number is"):
            set_num_threads(bad)  # type: ignore[arg-type]


def test_helpers_share_the_work_and_have_finished_at_the_end() -> None:
    together, done = threading.Barrier(4, timeout=60), []

    def work(k: int) -> None:
        together.wait()
        # The caller is through first and has to wait.
        time.sleep(0.01 * (k > 0))
        done.append(k)

    threads.run(work, 4)
    assert sorted(done) == [0, 1, 2, 3]


def test_a_call_that_no_helper_takes_is_withdrawn() -> None:
    calls: list[int] = []
    needed = np.zeros(3)
    memory = weakref.ref(needed)
    # The pool believes that it has helpers, but nobody takes an invitation.
    pool = threads._Pool()
    places = pool.places(2)
    pool.queues = {place: queue.SimpleQueue() for place in places}
    with (
        mock.patch.object(threads, "_pool", pool),
        mock.patch.object(pool, "places", return_value=places),
    ):
        threads.run(calls.append, 3, needed)
    del needed
    assert memory() is None
    for place in places:
        pool.queues[place].get()()
    assert calls == [0]


def test_an_exception_comes_after_the_helpers_have_finished() -> None:
    together, done = threading.Barrier(3, timeout=60), []

    def work(k: int) -> None:
        together.wait()
        if k == 0:
            raise KeyboardInterrupt
        time.sleep(0.01)
        done.append(k)

    with pytest.raises(KeyboardInterrupt):
        threads.run(work, 3)
    assert sorted(done) == [1, 2]


def test_a_caller_that_is_interrupted_while_it_waits_goes_on_to_wait() -> None:
    together, done = threading.Barrier(4, timeout=60), []

    class Interrupted(queue.SimpleQueue[None]):
        def get(self, *_: Any) -> None:
            super().get()
            raise KeyboardInterrupt

    class Job(threads._Job):
        def __init__(self, *rest: Any) -> None:
            super().__init__(*rest)
            self.news = Interrupted()

    def work(k: int) -> None:
        together.wait()
        time.sleep(0.01 * k)
        done.append(k)

    with mock.patch.object(threads, "_Job", Job), pytest.raises(KeyboardInterrupt):
        threads.run(work, 4)
    assert sorted(done) == [0, 1, 2, 3]


def test_what_a_helper_needs_outlives_the_caller() -> None:
    begun, end = threading.Event(), threading.Event()
    needed = np.zeros(3)
    memory = weakref.ref(needed)

    def work(k: int) -> None:
        begun.set()
        end.wait(60)

    job = threads._Job(work, 1, needed)
    helper = threading.Thread(target=job.help, args=(1,))
    helper.start()
    assert begun.wait(60)
    del job, needed
    assert memory() is not None
    end.set()
    helper.join()
    assert memory() is None


def run_alone(code: str) -> None:
    """Run a program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_no_helper_writes_after_an_interrupt() -> None:
    run_alone("""
        import os, random, signal, threading, time
        import numpy as np
        import rbgp_graphs as rg
        from rbgp_graphs.gpu.cpu import plan, threads

        plan._SMALL_PRODUCT = 0
        rg.gpu.set_num_threads(3)
        full = rg.complete(8, 8)
        pattern = rg.RBGP4(full, (4, 1), full, (1, 1))
        A = rg.gpu.RBGP4Matrix(pattern, np.ones((pattern.rows, pattern.row_degree), np.float32))
        X = np.ones((pattern.cols, 64), np.float32)
        right = A @ X
        busy, armed = set(), []

        def watched(call, *rest, run=threads.run):
            def work(k):
                if k:
                    busy.add(k)
                call(k)
                busy.discard(k)
            run(work, *rest)

        def interrupt(*_):
            if armed:
                armed.clear()
                raise KeyboardInterrupt

        def disturb():
            dice = random.Random(0)
            while True:
                time.sleep(dice.uniform(0, 1e-3))
                os.kill(os.getpid(), signal.SIGINT)

        threads.run = watched
        signal.signal(signal.SIGINT, interrupt)
        threading.Thread(target=disturb, daemon=True).start()
        for _ in range(400):
            try:
                armed.append(True)
                while armed:
                    A @ X
            except KeyboardInterrupt:
                pass
            assert not busy
        assert (A @ X == right).all()
    """)


def test_helpers_sit_on_other_processors_than_the_caller() -> None:
    pool = threads._Pool()
    with (
        mock.patch.object(pool, "processors", return_value=(2, 5, 7)),
        mock.patch.object(threads, "_processor_here", return_value=5),
    ):
        assert pool.places(1) == [2]
        assert pool.places(2) == [2, 7]
        assert pool.places(4) == [2, 7, -1, -2]


@given(st.lists(st.integers(1, 6 << 20), min_size=1, max_size=6))
def test_scratch_memory_has_the_size_that_was_asked_for(sizes: list[int]) -> None:
    ends = []

    def ask() -> None:
        for size in sizes:
            start = threads.scratch(size)
            buffer = threads._scratch.buffer
            first = buffer.__array_interface__["data"][0]
            assert start % 64 == 0
            assert first <= start
            assert start + size <= first + len(buffer)
            ends.append(size)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert ends == sizes


def test_scratch_memory_is_aligned_kept_and_private() -> None:
    first = threads.scratch(1000)
    assert first % 64 == 0
    assert threads.scratch(10) == first
    others: list[int] = []
    other = threading.Thread(target=lambda: others.append(threads.scratch(1000)))
    other.start()
    other.join()
    assert others[0] % 64 == 0
    threads.scratch(threads._KEPT_BYTES + 1)
    threads.trim()
    assert not hasattr(threads._scratch, "buffer") or threads._scratch.buffer is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_after_use_computes_and_does_not_hang() -> None:
    run_alone("""
        import os, warnings
        import numpy as np
        import rbgp_graphs as rg
        from rbgp_graphs.gpu.cpu import plan

        plan._SMALL_PRODUCT = 0
        rg.gpu.set_num_threads(3)
        full = rg.complete(4, 4)
        pattern = rg.RBGP4(full, (4, 1), full, (1, 1))
        A = rg.gpu.RBGP4Matrix(pattern, np.ones((pattern.rows, pattern.row_degree), np.float32))
        X = np.ones((pattern.cols, 64), np.float32)
        def right():
            return bool(((A @ X) == pattern.row_degree).all())
        assert right()
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
        if child == 0:
            os._exit(0 if right() else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert right()
    """)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_waits_for_the_end_of_a_compilation() -> None:
    run_alone("""
        import os, threading, time, warnings
        from rbgp_graphs.gpu.cpu import compiler
        from rbgp_graphs.gpu.cpu.target import host

        os.environ["RBGP_CACHE_DIR"] = ""
        begun, at_work, link = threading.Event(), [], compiler._link

        def text():
            at_work.append(True)
            begun.set()
            time.sleep(0.05)
            return "define void @run(ptr %place) { ret void }"

        def last_step(*rest):
            found = link(*rest)
            at_work.clear()
            return found

        compiler._link = last_step
        thread = threading.Thread(target=compiler.function, args=("a", text, host(), 1))
        thread.start()
        begun.wait()
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
        if child == 0:
            was_at_work = bool(at_work)
            compiler.function("b", text, host(), 1)
            os._exit(was_at_work)
        assert os.waitpid(child, 0)[1] == 0
        thread.join()
        compiler.function("c", text, host(), 1)
    """)


def test_threads_of_the_caller_get_their_own_results() -> None:
    from rbgp_graphs.constructions import random_biregular
    from rbgp_graphs.gpu.cpu import plan
    from rbgp_graphs.products import RBGP4
    from tests.gpu.oracle import dense, matrix_of

    pattern = RBGP4(
        random_biregular(8, 8, 4, rng=0), (4, 1), random_biregular(8, 8, 4, rng=1), (1, 1)
    )
    A = matrix_of(pattern, 0)
    operands = [np.random.default_rng(k).standard_normal((A.shape[1], 70)) for k in range(6)]
    results: dict[int, list[NDArray[Any]]] = {}

    def work(k: int) -> None:
        results[k] = [A @ operands[k] for _ in range(20)]

    with (
        mock.patch.object(plan, "_SMALL_PRODUCT", 0),
        mock.patch.object(threads, "get_num_threads", return_value=3),
    ):
        callers = [threading.Thread(target=work, args=(k,)) for k in range(6)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    full = dense(A)
    for k, X in enumerate(operands):
        for result in results[k]:
            np.testing.assert_allclose(result, full @ X)
