"""The kernel of the sampled product: rows of dY times rows of X, only at the nonzeros."""

from __future__ import annotations

import functools

from llvmlite import ir

from rbgp_graphs.gpu.cpu.emit import Emitter, Value
from rbgp_graphs.gpu.cpu.job import SAMPLED, JobReader
from rbgp_graphs.gpu.cpu.storage import Storage


def sampled_text(storage: Storage, lanes: int, rows: int, neighbours: int) -> str:
    """Return the kernel ``run(job)`` of the sampled product.

    A chunk is a range of groups in one row of tiles. For a block of rows and of their neighbours,
    the products of all pairs are added up in registers over the lanes of a panel. At the end
    the lanes of all these vectors are added in a tree that leaves one number in each lane.
    """
    return _SampledKernel(storage, lanes, rows, neighbours).text()


class _SampledKernel:
    def __init__(self, storage: Storage, lanes: int, rows: int, neighbours: int) -> None:
        self.storage, self.lanes, self.rows, self.neighbours = storage, lanes, rows, neighbours
        self.kind = ir.VectorType(storage.computed, lanes)
        self.vector_bytes = lanes * storage.computed_bytes

    def text(self) -> str:
        self.emit = emit = Emitter(SAMPLED)
        (job,) = emit.arguments
        self.read = read = JobReader(emit, job)
        read.load("inner_degree", "num_blocks", "panel_row", "value_row")
        counter = read.pointer("counters")

        def step() -> tuple[Value, list[Value]]:
            chunk = emit.build.atomic_rmw("add", counter, emit.integer(1), "monotonic")
            is_left = emit.is_less(chunk, read["num_chunks"])
            with emit.when(is_left):
                self._chunk(chunk)
            return is_left, []

        emit.repeat_while(step)
        return emit.finish()

    def _chunk(self, chunk: Value) -> None:
        emit, read = self.emit, self.read
        outer, part = emit.divmod(chunk, read["num_parts"])
        start = emit.mul(part, read["part_groups"])
        stop = emit.smaller(read["num_groups"], emit.add(start, read["part_groups"]))
        tiles = emit.at(read.pointer("tiles"), emit.mul(emit.mul(outer, read["outer_degree"]), 16))
        first_row = emit.mul(outer, read["tile_rows"])

        def panel(p: Value) -> None:
            x = emit.at(read.pointer("x_panels"), emit.mul(p, read["x_panel"]))
            y = emit.at(read.pointer("y_panels"), emit.mul(p, read["y_panel"]))

            def tile(e: Value) -> None:
                entry = emit.at(tiles, emit.mul(e, 16))
                xs = emit.at(x, emit.mul(emit.load_int(entry, 0), read["panel_row"]))
                inner = emit.at(read.pointer("inner"), emit.mul(emit.load_int(entry, 1), 4))
                skipped = emit.mul(emit.mul(e, read["inner_degree"]), self.storage.computed_bytes)
                goal = emit.at(read.pointer("values"), skipped)

                def group(g: Value) -> None:
                    row = emit.add(first_row, emit.mul(g, read["group_step"]))
                    columns = emit.at(inner, emit.mul(emit.mul(g, read["inner_degree"]), 4))
                    emit.loop(
                        0,
                        read["num_blocks"],
                        lambda b: self._rows(b, row, y, xs, columns, goal, p),
                    )

                emit.loop(start, stop, group)

            emit.loop(0, read["outer_degree"], tile)

        emit.loop(0, read["num_panels"], panel)

    def _rows(
        self, b: Value, row: Value, y: Value, x: Value, columns: Value, goal: Value, p: Value
    ) -> None:
        """Write the results of a block of rows in one tile."""
        emit, read = self.emit, self.read
        table = emit.at(read.pointer("block_rows"), emit.mul(b, 8 * self.rows))
        ys, goals = [], []
        for i in range(self.rows):
            number = emit.add(row, emit.load_int(table, i))
            ys.append(emit.at(y, emit.mul(number, read["panel_row"])))
            goals.append(emit.at(goal, emit.mul(number, read["value_row"])))
        degree = read["inner_degree"]
        whole = emit.mul(emit.divmod(degree, emit.integer(self.neighbours))[0], self.neighbours)
        step = self.neighbours
        emit.loop(0, whole, lambda j: self._block(j, step, ys, x, columns, goals, p), step=step)
        if step > 1:
            emit.loop(whole, degree, lambda j: self._block(j, 1, ys, x, columns, goals, p))

    def _block(
        self,
        j: Value,
        count: int,
        ys: list[Value],
        x: Value,
        columns: Value,
        goals: list[Value],
        p: Value,
    ) -> None:
        """Write the results of all rows of a block with `count` neighbours from j on."""
        emit, read = self.emit, self.read
        xs = []
        for i in range(count):
            column = emit.load_index(columns, emit.add(j, i))
            xs.append(emit.at(x, emit.mul(column, read["panel_row"])))
        zero = ir.Constant(self.kind, None)

        def lanes(offset: Value, *totals: Value) -> list[Value]:
            right = [self._load(emit.at(place, offset)) for place in xs]
            results = []
            for i, place in enumerate(ys):
                left = self._load(emit.at(place, offset))
                mine = totals[i * count : (i + 1) * count]
                results += [emit.fma(left, r, t) for r, t in zip(right, mine, strict=True)]
            return results

        totals = emit.loop(
            0, read["panel_row"], lanes, [zero] * (self.rows * count), step=self.vector_bytes
        )
        totals += [zero] * (-len(totals) % self.lanes)
        sums = [
            emit.add_lanes(totals[i : i + self.lanes]) for i in range(0, len(totals), self.lanes)
        ]
        is_first = emit.is_equal(p, 0)
        for i, goal in enumerate(goals):
            start = emit.at(goal, emit.mul(j, self.storage.computed_bytes))
            self._put(sums, i * count, count, start, is_first)

    def _put(
        self, sums: list[Value], start: int, count: int, place: Value, is_first: Value
    ) -> None:
        """Store `count` sums from number `start` on, or add them to what is there."""
        emit, size = self.emit, self.storage.computed_bytes
        piece = min(count, self.lanes)
        for offset in range(0, count, piece):
            vector, lane = divmod(start + offset, self.lanes)
            # A block of rows may begin inside a vector, but a piece never crosses its end.
            part = emit.shuffle(sums[vector], sums[vector], list(range(lane, lane + piece)))
            goal = emit.at(place, offset * size)
            zero = ir.Constant(part.type, None)
            (before,) = emit.choose(
                is_first,
                functools.partial(list, [zero]),
                functools.partial(self._loaded, part.type, goal),
            )
            emit.store_vector(emit.build.fadd(part, before), goal)

    def _loaded(self, kind: ir.VectorType, place: Value) -> list[Value]:
        return [self.emit.load_vector(kind, place)]

    def _load(self, place: Value) -> Value:
        return self.emit.load_vector(self.kind, place, self.vector_bytes)
