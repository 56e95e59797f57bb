"""``rbgp matmul``: a product with the values of a file, or its time."""

from __future__ import annotations

import io
import os
from dataclasses import asdict
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import rbgp_graphs as rg
from rbgp_graphs.bench import CPU_PEERS, compare
from rbgp_graphs.cli.command import Command, examples, force_option
from rbgp_graphs.cli.facts import percent, size
from rbgp_graphs.cli.files import InputError, check_output, read
from rbgp_graphs.cli.output import Result, Table, working
from rbgp_graphs.encoding.atomic import as_path, write_file

_BATCH = 256
_ROUNDS = 5
#: What a product is timed against; `rbgp bench` has more.
_PEERS = [peer for peer in CPU_PEERS if peer.name in ("scipy CSR", "numpy dense")]
#: Entries of the dense matrix and of the operands up to which a product is timed.
_LARGEST_TIMED = 2**28


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp matmul layer.rbgp",
        "rbgp matmul layer.rbgp --batch 64 --dtype float64",
        "rbgp matmul weights.rbgp X.npy -o Y.npy",
    ),
)
@click.argument("file")
@click.argument("x", metavar="[X.npy]", required=False)
@click.option("-o", "--out", metavar="Y.npy", help="Write the product to this file.")
@click.option("--batch", type=int, metavar="N", help=f"Columns to time; {_BATCH} by default.")
@click.option(
    "--dtype",
    type=click.Choice(["float16", "float32", "float64"]),
    help="Convert to this type; by default that of the values, float32 if there are none.",
)
@click.option(
    "--backend",
    type=click.Choice(["auto", *(backend.name for backend in rg.gpu.backends())]),
    default="auto",
    show_default=True,
    help="What computes the product.",
)
@force_option
def matmul(
    file: str,
    x: str | None,
    out: str | None,
    batch: int | None,
    dtype: str | None,
    backend: str,
    force: bool,
) -> Result:
    """Multiply a pattern with values by a dense matrix, or time it.

    With X.npy (a vector or a matrix with as many rows as the pattern has columns) the result is
    FILE times X. Without it the product with random normal data is timed against SciPy's CSR
    and NumPy's dense product; every result is first compared with one in float64.
    """
    if x is None and out is not None:
        raise click.UsageError("-o goes with X.npy: timing has no result to write")
    if x is not None and batch is not None:
        raise click.UsageError("--batch is for timing: X.npy has its own number of columns")
    if out is not None:
        check_output(out, force, ".npy")
    loaded = read(file)
    pattern = loaded.obj
    if not isinstance(pattern, rg.RBGP4):
        raise rg.ArgumentError(
            f"{file} holds a {type(pattern).__name__}, expected an RBGP4 pattern such as rbgp "
            "design writes"
        )
    if x is None:
        return _time(pattern, loaded.values, _BATCH if batch is None else batch, dtype, backend)
    if loaded.values is None:
        raise rg.ArgumentError(
            f"{file} holds a pattern without values; store them with rg.save(path, pattern, "
            "values), or leave X.npy out to time the product"
        )
    operand = _read_array(x)
    if dtype is not None:
        operand = operand.astype(dtype)
    matrix = rg.gpu.RBGP4Matrix(pattern, loaded.values.astype(dtype or loaded.values.dtype))
    product = rg.gpu.matmul(matrix, operand, backend=backend)
    return _store(product, out, force)


def _read_array(path: str) -> NDArray[Any]:
    place = as_path(path)
    try:
        # Mapped, so that a forged size is compared with the file before memory is taken; a size
        # that overflows must not wrap round to one that fits.
        with np.errstate(over="raise"):
            array: NDArray[Any] = np.lib.format.open_memmap(place, mode="r")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, TypeError, ArithmeticError) as error:
        raise InputError(f"{path} is not a valid .npy file: {error}") from error
    if array.dtype.kind not in "biuf":
        raise InputError(f"{path} has dtype {array.dtype}, expected real numbers")
    return array


def _store(product: NDArray[Any], out: str | None, force: bool) -> Result:
    norm = float(np.linalg.norm(product.astype(np.float64)))
    data = {
        "file": out,
        "shape": list(product.shape),
        "dtype": str(product.dtype),
        "norm": norm if np.isfinite(norm) else None,
    }
    words = {
        "product": f"{' x '.join(map(str, product.shape))}, {product.dtype}",
        "norm": f"{norm:.6g}",
        "file": "not written; use -o Y.npy",
    }
    if out is not None:
        buffer = io.BytesIO()
        np.save(buffer, product, allow_pickle=False)
        data["file_bytes"] = write_file(out, [buffer.getbuffer()], overwrite=force)
        words["file"] = f"{out}, {data['file_bytes']:,} bytes"
    return Result(data=data, text=[words])


def _time(
    pattern: rg.RBGP4, values: NDArray[Any] | None, batch: int, dtype: str | None, backend: str
) -> Result:
    _check_timed_size(pattern, batch)
    source = "from the file"
    if values is None:
        source = "random normal"
        values = np.random.default_rng(0).standard_normal((pattern.rows, pattern.row_degree))
        dtype = dtype or "float32"
    matrix = rg.gpu.RBGP4Matrix(pattern, values.astype(dtype or values.dtype))
    cores = os.cpu_count()
    words = {
        "matrix": f"{size(pattern.shape)}, sparsity {percent(pattern.sparsity)}, {matrix.dtype}",
        "values": source,
        "operand": f"{pattern.cols} x {batch}, random normal",
        "machine": f"{cores} CPU cores, backend {backend}",
    }
    data: dict[str, Any] = {
        "shape": list(pattern.shape),
        "sparsity": pattern.sparsity,
        "dtype": str(matrix.dtype),
        "values": source,
        "batch": batch,
        "repeats": _ROUNDS,
        "backend": backend,
        "cpu_cores": cores,
    }
    try:
        with working("checking and timing"):
            found = compare(matrix, batch, backend=backend, peers=_PEERS, rounds=_ROUNDS)
    except rg.BackendError as error:
        return Result(
            data={**data, "correct": False, "reason": str(error), "timings": []},
            text=[words, f"wrong result, not timed: {error}"],
            exit_code=1,
        )
    timings = found.measurements
    own = found.own.milliseconds
    rows = [
        (
            timing.name,
            f"{timing.milliseconds:.3f}",
            f"{timing.spread_milliseconds:.3f}",
            f"{timing.useful_gflops:.2f}",
            f"{timing.milliseconds / own:.2f} x",
        )
        for timing in timings
    ]
    columns = ("product", ">median ms", ">max - min", ">GFLOP/s", ">relative")
    note = (
        f"Median of {_ROUNDS} after a check against float64. GFLOP/s counts two operations for "
        "each nonzero and column, also for the dense product."
    )
    return Result(
        data={**data, "correct": True, "timings": [asdict(timing) for timing in timings]},
        text=[words, Table(columns=columns, rows=rows), note],
    )


def _check_timed_size(pattern: rg.RBGP4, batch: int) -> None:
    if batch < 1:
        raise rg.ArgumentError(f"--batch is {batch}, expected at least 1")
    if pattern.rows * pattern.cols > _LARGEST_TIMED:
        raise rg.ArgumentError(
            f"the dense matrix to compare with would have {pattern.rows * pattern.cols:,} "
            f"entries, at most {_LARGEST_TIMED:,} are timed, for example 16384 x 16384"
        )
    largest = _LARGEST_TIMED // max(pattern.shape)
    if batch > largest:
        raise rg.ArgumentError(f"--batch is {batch}, expected at most {largest} at this shape")
