r"""Activation functions of vectors, accurate to a few units in the last place.

Both smooth ones rest on the exponential of a number :math:`y \le 0`, as :math:`2^n e^r` with
:math:`|r| \le \ln(2)/2`, and keep their relative accuracy where the result is tiny.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.polynomial import chebyshev
from scipy import special

from rbgp_graphs.gpu.cpu.emit import F32, I32, I64, Emitter, Value, suffix

#: Terms of the series of the exponential, and degree of the fit of the error function.
_EXP_TERMS = {"float": 8, "double": 14}
_ERFC_DEGREE = {"float": 10, "double": 22}
#: Where the fit of the error function is centred; 3 needs the lowest degree.
_ERFC_CENTRE = 3.0
#: Below this the exponential is zero, also as a subnormal number.
_LOWEST = {"float": -104.0, "double": -746.0}
_LN2_HIGH = {"float": 0.693359375, "double": 6.93147180369123816490e-01}
_LN2_LOW = {"float": -2.12194440054690583e-4, "double": 1.90821492927058770002e-10}


def _nothing(emit: Emitter, x: Value) -> Value:  # noqa: ARG001
    return x


def _relu(emit: Emitter, x: Value) -> Value:
    zero = ir.Constant(x.type, None)
    # NaN is not smaller than zero and stays.
    return emit.build.select(emit.build.fcmp_ordered("<", x, zero), zero, x)


def _silu(emit: Emitter, x: Value) -> Value:
    build = emit.build
    one = emit.constant(x.type, 1.0)
    small = _exp(emit, build.fneg(_abs(emit, x)))
    positive = build.fcmp_ordered(">=", x, ir.Constant(x.type, None))
    logistic = build.fdiv(build.select(positive, one, small), build.fadd(one, small))
    return build.fmul(x, logistic)


def _gelu(emit: Emitter, x: Value) -> Value:
    build, kind = emit.build, x.type
    # Beyond 60 the tail is zero in every dtype, and the squares below stay finite.
    size = _abs(emit, x)
    limit = emit.constant(kind, 60.0)
    size = build.select(build.fcmp_ordered("<", size, limit), size, limit)
    square = build.fmul(size, size)
    rest = emit.fma(size, size, build.fneg(square))
    half = emit.constant(kind, 0.5)
    tail = _exp(emit, build.fneg(build.fmul(square, half)))
    tail = emit.fma(build.fneg(build.fmul(rest, half)), tail, tail)
    tail = build.fmul(build.fmul(tail, _scaled_erfc(emit, size)), half)
    one = emit.constant(kind, 1.0)
    positive = build.fcmp_ordered(">=", x, ir.Constant(kind, None))
    return build.fmul(x, build.select(positive, build.fsub(one, tail), tail))


ACTIVATIONS: dict[str | None, Callable[[Emitter, Any], Any]] = {
    None: _nothing,
    "relu": _relu,
    "gelu": _gelu,
    "silu": _silu,
}


def _abs(emit: Emitter, x: Value) -> Value:
    return emit.intrinsic(f"llvm.fabs.{suffix(x.type)}", x.type, (x,))


def _exp(emit: Emitter, y: Value) -> Value:
    """Return the exponential of numbers that are zero or negative."""
    build, kind = emit.build, y.type
    name = str(kind.element)
    low = emit.constant(kind, _LOWEST[name])
    y = build.select(build.fcmp_ordered("<", y, low), low, y)
    power = build.fmul(y, emit.constant(kind, 1 / math.log(2)))
    power = emit.intrinsic(f"llvm.rint.{suffix(kind)}", kind, (power,))
    r = emit.fma(power, emit.constant(kind, -_LN2_HIGH[name]), y)
    r = emit.fma(power, emit.constant(kind, -_LN2_LOW[name]), r)
    series = [1 / math.factorial(k) for k in range(_EXP_TERMS[name])]
    value = _horner(emit, series, r)
    # Two factors, because 2**n alone may be smaller than the smallest normal number.
    half = build.fmul(power, emit.constant(kind, 0.5))
    first = emit.intrinsic(f"llvm.rint.{suffix(kind)}", kind, (half,))
    second = build.fsub(power, first)
    for factor in (first, second):
        value = build.fmul(value, _power_of_two(emit, factor))
    return value


def _power_of_two(emit: Emitter, n: Value) -> Value:
    """Return 2**n for whole numbers n in the range of normal numbers."""
    build = emit.build
    single = n.type.element is F32
    integer = ir.VectorType(I32 if single else I64, n.type.count)
    offset, shift = (127, 23) if single else (1023, 52)
    bits = build.add(build.fptosi(n, integer), ir.Constant(integer, [offset] * n.type.count))
    return build.bitcast(build.shl(bits, ir.Constant(integer, [shift] * n.type.count)), n.type)


def _scaled_erfc(emit: Emitter, x: Value) -> Value:
    r"""Return :math:`e^{x^2/2} \mathrm{erfc}(x/\sqrt2)` for :math:`x \ge 0`."""
    build, kind = emit.build, x.type
    z = build.fmul(x, emit.constant(kind, math.sqrt(0.5)))
    centre = emit.constant(kind, _ERFC_CENTRE)
    t = build.fdiv(build.fsub(z, centre), build.fadd(z, centre))
    fit = _horner(emit, _erfc_fit(_ERFC_DEGREE[str(kind.element)]), t)
    one = emit.constant(kind, 1.0)
    return build.fdiv(fit, emit.fma(emit.constant(kind, 2.0), z, one))


@functools.cache
def _erfc_fit(degree: int) -> list[float]:
    r"""Return coefficients of :math:`(1 + 2z) e^{z^2} \mathrm{erfc}(z)` in powers of t.

    With :math:`t = (z - c)/(z + c)` the function is smooth on [-1, 1] (Shepherd and Laframboise,
    Chebyshev approximation of (1 + 2x)exp(x^2)erfc x in 0 <= x < inf, Math. Comp. 36, 1981).
    """

    def scaled(t: Any) -> Any:
        z = _ERFC_CENTRE * (1 + t) / (1 - t)
        return (1 + 2 * z) * special.erfcx(z)

    return [float(c) for c in chebyshev.cheb2poly(chebyshev.chebinterpolate(scaled, degree))]


def _horner(emit: Emitter, coefficients: list[float], x: Value) -> Value:
    *rest, value = (
        emit.constant(x.type, float(np.float32(c)) if x.type.element is F32 else c)
        for c in coefficients
    )
    for c in reversed(rest):
        value = emit.fma(value, x, c)
    return value
