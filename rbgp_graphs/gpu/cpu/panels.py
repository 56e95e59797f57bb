"""The loop that all products with a panel share: threads take chunks until none is left."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from rbgp_graphs.gpu.cpu.calls import PANEL_ENTRIES
from rbgp_graphs.gpu.cpu.emit import I1, Emitter, Value
from rbgp_graphs.gpu.cpu.job import PACK, JobReader


def each_chunk(
    emit: Emitter,
    read: JobReader,
    row_bytes: Value | int,
    body: Callable[[Value, Value, Value, Value], None],
) -> None:
    """Call ``body(chunk, panel, target, width)`` for every chunk that this thread takes.

    The kernel has the arguments ``(job, scratch, first_panel)``. It goes round all panels from
    `first_panel` on, so that threads begin far apart and each packs as few panels as can be. A
    panel is packed to the beginning of the scratch memory when its first chunk is taken, or is
    the operand itself if the job names no kernel that packs.
    """
    job, scratch, first = emit.arguments
    count = read["num_panels"]
    is_ready = emit.is_equal(read["pack"], 0)

    def panel(i: Value) -> None:
        _, number = emit.divmod(emit.add(first, i), count)
        entry = emit.at(read.pointer("panels"), emit.mul(number, 8 * PANEL_ENTRIES))
        counter = emit.at(read.pointer("counters"), emit.mul(number, 8))
        source, target = emit.load_pointer(entry, 0), emit.load_pointer(entry, 1)
        width = emit.load_int(entry, 2)
        place = emit.build.select(is_ready, source, scratch)

        def step(packed: Value) -> tuple[Value, list[Value]]:
            chunk = emit.build.atomic_rmw("add", counter, emit.integer(1), "monotonic")
            is_left = emit.is_less(chunk, read["num_chunks"])
            with emit.when(is_left):
                with emit.when(emit.build.not_(packed)):
                    size = emit.add(row_bytes, 0)
                    emit.call(read["pack"], PACK, (job, source, width, scratch, size))
                body(chunk, place, target, width)
            return is_left, [ir.Constant(I1, 1)]

        emit.repeat_while(step, [is_ready])

    emit.loop(0, count, panel)
