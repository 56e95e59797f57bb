"""The products on a device: which kernel, checked at first use, launched on device arrays."""

from __future__ import annotations

import contextlib
import functools
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu.cuda import gather
from rbgp_graphs.gpu.cuda.checks import Checks, DeviceLostError, verdict_of
from rbgp_graphs.gpu.cuda.choices import Choice, Choices, choice_key
from rbgp_graphs.gpu.cuda.hopper import is_one_tensor
from rbgp_graphs.gpu.cuda.launch import VECTOR_BYTES, Launch, number_type
from rbgp_graphs.gpu.cuda.machine import Machine
from rbgp_graphs.gpu.cuda.plans import Plan, Problem, all_plans, usual_plans
from rbgp_graphs.gpu.cuda.portable import transpose_launch
from rbgp_graphs.gpu.cuda.prepared import (
    Prepared,
    PreparedTranspose,
    are_rows_aligned,
    as_contiguous,
    as_matrices,
    matrix_stride,
    row_stride,
)
from rbgp_graphs.gpu.cuda.runs import Call, forward_call, sampled_call, transpose_call
from rbgp_graphs.gpu.cuda.verdicts import Verdicts, verdict_key
from rbgp_graphs.products import RBGP4

#: Problems whose launches are kept ready.
_MOST_READY = 4096
#: Calls that are kept for a pattern, one for each layout of operands.
_MOST_CALLS = 256
#: Columns and operands that kernels count; they round up in 32 bits.
_LARGEST_COUNT = 2**30


