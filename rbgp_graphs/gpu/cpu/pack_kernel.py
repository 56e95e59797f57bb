"""The kernel that copies columns of X into a panel: aligned, in the precision of the sums."""

from __future__ import annotations

from llvmlite import ir

from rbgp_graphs.gpu.cpu.emit import Emitter, Value
from rbgp_graphs.gpu.cpu.job import PACK, JobReader
from rbgp_graphs.gpu.cpu.storage import Storage

#: How far ahead rows are asked for. Processors foresee no jumps from row to row.
_ROWS_AHEAD = 8


def pack_text(storage: Storage, lanes: int) -> str:
    """Return the kernel ``pack(job, source, width, panel, row_bytes)``.

    It copies `width` columns of the ``x_rows`` rows at `source` to the rows of the panel, which
    are `row_bytes` long. Lanes beyond `width` become zero.
    """
    emit = Emitter(PACK)
    job, source, width, panel, row_bytes = emit.arguments
    read = JobReader(emit, job)
    rows, x_row, x_col = read["x_rows"], read["x_row"], read["x_col"]
    kind = ir.VectorType(storage.computed, lanes)
    stored_kind = ir.VectorType(storage.stored, lanes)
    size, panel_size = storage.stored_bytes, storage.computed_bytes
    vector_bytes = lanes * panel_size
    whole = emit.mul(emit.divmod(width, emit.integer(lanes))[0], lanes)
    stop = emit.build.udiv(row_bytes, emit.integer(panel_size))

    def next_to_each_other() -> tuple[()]:
        tail = emit.mask(emit.sub(width, whole), lanes)

        def row(c: Value) -> None:
            start = emit.at(source, emit.mul(c, x_row))
            goal = emit.at(panel, emit.mul(c, row_bytes))

            def vector(n: Value) -> None:
                source = emit.at(start, emit.mul(n, size))
                emit.prefetch(emit.at(source, emit.mul(x_row, _ROWS_AHEAD)))
                x = emit.load_vector(stored_kind, source)
                place = emit.at(goal, emit.mul(n, panel_size))
                emit.store_vector(storage.to_computed(emit, x), place, vector_bytes)

            emit.loop(0, whole, vector, step=lanes)
            with emit.when(emit.is_less(whole, stop)):
                x = emit.masked_load(stored_kind, emit.at(start, emit.mul(whole, size)), tail)
                place = emit.at(goal, emit.mul(whole, panel_size))
                emit.store_vector(storage.to_computed(emit, x), place, vector_bytes)

            def empty(n: Value) -> None:
                place = emit.at(goal, emit.mul(n, panel_size))
                emit.store_vector(ir.Constant(kind, None), place, vector_bytes)

            emit.loop(emit.add(whole, lanes), stop, empty, step=lanes)

        emit.loop(0, rows, row)
        return ()

    def squares() -> Value:
        """Copy all squares of numbers by transposing them; return how many rows that are."""
        count = emit.mul(emit.divmod(rows, emit.integer(lanes))[0], lanes)
        last = emit.sub(width, 1)

        def columns(n: Value) -> None:
            starts = []
            for i in range(lanes):
                column = emit.smaller(emit.add(n, i), last)
                starts.append(emit.at(source, emit.mul(column, x_col)))
            mask = emit.mask(emit.sub(width, n), lanes)
            goal = emit.at(panel, emit.mul(n, panel_size))

            def square(c: Value) -> None:
                vectors = []
                for start in starts:
                    x = emit.load_vector(stored_kind, emit.at(start, emit.mul(c, size)))
                    vectors.append(storage.to_computed(emit, x))
                for i, x in enumerate(emit.transpose(vectors)):
                    place = emit.at(goal, emit.mul(emit.add(c, i), row_bytes))
                    kept = emit.build.select(mask, x, ir.Constant(kind, None))
                    emit.store_vector(kept, place, vector_bytes)

            emit.loop(0, count, square, step=lanes)

        emit.loop(0, stop, columns, step=lanes)
        return count

    def apart() -> tuple[()]:
        is_transposed = emit.is_equal(x_row, size)
        (first,) = emit.choose(is_transposed, lambda: [squares()], lambda: [emit.integer(0)])

        def row(c: Value) -> None:
            start = emit.at(source, emit.mul(c, x_row))
            goal = emit.at(panel, emit.mul(c, row_bytes))

            def column(n: Value) -> None:
                place = emit.at(start, emit.mul(n, x_col))
                x = emit.build.load(place, typ=storage.stored, align=size)
                place = emit.at(goal, emit.mul(n, panel_size))
                emit.build.store(storage.to_computed(emit, x), place, align=panel_size)

            def empty(n: Value) -> None:
                place = emit.at(goal, emit.mul(n, panel_size))
                emit.build.store(ir.Constant(storage.computed, 0.0), place, align=panel_size)

            emit.loop(0, width, column)
            emit.loop(width, stop, empty)

        emit.loop(first, rows, row)
        return ()

    emit.choose(emit.is_equal(x_col, size), next_to_each_other, apart)
    return emit.finish()
