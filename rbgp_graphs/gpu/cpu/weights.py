"""Where the kernels find the weights of a block of rows, in the precision of the sums."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from rbgp_graphs.gpu.cpu.emit import Emitter, Value
from rbgp_graphs.gpu.cpu.storage import Storage


def weights_of(
    emit: Emitter,
    storage: Storage,
    lanes: int,
    starts: Sequence[Value],
    count: Value,
    scratch: Value,
) -> Sequence[Value]:
    """Return the addresses of `count` weights for each row, from `starts` or converted copies.

    Values stored in the precision of the sums are used in place. Others go through scratch memory
    of ``len(starts) * count`` numbers, because single ones would be converted once for every
    panel and row.
    """
    if not storage.is_converted:
        return starts
    row_bytes = emit.mul(count, storage.computed_bytes)
    goals = [emit.at(scratch, emit.mul(row_bytes, i)) for i in range(len(starts))]
    for start, goal in zip(starts, goals, strict=True):
        _convert(emit, storage, lanes, start, goal, count)
    return goals


def _convert(
    emit: Emitter, storage: Storage, lanes: int, source: Value, goal: Value, count: Value
) -> None:
    size, wide = storage.stored_bytes, storage.computed_bytes
    whole = emit.mul(emit.divmod(count, emit.integer(lanes))[0], lanes)

    def vector(k: Value) -> None:
        kind = ir.VectorType(storage.stored, lanes)
        x = emit.load_vector(kind, emit.at(source, emit.mul(k, size)))
        emit.store_vector(storage.to_computed(emit, x), emit.at(goal, emit.mul(k, wide)))

    def single(k: Value) -> None:
        x = emit.build.load(emit.at(source, emit.mul(k, size)), typ=storage.stored)
        x = storage.to_computed(emit, x)
        emit.build.store(x, emit.at(goal, emit.mul(k, wide)))

    emit.loop(0, whole, vector, step=lanes)
    emit.loop(whole, count, single)
