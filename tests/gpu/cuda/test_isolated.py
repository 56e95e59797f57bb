"""Trials in child processes: one that costs the device is named, and the others go on."""

from __future__ import annotations

import functools
import importlib
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu.cuda import check_kernels
from rbgp_graphs.gpu.cuda.isolated import isolated_verdicts
from rbgp_graphs.gpu.cuda.products import Products
from rbgp_graphs.gpu.cuda.trials import Trial, trials_of
from rbgp_graphs.gpu.cuda.verdicts import Verdicts, verdict_key, verdicts_file
from rbgp_graphs.products import RBGP4
from tests.gpu.cuda.host import HostMachine

#: What a child runs here: one kernel costs the device, one ends the process, others are errors.
CHILD = """
import os, signal
from rbgp_graphs.gpu.cuda.isolated import serve
from tests.gpu.cuda.host import HostMachine

class Bad(HostMachine):
    lost = False

    def run(self, launch, arguments):
        print("what a library says", flush=True)
        if launch.kernel == "transpose":
            os.kill(os.getpid(), signal.SIGSEGV)
        self.lost = launch.kernel == "sampled"
        raise RuntimeError("illegal access" if self.lost else "no kernel image")

    def wait(self):
        if self.lost:
            raise RuntimeError("illegal access")

serve(Bad)
"""
SMALL = RBGP4(complete(2, 2), (4, 1), complete(2, 2), (1, 1))


@functools.cache
def trials() -> list[Trial]:
    """Return the first trial of each kernel."""
    found: dict[str, Trial] = {}
    for trial in trials_of("small", SMALL, np.dtype(np.float64), 8, None, HostMachine(), set()):
        found.setdefault(trial.variant.partition("(")[0], trial)
    return [*found.values()]


def test_a_kernel_that_costs_a_process_costs_no_other() -> None:
    found = [*isolated_verdicts(trials(), program=CHILD)]
    assert [verdict.variant for verdict in found] == [trial.variant for trial in trials()]
    assert [(verdict.problem, verdict.is_kept) for verdict in found] == [
        ("RuntimeError: no kernel image", False),
        ("RuntimeError: illegal access; nothing runs on the device after it", True),
        ("the process that ran it ended with code -11: what a library says", True),
    ]


def test_who_ends_a_child_says_nothing_about_its_kernel() -> None:
    [*_, last] = isolated_verdicts(trials(), program=CHILD.replace("SIGSEGV", "SIGTERM"))
    assert last.problem is not None
    assert "ended with code -15" in last.problem
    assert not last.is_kept


def test_a_file_in_the_current_folder_takes_the_place_of_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('not NumPy')")
    root = str(Path(__file__).parents[3])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [root, *filter(None, sys.path)])
    assert len([*isolated_verdicts(trials(), program=CHILD)]) == len(trials())


def test_a_child_that_reads_nothing_is_ended() -> None:
    # More than a pipe holds.
    long = [replace(trials()[0], name=" " * 2**20)]
    with pytest.raises(BackendError, match=r"was ended after 0\.2 s without an answer"):
        [*isolated_verdicts(long, program="import time; time.sleep(600)", seconds=0.2)]


@pytest.mark.parametrize(
    ("program", "seconds", "message"),
    [
        ("raise SystemExit('no device at all')", 60.0, "ended with code 1: no device at all"),
        ("import time; time.sleep(600)", 0.1, "was ended after 0.1 s without an answer"),
        ("import sys; sys.stdin.buffer.read(); print('{', end='')", 60.0, "ended with code 0"),
    ],
)
def test_a_child_that_runs_nothing_is_an_error(program: str, seconds: float, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        [*isolated_verdicts(trials(), program=program, seconds=seconds)]


def test_a_check_of_all_kernels_goes_on_and_products_know_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: Any = importlib.import_module("rbgp_graphs.gpu.cuda.status")
    machine = HostMachine()
    monkeypatch.setenv("RBGP_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(own, "cupy_machine", lambda device: machine)
    monkeypatch.setattr(own, "_problems", lambda: [("small", SMALL, 8, None)])
    monkeypatch.setattr(own, "trials_of", lambda *_: trials()[:2])
    child = functools.partial(isolated_verdicts, program=CHILD)
    monkeypatch.setattr(own, "isolated_verdicts", child)
    found = check_kernels(dtypes=["float64"])
    assert [check.variant.partition("(")[0] for check in found] == [
        *("forward", "sampled", "gather")
    ]
    assert [check.problem is None for check in found] == [False, False, True]
    # What was an error may have passed; what cost the device is switched off.
    kept = {
        trial.variant: Verdicts(verdicts_file()).find(verdict_key(machine.identity, trial.launch))
        for trial in trials()
        if trial.launch is not None
    }
    assert [name[:8] for name, verdict in kept.items() if verdict is not None] == ["sampled("]
    result = np.full((SMALL.rows, SMALL.row_degree), np.nan)
    products = Products(machine, Verdicts(verdicts_file()))
    with pytest.warns(RuntimeWarning, match="kernel sampled.* is switched off on this device"):
        products.sampled(SMALL, np.ones((SMALL.rows, 8)), np.ones((SMALL.cols, 8)), result)
    assert (result == 8).all()
    assert not machine.launched


def test_a_check_that_cannot_go_on_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    own: Any = importlib.import_module("rbgp_graphs.gpu.cuda.status")
    monkeypatch.setattr(own, "cupy_machine", lambda device: HostMachine())
    monkeypatch.setattr(own, "_problems", lambda: [("small", SMALL, 8, None)])
    child = functools.partial(isolated_verdicts, program="raise SystemExit(3)")
    monkeypatch.setattr(own, "isolated_verdicts", child)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [check] = check_kernels(dtypes=["float64"])
    assert check.variant == "all that follow"
    assert check.problem == "the process that checks kernels ended with code 3"
