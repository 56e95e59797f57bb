"""Checks of kernels: run on random numbers in a pattern and compared with tier 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu.cuda import gather
from rbgp_graphs.gpu.cuda.launch import Launch, round_up
from rbgp_graphs.gpu.cuda.machine import Machine
from rbgp_graphs.gpu.cuda.prepared import Prepared, PreparedTranspose
from rbgp_graphs.gpu.cuda.ring import SLAB
from rbgp_graphs.gpu.cuda.runs import forward_call, sampled_call, transpose_call
from rbgp_graphs.gpu.cuda.tables import Dimensions, Tables, dimensions, row_parts, tables
from rbgp_graphs.gpu.cuda.verdicts import Verdict
from rbgp_graphs.products import RBGP4

#: Distance of the smallest numbers of float16.
_SMALLEST_HALF = 2.0**-24
#: Numbers in the random sequence of a check; prime, so that no row repeats its neighbour.
_CHECK_NUMBERS = 4099
#: What is compared at a time: a check has to fit beside the values of a large layer.
_PART_BYTES = 1 << 28
#: Blocks of a check of a kernel whose blocks go from tile to tile; whole clusters. So few that
#: each has many tiles and uses every place in its memory again, as in a large product.
_PERSISTENT_BLOCKS = 4


class Checks:
    """The checks of kernels on one device; each returns what is wrong, or None.

    Parameters
    ----------
    machine : Machine
        The device.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def forward(
        self,
        launch: Launch,
        prepared: Prepared,
        dtype: Any,
        n: int,
        activation: str | None,
    ) -> str | None:
        """Check a kernel of the product."""
        xp, size = self._machine.xp, prepared.size
        # Two matrices, and a few columns more than one block has.
        n = min(n, 272)
        # Tensor maps take rows that begin at multiples of 16 bytes, wherever they end.
        width = n
        if launch.kernel == "hopper":
            width, launch = round_up(n, 8), _with_few_blocks(launch)
        values = self.numbers((size.rows, size.row_degree), dtype)
        X = self.numbers((2, size.cols, width), dtype)[..., :n]
        total = xp.float64 if dtype == xp.float64 else xp.float32
        bias = self.numbers((size.rows,), total)
        Y = self.poisoned((2, size.rows, width), dtype)[..., :n]
        call = forward_call(self._machine, launch, prepared, values, X, Y)
        call.run(self._machine, values, X, Y, bias)
        X = _exact(xp, X)
        for rows, part, own_tables in _parts(prepared, 2 * n):
            own, offset = _exact(xp, values[rows]), _exact(xp, bias[rows])
            arguments = (xp, self._machine.special, part, own_tables)
            expected = gather.forward(*arguments, own, X, offset, activation)
            magnitude = gather.forward(*arguments, abs(own), abs(X), abs(offset), None)
            found = Y[:, rows]
            problem = _difference(xp, launch, found, expected, magnitude, size.row_degree + 9)
            if problem is not None:
                return problem
        return None

    def sampled(self, launch: Launch, prepared: Prepared, dtype: Any) -> str | None:
        """Check a kernel of the sampled product."""
        xp, size = self._machine.xp, prepared.size
        # More columns than one stage has, and in two matrices two stages or more for each part.
        slabs, parts = (launch.constants.get(name, 1) for name in ("RBGP_SLABS", "RBGP_PARTS"))
        n = max(136, SLAB * slabs * parts + 8)
        if launch.kernel == "sampled_hopper":
            launch = _with_few_blocks(launch)
        X = self.numbers((2, size.cols, n), dtype)
        dY = self.numbers((2, size.rows, n), dtype)
        result = self.poisoned((size.rows, size.row_degree), dtype)
        call = sampled_call(self._machine, launch, prepared, dY, X, result)
        call.run(self._machine, dY, X, result)
        X = _exact(xp, X)
        for rows, part, own_tables in _parts(prepared, 2 * n):
            own = _exact(xp, dY[:, rows])
            expected = gather.sampled(xp, part, own_tables, own, X)
            magnitude = gather.sampled(xp, part, own_tables, abs(own), abs(X))
            problem = _difference(xp, launch, result[rows], expected, magnitude, 2 * n)
            if problem is not None:
                return problem
        return None

    def transpose(self, launch: Launch, prepared: PreparedTranspose, dtype: Any) -> str | None:
        """Check the kernel that orders values."""
        xp, size = self._machine.xp, prepared.own_size
        values = self.numbers((size.cols, size.nnz // size.cols), dtype)
        ordered = self.poisoned((size.rows, size.row_degree), dtype)
        transpose_call(launch, prepared).run(self._machine, values, ordered)
        expected = gather.transpose_values(xp, size, prepared.own_tables, prepared.sources, values)
        # bfloat16 is new to CuPy, and little more than its conversion can be relied on.
        total = xp.float64 if dtype == xp.float64 else xp.float32
        step = max(1, _PART_BYTES // (8 * size.row_degree))
        for start in range(0, size.rows, step):
            found, right = (one[start : start + step].astype(total) for one in (ordered, expected))
            if not bool((found == right).all()):
                return "values at wrong places"
        return None

    def gather(self, pattern: RBGP4, prepared: Prepared) -> str | None:
        """Compare tier 0 in float64 with the same on the CPU."""
        xp, size, special = self._machine.xp, prepared.size, self._machine.special
        values = self.numbers((size.rows, size.row_degree), np.dtype(np.float64))
        X = self.numbers((1, size.cols, 5), np.dtype(np.float64))
        Y = gather.forward(xp, special, size, prepared.tables, values, X, None, None)
        values, X, Y = (self._machine.to_host(array) for array in (values, X, Y))
        # On the CPU in the digits of the pattern itself.
        arguments = (np, None, dimensions(pattern), tables(pattern))
        expected = gather.forward(*arguments, values, X, None, None)
        magnitude = gather.forward(*arguments, abs(values), abs(X), None, None)
        return _difference(np, None, Y, expected, magnitude, size.row_degree)

    def poisoned(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return an array of NaN, which a kernel has to write over."""
        return self._machine.xp.full(shape, np.nan, np.float32).astype(dtype)

    def numbers(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return normal numbers: a random sequence, again and again."""
        xp = self._machine.xp
        sequence = np.random.default_rng(0).standard_normal(_CHECK_NUMBERS).astype(np.float32)
        tile, numbers = xp.asarray(sequence).astype(dtype), xp.empty(math.prod(shape), dtype)
        whole = numbers.size - numbers.size % _CHECK_NUMBERS
        numbers[:whole].reshape(-1, _CHECK_NUMBERS)[...] = tile
        numbers[whole:] = tile[: numbers.size - whole]
        return numbers.reshape(shape)


class DeviceLostError(BackendError):
    """A kernel has failed, and nothing runs on the device any more in this process."""

    #: About the kernel.
    verdict: Verdict


def verdict_of(machine: Machine, variant: str, check: Callable[[], str | None]) -> Verdict:
    """Return what a check finds; an error counts as a finding.

    Raises
    ------
    DeviceLostError
        If nothing runs on the device after it.
    """
    try:
        return Verdict(variant=variant, problem=check())
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        verdict = Verdict(variant=variant, problem=problem, is_kept=False)
    try:
        machine.wait()
    except Exception as error:
        lost = DeviceLostError(
            f"nothing runs on this device any more ({error}): the CUDA kernel {variant} has "
            "failed, and is not used any more; start the process again"
        )
        problem += "; nothing runs on the device after it"
        lost.verdict = Verdict(variant=variant, problem=problem)
        raise lost from error
    return verdict


def _parts(prepared: Prepared, columns: int) -> Iterator[tuple[slice, Dimensions, Tables]]:
    """Yield parts of a pattern whose comparison takes little memory, each with its rows."""

    def fits(size: Dimensions) -> bool:
        # The values, and the rows of X that are gathered for them, in float64.
        return 8 * size.nnz * (1 + columns / size.group) <= _PART_BYTES

    start = 0
    for size, own in row_parts(prepared.size, prepared.tables, fits):
        yield slice(start, start + size.rows), size, own
        start += size.rows


def _with_few_blocks(launch: Launch) -> Launch:
    return replace(launch, blocks=min(launch.blocks, _PERSISTENT_BLOCKS))


def _exact(xp: Any, array: Any) -> Any:
    """Return an array in float64, where tier 0 has no rounding of its own to speak of."""
    # By way of float32: that is all that can be relied on of bfloat16, which is new to CuPy.
    total = xp.float64 if array.dtype == xp.float64 else xp.float32
    return array.astype(total).astype(xp.float64)


def _difference(
    xp: Any, launch: Launch | None, result: Any, expected: Any, magnitude: Any, terms: int
) -> str | None:
    """Say by how much a result is off, or None if rounding explains it.

    Two operands are rounded if the launch says so, there are `terms` roundings of the sums, and
    one of the result. An activation changes nothing by more than 1.13 times what changed before.
    """
    sums = float(xp.finfo(xp.float64 if result.dtype == xp.float64 else xp.float32).eps)
    stored = {"bfloat16": 2.0**-7, "float16": 2.0**-10}.get(result.dtype.name, sums)
    operands = 0.0 if launch is None else launch.operand_error
    bound = 2.3 * (terms * sums + operands) * magnitude + stored * abs(expected)
    if result.dtype.name == "float16":
        bound += _SMALLEST_HALF
    error = abs(_exact(xp, result) - expected)
    if bool((error <= bound).all()):
        return None
    worst = xp.nan_to_num(error / bound, nan=xp.inf)
    return f"wrong results, up to {float(worst.max()):.3g} times what rounding explains"
