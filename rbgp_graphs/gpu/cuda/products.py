"""The products on a device: which kernel, checked at first use, launched on device arrays."""

from __future__ import annotations

import functools
import math
import warnings
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from rbgp_graphs.gpu.cuda import gather
from rbgp_graphs.gpu.cuda.hopper import hopper_candidate, reaches, tensor_maps
from rbgp_graphs.gpu.cuda.launch import VECTOR_BYTES, Launch
from rbgp_graphs.gpu.cuda.machine import Machine
from rbgp_graphs.gpu.cuda.portable import forward_launch, sampled_launch, transpose_launch
from rbgp_graphs.gpu.cuda.tables import (
    Dimensions,
    Tables,
    TransposeSources,
    dimensions,
    tables,
    transpose_sources,
)
from rbgp_graphs.gpu.cuda.tensor_core import tensor_core_candidate
from rbgp_graphs.gpu.cuda.verdicts import Verdict, Verdicts, verdict_key
from rbgp_graphs.products import RBGP4

#: Distance of the smallest numbers of float16.
_SMALLEST_HALF = 2.0**-24
#: Numbers in the random sequence of a check; prime, so that no row repeats its neighbour.
_CHECK_NUMBERS = 4099


class _Prepared:
    """A pattern with its tables on a device."""

    def __init__(self, pattern: RBGP4, xp: Any) -> None:
        self.size: Dimensions = dimensions(pattern)
        own = tables(pattern)
        self.tables = Tables(
            outer_columns=xp.asarray(own.outer_columns),
            outer_tables=xp.asarray(own.outer_tables),
            inner_columns=xp.asarray(own.inner_columns),
        )


class _PreparedTranspose(_Prepared):
    """The transposed pattern, and where its values come from."""

    def __init__(self, pattern: RBGP4, xp: Any) -> None:
        super().__init__(pattern.T, xp)
        sources = transpose_sources(pattern)
        self.sources = TransposeSources(
            outer=xp.asarray(sources.outer), inner=xp.asarray(sources.inner)
        )


