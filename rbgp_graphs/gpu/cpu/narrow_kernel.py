"""The kernel of the product with few columns: lanes run along the neighbours of a row."""

from __future__ import annotations

from llvmlite import ir

from rbgp_graphs.gpu.cpu.emit import I32, I64, Emitter, Value
from rbgp_graphs.gpu.cpu.job import FINISH, PRODUCT, JobReader
from rbgp_graphs.gpu.cpu.panels import each_chunk
from rbgp_graphs.gpu.cpu.storage import Storage


def narrow_text(storage: Storage, lanes: int, rows: int, columns: int) -> str:
    """Return the kernel ``run(job, scratch, first_panel)`` of A X for X with few columns.

    The panel holds X transposed. For every group of rows the entries of X that it needs are
    gathered once; each row is then a dot product of its values, read from start to end, with what
    was gathered, and its lanes are added at the end.
    """
    return _NarrowKernel(storage, lanes, rows, columns).text()


class _NarrowKernel:
    def __init__(self, storage: Storage, lanes: int, rows: int, columns: int) -> None:
        self.storage, self.lanes, self.rows, self.columns = storage, lanes, rows, columns
        self.kind = ir.VectorType(storage.computed, lanes)
        self.stored_kind = ir.VectorType(storage.stored, lanes)
        self.size = storage.computed_bytes
        self.vector_bytes = lanes * self.size

    def text(self) -> str:
        self.emit = emit = Emitter(PRODUCT)
        self.job, self.scratch, _ = emit.arguments
        self.read = read = JobReader(emit, self.job)
        read.load("outer_degree", "inner_degree", "num_blocks", "value_row", "panel_row")
        self.sums = emit.at(self.scratch, read["sums_at"])
        self.gathered = emit.at(self.scratch, read["places_at"])
        self.degree = emit.mul(read["outer_degree"], read["inner_degree"])
        self.whole = self._whole(self.degree)
        self.tail = emit.mask(emit.sub(self.degree, self.whole), lanes=self.lanes)
        # What was gathered for one column ends with a whole vector.
        self.gathered_row = emit.mul(emit.add(self.whole, self.lanes), self.size)
        each_chunk(emit, read, read["panel_row"], self._chunk)
        return emit.finish()

    def _whole(self, count: Value) -> Value:
        return self.emit.mul(self.emit.divmod(count, self.emit.integer(self.lanes))[0], self.lanes)

    def _chunk(self, chunk: Value, panel: Value, target: Value, _: Value) -> None:
        self.panel = panel
        emit, read = self.emit, self.read
        turn, part = emit.divmod(chunk, read["num_parts"])
        outer = emit.load_int(read.pointer("order"), turn)
        start = emit.mul(part, read["part_groups"])
        stop = emit.smaller(read["num_groups"], emit.add(start, read["part_groups"]))
        tiles = emit.at(read.pointer("tiles"), emit.mul(emit.mul(outer, read["outer_degree"]), 16))
        first_row = emit.add(
            emit.mul(outer, read["tile_rows"]), emit.mul(start, read["group_step"])
        )

        def group(g: Value) -> None:
            columns = emit.mul(emit.add(start, g), read["inner_degree"])
            self._gather(emit.at(read.pointer("inner"), emit.mul(columns, 4)), tiles)
            row = emit.add(first_row, emit.mul(g, read["group_step"]))

            def block(b: Value) -> None:
                number = emit.add(emit.mul(g, read["num_blocks"]), b)
                goal = emit.at(self.sums, emit.mul(number, self.rows * self.vector_bytes))
                self._block(b, row, goal)

            emit.loop(0, read["num_blocks"], block)

        count = emit.sub(stop, start)
        emit.loop(0, count, group)
        size, width = emit.integer(self.vector_bytes), emit.integer(self.columns)
        slots = emit.mul(read["num_blocks"], self.rows)
        arguments = (self.job, self.sums, target, width, size, first_row, count, slots)
        emit.call(read["finish"], FINISH, arguments)

    def _gather(self, inner: Value, tiles: Value) -> None:
        """Bring the entries of X for a group together, tile after tile, column after column."""
        emit, read = self.emit, self.read
        degree = read["inner_degree"]
        whole = self._whole(degree)
        few, wide = ir.VectorType(I32, self.lanes), ir.VectorType(I64, self.lanes)
        steps = ir.Constant(wide, [self.size] * self.lanes)

        def tile(e: Value, k: Value) -> list[Value]:
            entry = emit.at(tiles, emit.mul(e, 16))
            start = emit.mul(emit.load_int(entry, 0), self.size)
            numbers = emit.at(inner, emit.mul(emit.load_int(entry, 1), 4))
            sources = [
                emit.at(self.panel, emit.add(emit.mul(read["panel_row"], c), start))
                for c in range(self.columns)
            ]

            def some(j: Value) -> None:
                columns = emit.load_vector(few, emit.at(numbers, emit.mul(j, 4)))
                offsets = emit.build.mul(emit.build.sext(columns, wide), steps)
                for c, source in enumerate(sources):
                    first = emit.splat(emit.build.ptrtoint(source, I64), self.lanes)
                    x = emit.gather(self.kind, emit.build.add(first, offsets))
                    emit.store_vector(x, self._gathered(c, emit.add(k, j)))

            def one(j: Value) -> None:
                number = emit.load_index(numbers, j)
                for c, source in enumerate(sources):
                    place = emit.at(source, emit.mul(number, self.size))
                    x = emit.build.load(place, typ=self.storage.computed)
                    emit.build.store(x, self._gathered(c, emit.add(k, j)))

            emit.loop(0, whole, some, step=self.lanes)
            emit.loop(whole, degree, one)
            return [emit.add(k, degree)]

        # Zeros behind the last entry; they meet no values.
        for c in range(self.columns):
            emit.store_vector(ir.Constant(self.kind, None), self._gathered(c, self.whole))
        emit.loop(0, read["outer_degree"], tile, [emit.integer(0)])

    def _gathered(self, column: int, k: Value) -> Value:
        emit = self.emit
        offset = emit.add(emit.mul(self.gathered_row, column), emit.mul(k, self.size))
        return emit.at(self.gathered, offset)

    def _block(self, b: Value, row: Value, goal: Value) -> None:
        """Write the sums of a block of rows, each row to a vector of its own."""
        emit, read = self.emit, self.read
        table = emit.at(read.pointer("block_rows"), emit.mul(b, 8 * self.rows))
        starts = []
        for i in range(self.rows):
            number = emit.add(row, emit.load_int(table, i))
            starts.append(emit.at(read.pointer("values"), emit.mul(number, read["value_row"])))

        def add(k: Value, totals: list[Value], mask: Value | None) -> list[Value]:
            xs = [
                emit.load_vector(self.kind, self._gathered(c, k), self.vector_bytes)
                for c in range(self.columns)
            ]
            results = []
            for i, start in enumerate(starts):
                place = emit.at(start, emit.mul(k, self.storage.stored_bytes))
                if mask is None:
                    stored = emit.load_vector(self.stored_kind, place)
                else:
                    stored = emit.masked_load(self.stored_kind, place, mask)
                values = self.storage.to_computed(emit, stored)
                mine = totals[i * self.columns : (i + 1) * self.columns]
                results += [emit.fma(values, x, t) for x, t in zip(xs, mine, strict=True)]
            return results

        zero = ir.Constant(self.kind, None)
        totals = emit.loop(
            0,
            self.whole,
            lambda k, *totals: add(k, list(totals), None),
            [zero] * (self.rows * self.columns),
            step=self.lanes,
        )
        totals = emit.choose(
            emit.is_less(self.whole, self.degree),
            lambda: add(self.whole, totals, self.tail),
            lambda: totals,
        )
        totals += [zero] * (-len(totals) % self.lanes)
        sums = [
            emit.add_lanes(totals[i : i + self.lanes]) for i in range(0, len(totals), self.lanes)
        ]
        sums.append(sums[-1])
        for i in range(self.rows):
            vector, lane = divmod(i * self.columns, self.lanes)
            part = emit.shuffle(
                sums[vector], sums[vector + 1], [lane + c for c in range(self.columns)]
            )
            emit.store_vector(part, emit.at(goal, i * self.vector_bytes))
