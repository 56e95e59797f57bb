"""How numbers are stored and how they are computed with: the element types of the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from rbgp_graphs.gpu.cpu.emit import BF16, F16, F32, F64, I32, Emitter, Value, element_bytes


@dataclass(frozen=True, kw_only=True)
class Storage:
    """A dtype of the arrays and the type of the sums.

    Attributes
    ----------
    name : str
        The dtype's name.
    stored, computed : llvmlite type
        A number in memory, and in a sum.
    """

    name: str
    stored: Any
    computed: Any

    @property
    def stored_bytes(self) -> int:
        """Size of a number in memory."""
        return element_bytes(self.stored)

    @property
    def computed_bytes(self) -> int:
        """Size of a number in a sum."""
        return element_bytes(self.computed)

    @property
    def is_converted(self) -> bool:
        """Whether numbers change their type between memory and sums."""
        return self.stored is not self.computed

    def to_computed(self, emit: Emitter, value: Value) -> Value:
        """Return a stored number or vector as one that can be computed with."""
        if not self.is_converted:
            return value
        target = _like(value, self.computed)
        if self.stored is not BF16:
            return emit.build.fpext(value, target)
        integer = _like(value, I32)
        wide = emit.build.zext(value, integer)
        return emit.build.bitcast(emit.build.shl(wide, _constant(integer, 16)), target)

    def to_stored(self, emit: Emitter, value: Value) -> Value:
        """Return a result rounded to what is stored, to nearest with ties to even."""
        if not self.is_converted:
            return value
        target, build = _like(value, self.stored), emit.build
        if self.stored is not BF16:
            return build.fptrunc(value, target)
        integer = _like(value, I32)
        bits = build.bitcast(value, integer)
        odd = build.and_(build.lshr(bits, _constant(integer, 16)), _constant(integer, 1))
        rounded = build.add(build.add(bits, _constant(integer, 0x7FFF)), odd)
        # Rounding could carry the payload of a NaN away; a quiet one stays a NaN.
        quiet = build.or_(bits, _constant(integer, 0x400000))
        is_nan = build.fcmp_unordered("uno", value, value)
        kept = build.lshr(build.select(is_nan, quiet, rounded), _constant(integer, 16))
        return build.trunc(kept, target)


def _like(value: Value, element: Any) -> Any:
    """Return the type of a scalar or vector with other elements."""
    kind = value.type
    return ir.VectorType(element, kind.count) if isinstance(kind, ir.VectorType) else element


def _constant(kind: Any, number: int) -> Any:
    if isinstance(kind, ir.VectorType):
        return ir.Constant(kind, [number] * kind.count)
    return ir.Constant(kind, number)


STORAGES = {
    storage.name: storage
    for storage in (
        Storage(name="float16", stored=F16, computed=F32),
        Storage(name="bfloat16", stored=BF16, computed=F32),
        Storage(name="float32", stored=F32, computed=F32),
        Storage(name="float64", stored=F64, computed=F64),
    )
}
