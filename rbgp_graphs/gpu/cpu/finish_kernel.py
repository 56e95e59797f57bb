"""The kernel that turns sums into results: bias, activation, rounding, storing."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from rbgp_graphs.gpu.cpu.activation import ACTIVATIONS
from rbgp_graphs.gpu.cpu.emit import I64, Emitter, Value
from rbgp_graphs.gpu.cpu.job import FINISH, JobReader
from rbgp_graphs.gpu.cpu.storage import Storage


def finish_text(storage: Storage, lanes: int, activation: str | None) -> str:
    """Return the kernel ``finish(job, sums, target, width, row_bytes, first_row, ...)``.

    The sums of `num_groups` groups with `num_slots` rows of `row_bytes` each stand one after the
    other. The kernel adds the bias, applies the activation and writes `width` columns to the
    rows of the result that the slots stand for.
    """
    emit = Emitter(FINISH)
    job, sums, target, width, row_bytes, first_row, num_groups, num_slots = emit.arguments
    read = JobReader(emit, job)
    read.load("bias", "out_row", "out_col", "slot_step", "slot_rows", "keeps_result")
    kind = ir.VectorType(storage.computed, lanes)
    size, sum_size = storage.stored_bytes, storage.computed_bytes
    vector_bytes = lanes * sum_size
    whole = emit.mul(emit.divmod(width, emit.integer(lanes))[0], lanes)
    tail = emit.mask(emit.sub(width, whole), lanes)

    def result(address: Value, bias: Value) -> Value:
        total = emit.build.fadd(emit.load_vector(kind, address, vector_bytes), bias)
        return ACTIVATIONS[activation](emit, total)

    def slot(g: Value, s: Value) -> None:
        offset = emit.load_int(read.pointer("slot_rows"), s)
        row = emit.add(first_row, emit.mul(g, read["slot_step"]), offset)
        start = emit.at(sums, emit.mul(emit.add(emit.mul(g, num_slots), s), row_bytes))
        goal = emit.at(target, emit.mul(row, read["out_row"]))
        (bias,) = emit.choose(
            emit.is_equal(read["bias"], 0),
            lambda: [ir.Constant(storage.computed, 0.0)],
            lambda: [
                emit.build.load(
                    emit.at(read.pointer("bias"), emit.mul(row, sum_size)), typ=storage.computed
                )
            ],
        )
        biases = emit.splat(bias, lanes)

        def vectors(put: Callable[[Value, Value], None]) -> tuple[()]:
            def vector(n: Value) -> None:
                x = result(emit.at(start, emit.mul(n, sum_size)), biases)
                put(storage.to_stored(emit, x), emit.at(goal, emit.mul(n, size)))

            emit.loop(0, whole, vector, step=lanes)
            return ()

        def next_to_each_other() -> tuple[()]:
            # Whole lines need not be read before they are written.
            address = emit.build.or_(emit.build.ptrtoint(goal, I64), read["keeps_result"])
            is_aligned = emit.is_equal(emit.build.and_(address, emit.integer(lanes * size - 1)), 0)
            emit.choose(
                is_aligned,
                lambda: vectors(emit.stream_vector),
                lambda: vectors(emit.store_vector),
            )
            with emit.when(emit.is_less(whole, width)):
                x = result(emit.at(start, emit.mul(whole, sum_size)), biases)
                place = emit.at(goal, emit.mul(whole, size))
                emit.masked_store(storage.to_stored(emit, x), place, tail)
            return ()

        def apart() -> tuple[()]:
            def vector(n: Value) -> None:
                place = emit.at(start, emit.mul(n, sum_size))
                emit.store_vector(result(place, biases), place, vector_bytes)

            def column(n: Value) -> None:
                place = emit.at(start, emit.mul(n, sum_size))
                x = emit.build.load(place, typ=storage.computed)
                place = emit.at(goal, emit.mul(n, read["out_col"]))
                emit.build.store(storage.to_stored(emit, x), place, align=size)

            emit.loop(0, width, vector, step=lanes)
            emit.loop(0, width, column)
            return ()

        emit.choose(emit.is_equal(read["out_col"], size), next_to_each_other, apart)

    def group(g: Value) -> None:
        emit.loop(0, num_slots, lambda s: slot(g, s))

    emit.loop(0, num_groups, group)
    return emit.finish()