class Products:
    """The products of RBGP4 matrices on one device.

    Operands are arrays of the machine's array module, of one dtype: float16, bfloat16, float32
    or float64. Their strides are any. Work is put on the current stream, and nothing waits for
    it, except where a pattern or a kernel is used for the first time: its tables are brought to
    the device, it is compiled and checked. Threads and streams may share the object; one thread
    at a time brings what is new. A CUDA graph can record what is not new.

    Parameters
    ----------
    machine : Machine
        The device.
    verdicts : Verdicts
        What is known of its kernels.
    choices : Choices, optional
        What a tuner has found to be fastest on it.
    """

    def __init__(
        self, machine: Machine, verdicts: Verdicts, choices: Choices | None = None
    ) -> None:
        self.machine = machine
        self._verdicts = verdicts
        self._choices = Choices(None) if choices is None else choices
        self._checks = Checks(machine)
        self._prepared: dict[tuple[int, bool], Prepared] = {}
        self._usable: dict[str, bool] = {}
        self._ready: dict[tuple[Any, ...], tuple[Launch | None]] = {}
        self._lock = threading.RLock()

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
        precision: str | None = None,
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
        precision : {"tf32"}, optional
            Lets operands in float32 be rounded to tf32 before they are multiplied.
        """
        xp = self.machine.xp
        if transposed:
            values = self.transpose_values(pattern, values)
        prepared = self.prepare(pattern, transposed=transposed)
        if out.size == 0:
            return
        total = xp.float64 if out.dtype == xp.float64 else xp.float32
        offset = None if bias is None else xp.ascontiguousarray(bias, dtype=total)
        given = values, X, out
        key = ("forward", out.dtype, activation, precision, *map(self._layout, given))
        call = prepared.calls.get(key)
        if call is not None:
            call.run(self.machine, *given, offset)
            return
        operand, result = as_matrices(xp, X), as_matrices(xp, out, is_result=True)
        used = as_contiguous(self.machine, values), operand, result
        call = self._forward_call(prepared, number_type(out.dtype, precision), *used, activation)
        if call is not None:
            call.run(self.machine, *used, offset)
            self._keep(call, prepared, key, given, used)
        else:
            found = gather.forward(
                xp,
                self.machine.special,
                prepared.size,
                prepared.tables,
                values,
                operand,
                offset,
                activation,
            )
            result[...] = found.astype(result.dtype)
        if self.machine.address(result) != self.machine.address(out):
            out[...] = result.reshape(out.shape)

    def sampled(
        self, pattern: RBGP4, dY: Any, X: Any, out: Any, *, precision: str | None = None
    ) -> None:
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
        precision : {"tf32"}, optional
            As in `forward`.
        """
        xp = self.machine.xp
        prepared = self.prepare(pattern, transposed=False)
        if out.size == 0:
            return
        given = dY, X, out
        key = ("sampled", out.dtype, precision, *map(self._layout, given))
        call = prepared.calls.get(key)
        if call is not None:
            call.run(self.machine, *given)
            return
        left, right = as_matrices(xp, dY), as_matrices(xp, X)
        if right.size == 0:
            out[...] = 0
            return
        fits = out.flags.c_contiguous and self.machine.address(out) % VECTOR_BYTES == 0
        result = out if fits else xp.empty(out.shape, out.dtype)
        problem = Problem(
            product="sampled",
            size=prepared.size,
            dtype=number_type(out.dtype, precision),
            n=right.shape[2],
            batches=right.shape[0],
            rows_aligned=self._are_aligned(left, right),
        )
        check = functools.partial(self._checks.sampled, prepared=prepared, dtype=out.dtype)
        launch = self._launch_for(problem, None, check, are_tensors=_are_tensors(left, right))
        if launch is not None:
            call = sampled_call(self.machine, launch, prepared, left, right, result)
            call.run(self.machine, left, right, result)
            self._keep(call, prepared, key, given, (left, right, result))
        else:
            found = gather.sampled(xp, prepared.size, prepared.tables, left, right)
            result[...] = found.astype(result.dtype)
        if result is not out:
            out[...] = result

    def transpose_values(self, pattern: RBGP4, values: Any) -> Any:
        """Return the values of the transposed matrix as a new array, shape (cols, col_degree)."""
        xp = self.machine.xp
        prepared = self.prepare(pattern, transposed=True)
        assert isinstance(prepared, PreparedTranspose)
        size = prepared.own_size
        source = xp.ascontiguousarray(values)
        result = xp.empty((size.rows, size.row_degree), source.dtype)
        key = ("transpose", source.dtype)
        call = prepared.calls.get(key)
        if call is not None:
            call.run(self.machine, source, result)
            return result
        check = functools.partial(self._checks.transpose, prepared=prepared, dtype=source.dtype)
        launch = self._first_usable(
            ("transpose", size, source.dtype.name),
            lambda: [transpose_launch(size, source.dtype.name)],
            check,
        )
        if launch is not None:
            call = prepared.calls[key] = transpose_call(launch, prepared)
            call.run(self.machine, source, result)
            return result
        return gather.transpose_values(xp, size, prepared.own_tables, prepared.sources, source)

    # Choice of a kernel ---------------------------------------------------------------------

    def _forward_call(
        self,
        prepared: Prepared,
        numbers: str,
        values: Any,
        X: Any,
        Y: Any,
        activation: str | None,
    ) -> Call | None:
        """Return the call for a product, or None if tier 0 has to do it."""
        batches, _, n = X.shape
        problem = Problem(
            product="forward",
            size=prepared.size,
            dtype=numbers,
            n=n,
            batches=batches,
            rows_aligned=self._are_aligned(X, Y),
        )
        check = functools.partial(
            self._checks.forward, prepared=prepared, dtype=X.dtype, n=n, activation=activation
        )
        launch = self._launch_for(problem, activation, check, are_tensors=_are_tensors(X, Y))
        if launch is None:
            return None
        return forward_call(self.machine, launch, prepared, values, X, Y)

    def _launch_for(
        self,
        problem: Problem,
        activation: str | None,
        check: Callable[[Launch], str | None],
        *,
        are_tensors: tuple[bool, ...],
    ) -> Launch | None:
        """Return the launch for a problem, or None if tier 0 has to do it.

        `are_tensors` says which of the dense matrices are one tensor of five axes.
        """
        if max(problem.n, problem.batches) > _LARGEST_COUNT:
            return None
        return self._first_usable(
            (problem, activation, are_tensors),
            lambda: (
                plan.launch(problem, activation)
                for plan in self._plans(problem)
                if plan.suits(are_tensors)
            ),
            check,
        )

    def _first_usable(
        self,
        key: tuple[Any, ...],
        launches: Callable[[], Iterable[Launch]],
        check: Callable[[Launch], str | None],
    ) -> Launch | None:
        """Return the first launch whose kernel agrees with tier 0 on this device, and keep it."""
        ready = self._ready.get(key)
        if ready is not None:
            return ready[0]
        with self._first_use():
            ready = self._ready.get(key)
            if ready is None:
                usable = (one for one in launches() if one.fits and self.is_usable(one, check))
                ready = (next(usable, None),)
                if len(self._ready) >= _MOST_READY:
                    self._ready.clear()
                self._ready[key] = ready
        return ready[0]

    @contextlib.contextmanager
    def _first_use(self) -> Iterator[None]:
        """Let one thread at a time bring something new to the device."""
        with self._lock:
            if self.machine.is_capturing:
                raise BackendError(
                    "this is the first product of its kind, which compiles, checks and waits, and "
                    "a CUDA graph cannot record that; make the same call once before the capture"
                )
            yield

    def _plans(self, problem: Problem) -> list[Plan]:
        """Return plans, the one expected to be fastest first: that of a tuner, then the usual."""
        usual = usual_plans(problem, self.machine)
        choice = self._choices.find(choice_key(self.machine.identity, problem))
        if choice is None:
            return usual
        # A name in a file chooses among the plans of this version, and can do nothing else.
        tuned = (p for p in (*usual, *all_plans(problem, self.machine)) if p.name == choice.plan)
        return [*filter(None, [next(tuned, None)]), *usual]

    def is_usable(self, launch: Launch, check: Callable[[Launch], str | None]) -> bool:
        """Return whether a kernel agrees with tier 0 on this device; check it if need be."""
        key = verdict_key(self.machine.identity, launch)
        known = self._usable.get(key)
        if known is not None:
            return known
        verdict = self._verdicts.find(key)
        if verdict is None:
            # What went wrong before must not be taken for a mistake of this kernel.
            self._wait()
            try:
                verdict = verdict_of(self.machine, launch.variant, lambda: check(launch))
            except DeviceLostError as lost:
                self._verdicts.add(key, lost.verdict)
                raise
            if verdict.is_kept:
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

    def _wait(self) -> None:
        """Wait for the device, or say that nothing runs on it any more."""
        try:
            self.machine.wait()
        except Exception as error:
            raise BackendError(
                f"nothing runs on this device any more ({error}): something that this process did "
                "before has failed on the device; start the process again"
            ) from error

    def choose(self, problem: Problem, choice: Choice) -> None:
        """Use a plan for a problem from now on, here and in later processes."""
        self._choices.add(choice_key(self.machine.identity, problem), choice)
        self._ready.clear()
        for prepared in [*self._prepared.values()]:
            prepared.calls.clear()

    # Arrays ---------------------------------------------------------------------------------

    def prepare(self, pattern: RBGP4, *, transposed: bool) -> Prepared:
        """Return a pattern, or its transpose, with its tables on the device."""
        key = (id(pattern), transposed)
        prepared = self._prepared.get(key)
        if prepared is not None:
            return prepared
        with self._first_use():
            prepared = self._prepared.get(key)
            if prepared is None:
                kind = PreparedTranspose if transposed else Prepared
                prepared = kind(pattern, self.machine.xp)
                # Other streams use the tables without waiting for this one.
                self.machine.wait()
                self._prepared[key] = prepared
                weakref.finalize(pattern, self._prepared.pop, key, None)
        return prepared

    def _layout(self, array: Any) -> tuple[Any, ...]:
        """Return all that a call depends on of an operand."""
        return array.shape, array.strides, self.machine.address(array) % VECTOR_BYTES

    def _keep(
        self,
        call: Call,
        prepared: Prepared,
        key: tuple[Any, ...],
        given: tuple[Any, ...],
        used: tuple[Any, ...],
    ) -> None:
        """Keep a call for operands that lie as the given ones, if these were used as they are."""
        address = self.machine.address
        if all(address(a) == address(b) for a, b in zip(given, used, strict=True)):
            if len(prepared.calls) >= _MOST_CALLS:
                prepared.calls.clear()
            prepared.calls[key] = call

    def _are_aligned(self, *matrices: Any) -> bool:
        return all(are_rows_aligned(self.machine, one) for one in matrices)


def _are_tensors(*matrices: Any) -> tuple[bool, ...]:
    """Return which batches of matrices are one tensor of five axes each."""
    return tuple(is_one_tensor(a.shape, row_stride(a), matrix_stride(a)) for a in matrices)