class Products:
    """The products of RBGP4 matrices on one device.

    Operands are arrays of the machine's array module, of one dtype: float16, bfloat16, float32
    or float64. Their strides are any. Work is put on the current stream, and nothing waits for
    it, except where a kernel runs for the first time and is checked.

    Parameters
    ----------
    machine : Machine
        The device.
    verdicts : Verdicts
        What is known of its kernels.
    """

    def __init__(self, machine: Machine, verdicts: Verdicts) -> None:
        self._machine = machine
        self._verdicts = verdicts
        self._prepared: dict[tuple[int, bool], _Prepared] = {}
        self._usable: dict[str, bool] = {}

    def forward(
        self,
        pattern: RBGP4,
        values: Any,
        X: Any,
        out: Any,
        bias: Any = None,
        activation: str | None = None,
        *,
        transposed: bool = False,
    ) -> None:
        """Write f(A X + b) to `out`, or the same with the transposed matrix.

        Parameters
        ----------
        pattern : RBGP4
            The pattern of A.
        values : array, shape (rows, row_degree)
            Each row in ascending column order.
        X : array, shape (..., cols, N)
            The operand; (..., rows, N) if `transposed`.
        out : array, shape (..., rows, N)
            The result, of the operands' dtype; (..., cols, N) if `transposed`.
        bias : array, shape (rows,), optional
            Real numbers, added in the precision of the sums.
        activation : {"relu", "gelu", "silu"}, optional
            The function f.
        transposed : bool
            Whether A stands for its transpose.
        """
        xp = self._machine.xp
        if transposed:
            values = self.transpose_values(pattern, values)
        prepared = self._prepare(pattern, transposed)
        if out.size == 0:
            return
        operand, result = _matrices(xp, X), _matrices(xp, out, is_result=True)
        total = xp.float64 if out.dtype == xp.float64 else xp.float32
        offset = None if bias is None else xp.ascontiguousarray(bias, dtype=total)
        values = self._as_kernel_input(values)
        self._forward(prepared, values, operand, result, offset, activation)
        if not _share_memory(self._machine, result, out):
            out[...] = result.reshape(out.shape)

    def sampled(self, pattern: RBGP4, dY: Any, X: Any, out: Any) -> None:
        """Write the entries of dY times X transposed at the nonzeros to `out`.

        Parameters
        ----------
        pattern : RBGP4
            Where the nonzeros are.
        dY : array, shape (..., rows, N)
            Left operand.
        X : array, shape (..., cols, N)
            Right operand.
        out : array, shape (rows, row_degree)
            The result, of the operands' dtype, summed over the leading axes.
        """
        xp = self._machine.xp
        prepared = self._prepare(pattern, transposed=False)
        if out.size == 0:
            return
        left, right = _matrices(xp, dY), _matrices(xp, X)
        if right.size == 0:
            out[...] = 0
            return
        result = out if out.flags.c_contiguous else xp.empty(out.shape, out.dtype)
        aligned = self._is_aligned(left) and self._is_aligned(right)
        launch = sampled_launch(
            prepared.size,
            out.dtype.name,
            right.shape[2],
            aligned=aligned,
            shared_limit=self._machine.shared_limit,
        )
        if self._first_usable([launch], lambda one: self._check_sampled(one, prepared, out.dtype)):
            self._launch_sampled(launch, prepared, left, right, result)
        else:
            found = gather.sampled(xp, prepared.size, prepared.tables, left, right)
            result[...] = found.astype(result.dtype)
        if result is not out:
            out[...] = result

    def transpose_values(self, pattern: RBGP4, values: Any) -> Any:
        """Return the values of the transposed matrix as a new array, shape (cols, col_degree)."""
        xp = self._machine.xp
        prepared = self._prepare(pattern, transposed=True)
        assert isinstance(prepared, _PreparedTranspose)
        size = prepared.size
        source = xp.ascontiguousarray(values)
        result = xp.empty((size.rows, size.row_degree), source.dtype)
        launch = transpose_launch(size, source.dtype.name)

        check = functools.partial(self._check_transpose, prepared=prepared, dtype=source.dtype)
        if self._first_usable([launch], check):
            self._launch_transpose(launch, prepared, source, result)
            return result
        return self._gather_transpose(prepared, source)

    def check(self, pattern: RBGP4, dtype: Any, n: int, activation: str | None) -> list[Verdict]:
        """Run every kernel that these products could use, on random numbers.

        Parameters
        ----------
        pattern : RBGP4
            The pattern.
        dtype : dtype
            Of all operands.
        n : int
            Columns of the operands.
        activation : {"relu", "gelu", "silu"} or None
            What ends the products.

        Returns
        -------
        list of Verdict
            One for each kernel, of now and not of an earlier run, compared with tier 0. Then
            one of tier 0 itself, compared with NumPy.
        """
        transposed = self._prepare(pattern, transposed=True)
        assert isinstance(transposed, _PreparedTranspose)
        verdicts = []
        aligned = n * dtype.itemsize % VECTOR_BYTES == 0
        for prepared in (self._prepare(pattern, transposed=False), transposed):
            for launch in self._forward_launches(
                prepared.size, dtype.name, n, 1, aligned, activation
            ):
                check = self._check_forward
                verdicts.append(self._try(launch, check, prepared, dtype, n, activation))
        prepared, limit = self._prepare(pattern, transposed=False), self._machine.shared_limit
        sampled = sampled_launch(prepared.size, dtype.name, n, aligned=aligned, shared_limit=limit)
        verdicts.append(self._try(sampled, self._check_sampled, prepared, dtype))
        launch = transpose_launch(transposed.size, dtype.name)
        verdicts.append(self._try(launch, self._check_transpose, transposed, dtype))
        problem = _problem_of(lambda: self._check_gather(pattern, prepared))
        return [*verdicts, Verdict(variant="gather()", problem=problem)]

    # Choice of a kernel ---------------------------------------------------------------------

    def _forward(
        self,
        prepared: _Prepared,
        values: Any,
        X: Any,
        Y: Any,
        bias: Any,
        activation: str | None,
    ) -> None:
        aligned = self._is_aligned(X) and self._is_aligned(Y)
        batches, _, n = X.shape
        launches = self._forward_launches(
            prepared.size, X.dtype.name, n, batches, aligned, activation
        )
        if not reaches(X.shape, _row(X), _matrix(X)):
            launches = [launch for launch in launches if launch.kernel != "hopper"]
        launch = self._first_usable(
            launches, lambda one: self._check_forward(one, prepared, X.dtype, n, activation)
        )
        if launch is not None:
            self._launch_forward(launch, prepared, values, X, Y, bias)
            return
        result = gather.forward(
            self._machine.xp,
            self._machine.special,
            prepared.size,
            prepared.tables,
            values,
            X,
            bias,
            activation,
        )
        Y[...] = result.astype(Y.dtype)

    def _forward_launches(
        self,
        size: Dimensions,
        dtype: str,
        n: int,
        batches: int,
        aligned: bool,
        activation: str | None,
    ) -> list[Launch]:
        """Return launches for a product, the one expected to be fastest first."""
        problem: dict[str, Any] = {
            "batches": batches,
            "aligned": aligned,
            "activation": activation,
        }
        capability, limit = self._machine.capability, self._machine.shared_limit
        hopper = hopper_candidate(size, dtype, n, capability=capability, **problem)
        problem["shared_limit"] = limit
        tensor_core = tensor_core_candidate(size, dtype, n, capability=capability, **problem)
        portable = forward_launch(size, dtype, n, **problem)
        return [launch for launch in (hopper, tensor_core, portable) if launch is not None]

    def _first_usable(
        self, launches: Iterable[Launch], check: Callable[[Launch], str | None]
    ) -> Launch | None:
        """Return the first launch whose kernel agrees with tier 0 on this device."""
        for launch in launches:
            if launch.fits and self._is_usable(launch, check):
                return launch
        return None

    def _is_usable(self, launch: Launch, check: Callable[[Launch], str | None]) -> bool:
        key = verdict_key(self._machine.identity, launch)
        known = self._usable.get(key)
        if known is not None:
            return known
        verdict = self._verdicts.find(key)
        if verdict is None:
            verdict = self._try(launch, check)
            self._verdicts.add(key, verdict)
        if verdict.problem is not None:
            warnings.warn(
                f"the CUDA kernel {verdict.variant} is switched off on this device: "
                f"{verdict.problem}; a slower one takes over",
                RuntimeWarning,
                stacklevel=2,
            )
        self._usable[key] = verdict.problem is None
        return self._usable[key]

    @staticmethod
    def _try(launch: Launch, check: Callable[..., str | None], *arguments: Any) -> Verdict:
        problem = _problem_of(lambda: check(launch, *arguments))
        return Verdict(variant=launch.variant, problem=problem)

    # Checks at first use --------------------------------------------------------------------

    def _check_forward(
        self,
        launch: Launch,
        prepared: _Prepared,
        dtype: Any,
        n: int,
        activation: str | None,
    ) -> str | None:
        """Compare a kernel with tier 0 on random numbers in this pattern."""
        xp, size = self._machine.xp, prepared.size
        # Two matrices, a few columns more than one block has, and all ends of rows aligned.
        n = min(n, 272)
        values = self._numbers((size.rows, size.row_degree), dtype)
        X = self._numbers((2, size.cols, n), dtype)
        total = xp.float64 if dtype == xp.float64 else xp.float32
        bias = self._numbers((size.rows,), total)
        Y = self._poisoned((2, size.rows, n), dtype)
        self._launch_forward(launch, prepared, values, X, Y, bias)
        arguments = (xp, self._machine.special, size, prepared.tables)
        expected = gather.forward(*arguments, values, X, bias, activation)
        magnitude = gather.forward(
            *arguments, abs(values.astype(total)), abs(X.astype(total)), abs(bias), None
        )
        return _difference(xp, Y, expected, magnitude, size.row_degree + 9)

    def _check_sampled(self, launch: Launch, prepared: _Prepared, dtype: Any) -> str | None:
        xp, size = self._machine.xp, prepared.size
        # More columns than one stage has.
        n = 136
        X = self._numbers((2, size.cols, n), dtype)
        dY = self._numbers((2, size.rows, n), dtype)
        result = self._poisoned((size.rows, size.row_degree), dtype)
        self._launch_sampled(launch, prepared, dY, X, result)
        expected = gather.sampled(xp, size, prepared.tables, dY, X)
        total = xp.float64 if dtype == xp.float64 else xp.float32
        sizes = (abs(operand.astype(total)) for operand in (dY, X))
        magnitude = gather.sampled(xp, size, prepared.tables, *sizes)
        return _difference(xp, result, expected, magnitude, 2 * n)

    def _check_transpose(
        self, launch: Launch, prepared: _PreparedTranspose, dtype: Any
    ) -> str | None:
        xp, size = self._machine.xp, prepared.size
        values = self._numbers((size.cols, size.nnz // size.cols), dtype)
        ordered = self._poisoned((size.rows, size.row_degree), dtype)
        self._launch_transpose(launch, prepared, values, ordered)
        expected = self._gather_transpose(prepared, values)
        # bfloat16 is new to CuPy, and little more than its conversion can be relied on.
        is_same = ordered.astype(xp.float64) == expected.astype(xp.float64)
        return None if bool(is_same.all()) else "values at wrong places"

    def _check_gather(self, pattern: RBGP4, prepared: _Prepared) -> str | None:
        """Compare tier 0 in float64 with the same on the CPU."""
        xp, size, special = self._machine.xp, prepared.size, self._machine.special
        values = self._numbers((size.rows, size.row_degree), np.dtype(np.float64))
        X = self._numbers((1, size.cols, 5), np.dtype(np.float64))
        Y = gather.forward(xp, special, size, prepared.tables, values, X, None, None)
        values, X, Y = (self._machine.to_host(array) for array in (values, X, Y))
        arguments = (np, None, size, tables(pattern))
        expected = gather.forward(*arguments, values, X, None, None)
        magnitude = gather.forward(*arguments, abs(values), abs(X), None, None)
        return _difference(np, Y, expected, magnitude, size.row_degree)

    def _poisoned(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return an array of NaN, which a kernel has to write over."""
        return self._machine.xp.full(shape, np.nan, np.float32).astype(dtype)

    def _numbers(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return normal numbers: a random sequence, again and again."""
        xp = self._machine.xp
        sequence = np.random.default_rng(0).standard_normal(_CHECK_NUMBERS).astype(np.float32)
        count = math.prod(shape)
        places = xp.arange(count, dtype=xp.int64) % _CHECK_NUMBERS
        return xp.asarray(sequence)[places].astype(dtype).reshape(shape)

    # Launches -------------------------------------------------------------------------------

    def _launch_forward(
        self,
        launch: Launch,
        prepared: _Prepared,
        values: Any,
        X: Any,
        Y: Any,
        bias: Any,
    ) -> None:
        own, operands = prepared.tables, (values, X)
        strides: tuple[int, ...] = (_row(X), _row(Y), _matrix(X), _matrix(Y))
        if launch.kernel == "hopper":
            operands = tensor_maps(launch, prepared.size, X.dtype.name, values, X, _row(X))
            strides = (_row(Y), _matrix(Y))
        arguments = [*operands, Y, bias, own.outer_columns, own.outer_tables, own.inner_columns]
        arguments += [*_int32(X.shape[2], X.shape[0]), *_int64(*strides)]
        self._machine.run(launch, arguments)

    def _launch_sampled(
        self, launch: Launch, prepared: _Prepared, dY: Any, X: Any, result: Any
    ) -> None:
        own = prepared.tables
        arguments = [dY, X, result, own.outer_columns, own.outer_tables, own.inner_columns]
        arguments += [*_int32(X.shape[2], X.shape[0])]
        arguments += [*_int64(_row(dY), _row(X), _matrix(dY), _matrix(X))]
        self._machine.run(launch, arguments)

    def _launch_transpose(
        self, launch: Launch, prepared: _PreparedTranspose, values: Any, result: Any
    ) -> None:
        size, sources = prepared.size, prepared.sources
        arguments = [values, result, prepared.tables.outer_tables, sources.outer, sources.inner]
        arguments += [*_int32(size.uo * size.do // size.vo, size.ui * size.di // size.vi)]
        self._machine.run(launch, [*arguments, *_int64(size.nnz)])

    def _gather_transpose(self, prepared: _PreparedTranspose, values: Any) -> Any:
        return gather.transpose_values(prepared.size, prepared.tables, prepared.sources, values)

    # Arrays ---------------------------------------------------------------------------------

    def _prepare(self, pattern: RBGP4, transposed: bool) -> _Prepared:
        key = (id(pattern), transposed)
        prepared = self._prepared.get(key)
        if prepared is None:
            kind = _PreparedTranspose if transposed else _Prepared
            prepared = self._prepared[key] = kind(pattern, self._machine.xp)
            weakref.finalize(pattern, self._prepared.pop, key, None)
        return prepared

    def _is_aligned(self, matrices: Any) -> bool:
        """Return whether every row starts where a thread can load its widest piece."""
        strides = (_row(matrices), _matrix(matrices))
        return self._machine.address(matrices) % VECTOR_BYTES == 0 and not any(
            stride * matrices.itemsize % VECTOR_BYTES for stride in strides
        )

    def _as_kernel_input(self, values: Any) -> Any:
        """Return values without gaps that start where a thread can load its widest piece."""
        contiguous = self._machine.xp.ascontiguousarray(values)
        if self._machine.address(contiguous) % VECTOR_BYTES:
            return contiguous.copy()
        return contiguous


def _problem_of(check: Callable[[], str | None]) -> str | None:
    """Return what a check finds; an error counts as a finding, except that memory is short."""
    try:
        return check()
    except MemoryError:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _matrices(xp: Any, array: Any, *, is_result: bool = False) -> Any:
    """Return a batch of matrices (batch, rows, n) with neighbouring entries in a row.

    A view if the strides allow it. What is to be written to is otherwise a new array.
    """
    matrices = array[None] if array.ndim == 2 else array
    itemsize = array.itemsize
    if matrices.ndim == 3 and (matrices.strides[2] == itemsize or matrices.shape[2] == 1):
        row, matrix = matrices.strides[1], matrices.strides[0]
        if row >= 0 and matrix >= 0 and not row % itemsize and not matrix % itemsize:
            return matrices
    shape = (math.prod(array.shape[:-2]), *array.shape[-2:])
    if is_result:
        return xp.empty(shape, array.dtype)
    return xp.ascontiguousarray(array).reshape(shape)


def _share_memory(machine: Machine, a: Any, b: Any) -> bool:
    return machine.address(a) == machine.address(b)


def _row(matrices: Any) -> int:
    """Return the distance of rows, in entries."""
    return int(matrices.strides[1] // matrices.itemsize)


def _matrix(matrices: Any) -> int:
    return int(matrices.strides[0] // matrices.itemsize)


def _int32(*numbers: int) -> tuple[np.int32, ...]:
    return tuple(np.int32(number) for number in numbers)


def _int64(*numbers: int) -> tuple[np.int64, ...]:
    return tuple(np.int64(number) for number in numbers)


def _difference(xp: Any, result: Any, expected: Any, magnitude: Any, terms: int) -> str | None:
    """Say by how much a result is off, or None if rounding explains it.

    `terms` roundings of the sums on either side, and one of the result. An activation changes
    nothing by more than 1.13 times what changed before it.
    """
    sums = float(xp.finfo(expected.dtype).eps)
    stored = {"bfloat16": 2.0**-7, "float16": 2.0**-10}.get(result.dtype.name, sums)
    bound = 2.3 * terms * sums * magnitude + stored * abs(expected)
    if result.dtype.name == "float16":
        bound += _SMALLEST_HALF
    error = abs(result.astype(expected.dtype) - expected)
    if bool((error <= bound).all()):
        return None
    worst = xp.nan_to_num(error / bound, nan=xp.inf)
    return f"wrong results, up to {float(worst.max()):.3g} times what rounding explains"
