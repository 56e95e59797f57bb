"""``rbgp matmul``: the product is right, the time is measured after a check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rbgp_graphs as rg
from tests.cli.running import Files, document, rbgp


@pytest.mark.parametrize("shape", [(100,), (100, 1), (100, 0), (100, 5), (3, 100, 2)])
@pytest.mark.parametrize("dtype", [None, "float16", "float32", "float64"])
def test_the_product_is_that_of_the_dense_matrix(
    shape: tuple[int, ...], dtype: str | None, files: Files
) -> None:
    X = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    np.save("operand.npy", X)
    options = [] if dtype is None else ["--dtype", dtype]
    found = document("matmul", "weights.rbgp", "operand.npy", "-o", "Y.npy", *options)
    dense = files.pattern.to_csr(files.values).toarray()
    expected = dense @ X.astype(np.float64)
    Y = np.load("Y.npy")
    assert Y.dtype == np.dtype(dtype or np.float64)
    tolerance = {np.float16: 0.05, np.float32: 1e-4}.get(Y.dtype.type, 1e-12)
    np.testing.assert_allclose(Y, expected, rtol=tolerance, atol=tolerance)
    assert (found["shape"], found["dtype"]) == (list(Y.shape), str(Y.dtype))
    assert found["norm"] == pytest.approx(np.linalg.norm(expected), rel=0.01)


def test_without_an_output_only_the_facts_are_printed(files: Files) -> None:
    before = sorted(Path().iterdir())
    result = rbgp("matmul", "weights.rbgp", "X.npy")
    assert result.exit_code == 0
    assert "200 x 5, float64" in result.stdout
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("array", "code", "message"),
    [
        (np.ones((99, 2)), 2, "(99, 2)"),
        (np.float64(1.0), 2, "()"),
        (np.ones((100, 2), complex), 3, "complex128"),
        (np.full((100, 2), "a"), 3, "expected real numbers"),
        (np.full((100, 2), None), 3, "not a valid .npy file"),
    ],
)
def test_an_operand_that_does_not_fit_is_refused(
    array: Any, code: int, message: str, files: Files
) -> None:
    np.save("operand.npy", array, allow_pickle=True)
    result = rbgp("matmul", "weights.rbgp", "operand.npy")
    assert result.exit_code == code, result.output
    assert message in result.stderr


@pytest.mark.parametrize(
    "claim", [b"(1000000000000, 5)", b"(7777777777777777777, 9)", b"(-100, 5)", b"(100, 6)"]
)
def test_a_forged_size_is_refused_before_memory_is_taken(claim: bytes, files: Files) -> None:
    data = Path("X.npy").read_bytes()
    header = data[:128].replace(b"(100, 5), }" + b" " * (len(claim) - 8), claim + b", }")
    assert claim in header
    assert len(header) == 128
    Path("X.npy").write_bytes(header + data[128:])
    result = rbgp("matmul", "weights.rbgp", "X.npy")
    assert result.exit_code == 3, result.output
    assert "X.npy" in result.stderr


@pytest.mark.parametrize("length", [0, 1, 8, 60, 127, 128, 500])
def test_a_truncated_operand_is_refused(length: int, files: Files) -> None:
    Path("X.npy").write_bytes(Path("X.npy").read_bytes()[:length])
    assert document("matmul", "weights.rbgp", "X.npy")["exit_code"] == 3


def test_a_missing_operand_is_refused(files: Files) -> None:
    result = rbgp("matmul", "weights.rbgp", "none.npy")
    assert result.exit_code == 3
    assert "cannot read none.npy" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["pattern.rbgp", "X.npy"], "a pattern without values"),
        (["graph.rbgp"], "holds a BipartiteGraph, expected an RBGP4 pattern"),
        (["pattern.rbgp", "-o", "Y.npy"], "-o goes with X.npy"),
        (["weights.rbgp", "X.npy", "--batch", "2"], "--batch is for timing"),
        (["pattern.rbgp", "--batch", "0"], "--batch is 0, expected at least 1"),
        (["pattern.rbgp", "--batch", "-4"], "--batch is -4, expected at least 1"),
        (["pattern.rbgp", "--batch", "9999999999"], "expected at most 1342177"),
        (["pattern.rbgp", "--dtype", "int8"], "'float16', 'float32', 'float64'"),
        (["pattern.rbgp", "--backend", "abacus"], "'auto', 'cpu', 'numpy'"),
    ],
)
def test_wrong_requests_say_what_is_allowed(args: list[str], message: str, files: Files) -> None:
    result = rbgp("matmul", *args)
    assert result.exit_code == 2, result.output
    assert message in result.stderr


@pytest.mark.parametrize(
    ("file", "options", "dtype", "values"),
    [
        ("pattern.rbgp", [], "float32", "random normal"),
        ("weights.rbgp", [], "float64", "from the file"),
        ("weights.rbgp", ["--dtype", "float16"], "float16", "from the file"),
        ("pattern.rbgp", ["--dtype", "float64", "--backend", "numpy"], "float64", "random normal"),
    ],
)
def test_the_time_is_reported_next_to_scipy_and_numpy(
    file: str, options: list[str], dtype: str, values: str, files: Files
) -> None:
    found = document("matmul", file, "--batch", "3", *options)
    assert (found["dtype"], found["values"], found["batch"]) == (dtype, values, 3)
    assert found["correct"] is True
    assert len(found["timings"]) == 3
    for timing in found["timings"]:
        assert timing["milliseconds"] > 0
        flops = 2 * files.pattern.nnz * 3 / timing["milliseconds"] / 1e6
        assert timing["useful_gflops"] == pytest.approx(flops)


def test_a_wrong_product_ends_with_1_and_is_not_timed(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slightly_wrong(*args: Any, **options: Any) -> Any:
        return 1.001 * rg.gpu.matmul(*args, **options)

    monkeypatch.setattr("rbgp_graphs.bench.peers.matmul", slightly_wrong)
    result = rbgp("matmul", "weights.rbgp")
    assert result.exit_code == 1, result.output
    assert "wrong result, not timed" in result.stdout
    found = document("matmul", "weights.rbgp")
    assert (found["correct"], found["timings"]) == (False, [])


def test_a_pattern_too_large_for_the_dense_product_is_not_timed(files: Files) -> None:
    large = rg.RBGP4(rg.field_lift(5, 5, 2, 2), (64, 1), rg.complete(4, 256), (1, 1))
    assert large.rows * large.cols > 2**28
    rg.save("large.rbgp", large)
    result = rbgp("matmul", "large.rbgp")
    assert result.exit_code == 2
    assert "16384 x 16384" in result.stderr
