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

    def row_of(g: Value, s: Value) -> Value:
        offset = emit.load_int(read.pointer("slot_rows"), s)
        return emit.add(first_row, emit.mul(g, read["slot_step"]), offset)

    def sums_of(g: Value, s: Value) -> Value:
        return emit.at(sums, emit.mul(emit.add(emit.mul(g, num_slots), s), row_bytes))

    def slot(g: Value, s: Value) -> None:
        row, start = row_of(g, s), sums_of(g, s)
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

            emit.loop(0, width, vector, step=lanes)
            return ()

        emit.choose(is_strided, apart, next_to_each_other)

    def scatter(row: Value, start: Value) -> None:
        goal = emit.at(target, emit.mul(row, read["out_row"]))

        def column(n: Value) -> None:
            x = emit.build.load(emit.at(start, emit.mul(n, sum_size)), typ=storage.computed)
            place = emit.at(goal, emit.mul(n, read["out_col"]))
            emit.build.store(storage.to_stored(emit, x), place, align=size)

        emit.loop(0, width, column)

    def transpose() -> tuple[()]:
        def entry(table: Value, index: Value | int) -> Value:
            return emit.at(sums, emit.mul(emit.load_int(table, index), row_bytes))

        def square(k: Value) -> None:
            table = emit.at(read.pointer("squares"), emit.mul(k, 8 * (1 + lanes)))
            places = [entry(table, 1 + i) for i in range(lanes)]
            goal = emit.at(target, emit.mul(emit.add(first_row, emit.load_int(table)), size))

            def columns(n: Value) -> None:
                offset = emit.mul(n, sum_size)
                rows = [emit.load_vector(kind, emit.at(x, offset), vector_bytes) for x in places]
                for i, x in enumerate(emit.transpose(rows)):
                    column = emit.add(n, i)
                    with emit.when(emit.is_less(column, width)):
                        place = emit.at(goal, emit.mul(column, read["out_col"]))
                        emit.store_vector(storage.to_stored(emit, x), place)

            emit.loop(0, width, columns, step=lanes)

        def single(k: Value) -> None:
            table = emit.at(read.pointer("singles"), emit.mul(k, 16))
            scatter(emit.add(first_row, emit.load_int(table)), entry(table, 1))

        emit.loop(0, read["num_squares"], square)
        emit.loop(0, read["num_singles"], single)
        return ()

    def scatter_all() -> tuple[()]:
        emit.loop(
            0, num_groups, lambda g: slots(g, lambda g, s: scatter(row_of(g, s), sums_of(g, s)))
        )
        return ()

    def slots(g: Value, body: Callable[[Value, Value], None]) -> None:
        emit.loop(0, num_slots, lambda s: body(g, s))

    is_strided = emit.build.not_(emit.is_equal(read["out_col"], size))
    emit.loop(0, num_groups, lambda g: slots(g, slot))
    with emit.when(is_strided):
        is_transposed = emit.build.and_(
            emit.is_equal(read["out_row"], size), emit.is_equal(read["square_groups"], num_groups)
        )
        emit.choose(is_transposed, transpose, scatter_all)
    return emit.finish()
