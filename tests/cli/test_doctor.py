"""``rbgp doctor``: what is said is what is there."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rbgp_graphs as rg
from rbgp_graphs.gpu import cuda
from rbgp_graphs.gpu.cuda import KernelCheck, status
from tests.cli.running import document, rbgp

# The package has a command of that name in the place of its module.
doctor: Any = importlib.import_module("rbgp_graphs.cli.doctor")


def hide(monkeypatch: pytest.MonkeyPatch, *hidden: str) -> None:
    find = importlib.util.find_spec

    def find_others(name: str, *args: Any) -> Any:
        return None if name in hidden else find(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", find_others)


def test_versions_and_backends_are_those_of_this_interpreter() -> None:
    found = document("doctor")
    assert found["python"] == platform.python_version()
    assert found["packages"]["numpy"] == np.__version__
    assert found["backends"][0]["name"] == rg.gpu.backends()[0].name
    assert [kernel["kernel"] for kernel in found["cuda_kernels"]] == [k.kernel for k in status()]
    assert found["cuda_checks"] is None
    assert 1 <= found["usable_cpu_cores"] <= found["cpu_cores"]


def test_the_summary_is_shown_whole() -> None:
    line = next(line for line in rbgp("--help").stdout.splitlines() if "  doctor " in line)
    assert line.endswith("which backends run.")


def test_without_a_gpu_the_reason_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    result = rbgp("doctor", "--gpu")
    text = " ".join(result.stdout.split())
    assert result.exit_code == 1
    assert "No kernel was checked." in text
    reason = text.partition("No CUDA kernel can be used here")[2]
    assert reason.count('pip install "rbgp-graphs[gpu-cu13]"') == 1
    assert document("doctor", "--gpu")["cuda_checks"] is None


def one_check(variant: str, dtype: str, problem: str | None = None) -> KernelCheck:
    return KernelCheck(variant=variant, pattern="odd", dtype=dtype, columns=37, problem=problem)


def test_checks_are_listed_and_a_wrong_kernel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    usable = [replace(kernel, usable=True, reason=None) for kernel in status()]
    checks = [one_check("forward(mr=4)", "float32"), one_check("forward(mr=8)", "float32")]
    checks.append(one_check("gather()", "float64"))
    monkeypatch.setattr(doctor, "status", lambda: usable)
    monkeypatch.setattr(cuda, "check_kernels", lambda: checks)
    result = rbgp("doctor", "--gpu")
    assert result.exit_code == 0
    words = [line.split() for line in result.stdout.splitlines()]
    assert ["forward", "float32", "2", "yes"] in words
    assert ["gather", "float64", "1", "yes"] in words
    checks[1] = one_check("forward(mr=8)", "float32", "wrong results")
    result = rbgp("doctor", "--gpu")
    assert result.exit_code == 1
    words = [line.split() for line in result.stdout.splitlines()]
    assert ["forward", "float32", "2", "1", "of", "2", "wrong", "results"] in words
    assert ["wrong", "forward(mr=8)"] in words
    assert max(map(len, result.stdout.splitlines())) <= 80
    found = document("doctor", "--gpu")
    assert [check["usable"] for check in found["cuda_checks"]] == [True, False, True]


def test_an_old_device_lacks_one_kernel_and_the_table_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = types.SimpleNamespace(capability=(7, 5))
    monkeypatch.setattr(doctor, "status", lambda: cuda.status(old))
    text = " ".join(rbgp("doctor").stdout.split())
    assert "CUDA kernel runs here what it is" in text
    assert "forward yes" in text
    assert "tensor_core no:" in text


def test_the_kernels_of_a_pattern_are_said_without_a_gpu(tmp_path: Path) -> None:
    inner = rg.random_biregular(8, 8, 4, rng=0)
    file = str(tmp_path / "layer.rbgp")
    rg.save(file, rg.RBGP4(rg.random_biregular(4, 4, 2, rng=0), (32, 1), inner, (1, 4)))
    result = rbgp("doctor", file)
    words = [line.split() for line in result.stdout.splitlines()]
    assert ["9.0", "forward", "tensor_core", "tensor_core", "forward"] in words
    assert ["8.0", "sampled", *["sampled_tensor_core"] * 2, "sampled"] in words
    assert ["7.0", "transposed", "forward", "forward", "forward"] in words
    assert "forward, not hopper     |V_b| = 4 is not a multiple of 8" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    found = document("doctor", file)
    first = found["assigned_kernels"][0]
    assert (first["product"], first["dtype"], first["capability"]) == ("forward", "float16", "9.0")
    assert first["kernel"] == "tensor_core"
    assert first["misfits"] == {"hopper": "|V_b| = 4 is not a multiple of 8"}
    assert document("doctor")["assigned_kernels"] is None


def test_on_a_device_only_its_own_kernels_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: Any = importlib.import_module("rbgp_graphs.cli.kernels")
    here = types.SimpleNamespace(capability=(8, 6))
    monkeypatch.setattr(doctor, "status", lambda: cuda.status(here))
    monkeypatch.setattr(own, "cupy_machine", lambda device: here)
    file = str(tmp_path / "layer.rbgp")
    rg.save(file, rg.design(64, 64, 0.5, row_group=4))
    found = document("doctor", file)["assigned_kernels"]
    assert {one["capability"] for one in found} == {"8.6"}
    assert {one["kernel"] for one in found if one["dtype"] == "float64"} == {"forward", "sampled"}


def test_a_file_without_an_rbgp4_pattern_is_refused(tmp_path: Path) -> None:
    file = str(tmp_path / "graph.rbgp")
    rg.save(file, rg.complete(2, 2))
    result = rbgp("doctor", file)
    assert result.exit_code == 2
    assert "holds a BipartiteGraph, expected an RBGP4 pattern" in result.stderr


def test_a_missing_optional_package_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    already = document("doctor")["missing"]
    hide(monkeypatch, "plotly")
    result = rbgp("doctor")
    assert result.exit_code == 0
    assert 'pip install "rbgp-graphs[viz]"' in " ".join(result.stdout.split())
    found = document("doctor")
    assert found["missing"] == ["plotly", *already]
    assert found["packages"]["plotly"] is None


def test_a_missing_core_package_leads_to_exit_code_4(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "flint")
    result = rbgp("doctor")
    assert result.exit_code == 4
    assert "pip install python-flint" in result.stdout
