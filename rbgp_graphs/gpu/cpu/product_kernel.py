"""The kernel of the product: a panel of X in the cache, a block of sums in registers."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from rbgp_graphs.gpu.cpu.emit import I1, Emitter, Value
from rbgp_graphs.gpu.cpu.job import FINISH, PACK, PANEL_ENTRIES, PRODUCT, JobReader
from rbgp_graphs.gpu.cpu.storage import Storage


def product_text(storage: Storage, rows: int, vectors: int, lanes: int) -> str:
    """Return the kernel ``run(job, scratch, first_panel)``.

    It multiplies until no chunk of any panel is left, beginning with panel `first_panel`. A chunk
    is a range of groups of one row of tiles. Scratch memory holds the panel, the sums of a chunk,
    and a block's weights in the precision of the sums where they are stored in another one.
    """
    return _ProductKernel(storage, rows, vectors, lanes).text()


class _ProductKernel:
    def __init__(self, storage: Storage, rows: int, vectors: int, lanes: int) -> None:
        self.storage, self.rows, self.vectors, self.lanes = storage, rows, vectors, lanes
        self.kind = ir.VectorType(storage.computed, lanes)
        self.vector_bytes = lanes * storage.computed_bytes
        self.row_bytes = vectors * self.vector_bytes
        self.block_bytes = rows * self.row_bytes

    def text(self) -> str:
        self.emit = emit = Emitter(PRODUCT)
        self.job, self.panel, first = emit.arguments
        self.read = read = JobReader(emit, self.job)
        read.load("outer_degree", "inner_degree", "num_blocks", "tiles_at_once", "value_row")
        self.sums = emit.at(self.panel, read["sums_at"])
        self.weights = emit.at(self.panel, read["weights_at"])
        count = read["num_panels"]

        def panel(i: Value) -> None:
            _, number = emit.divmod(emit.add(first, i), count)
            self._panel(number)

        emit.loop(0, count, panel)
        return emit.finish()

    def _panel(self, number: Value) -> None:
        """Multiply with one panel as long as it has chunks that no thread has taken."""
        emit, read = self.emit, self.read
        entry = emit.at(read.pointer("panels"), emit.mul(number, 8 * PANEL_ENTRIES))
        counter = emit.at(read.pointer("counters"), emit.mul(number, 8))
        source, target = emit.load_pointer(entry, 0), emit.load_pointer(entry, 1)
        width = emit.load_int(entry, 2)

        def step(packed: Value) -> tuple[Value, list[Value]]:
            chunk = emit.build.atomic_rmw("add", counter, emit.integer(1), "monotonic")
            is_left = emit.is_less(chunk, read["num_chunks"])
            with emit.when(is_left):
                with emit.when(emit.build.not_(packed)):
                    size = emit.integer(self.row_bytes)
                    emit.call(read["pack"], PACK, (self.job, source, width, self.panel, size))
                self._chunk(chunk, target, width)
            return is_left, [ir.Constant(I1, 1)]

        emit.repeat_while(step, [ir.Constant(I1, 0)])

    def _chunk(self, chunk: Value, target: Value, width: Value) -> None:
        emit, read = self.emit, self.read
        outer, part = emit.divmod(chunk, read["num_parts"])
        start = emit.mul(part, read["part_groups"])
        stop = emit.smaller(read["num_groups"], emit.add(start, read["part_groups"]))
        tiles = emit.at(
            read.pointer("tiles"), emit.mul(emit.mul(outer, read["outer_degree"]), 16)
        )
        first_row = emit.add(
            emit.mul(outer, read["tile_rows"]), emit.mul(start, read["group_step"])
        )

        def some_tiles(first: Value) -> tuple[Value, list[Value]]:
            last = emit.smaller(read["outer_degree"], emit.add(first, read["tiles_at_once"]))

            def group(g: Value) -> None:
                row = emit.add(first_row, emit.mul(g, read["group_step"]))
                columns = emit.mul(emit.add(start, g), read["inner_degree"])
                inner = emit.at(read.pointer("inner"), emit.mul(columns, 4))

                def block(b: Value) -> None:
                    number = emit.add(emit.mul(g, read["num_blocks"]), b)
                    sums = emit.at(self.sums, emit.mul(number, self.block_bytes))
                    weights = self._weights(b, row, first, last)
                    self._block(sums, weights, inner, tiles, first, last)

                emit.loop(0, read["num_blocks"], block)

            emit.loop(0, emit.sub(stop, start), group)
            return emit.is_less(last, read["outer_degree"]), [last]

        emit.repeat_while(some_tiles, [emit.integer(0)])
        size, count = emit.integer(self.row_bytes), emit.sub(stop, start)
        slots = emit.mul(read["num_blocks"], self.rows)
        emit.call(
            read["finish"],
            FINISH,
            (self.job, self.sums, target, width, size, first_row, count, slots),
        )

    def _weights(self, block: Value, row: Value, first: Value, last: Value) -> list[Value]:
        """Return where the values of each row of a block begin, for tiles from `first` on."""
        emit, read, size = self.emit, self.read, self.storage.stored_bytes
        table = emit.at(read.pointer("block_rows"), emit.mul(block, 8 * self.rows))
        skipped = emit.mul(emit.mul(first, read["inner_degree"]), size)
        starts = []
        for i in range(self.rows):
            number = emit.add(row, emit.load_int(table, i))
            offset = emit.add(emit.mul(number, read["value_row"]), skipped)
            starts.append(emit.at(read.pointer("values"), offset))
        if self.storage.stored is self.storage.computed:
            return starts
        count = emit.mul(emit.sub(last, first), read["inner_degree"])
        row_bytes = emit.mul(
            emit.mul(read["tiles_at_once"], read["inner_degree"]), self.storage.computed_bytes
        )
        goals = [emit.at(self.weights, emit.mul(row_bytes, i)) for i in range(self.rows)]
        for start, goal in zip(starts, goals, strict=True):
            self._convert(start, goal, count)
        return goals

    def _convert(self, source: Value, goal: Value, count: Value) -> None:
        emit, storage = self.emit, self.storage
        size, wide = storage.stored_bytes, storage.computed_bytes
        whole = emit.mul(emit.divmod(count, emit.integer(self.lanes))[0], self.lanes)

        def vector(k: Value) -> None:
            kind = ir.VectorType(storage.stored, self.lanes)
            x = emit.load_vector(kind, emit.at(source, emit.mul(k, size)))
            emit.store_vector(storage.to_computed(emit, x), emit.at(goal, emit.mul(k, wide)))

        def single(k: Value) -> None:
            x = emit.build.load(emit.at(source, emit.mul(k, size)), typ=storage.stored)
            x = storage.to_computed(emit, x)
            emit.build.store(x, emit.at(goal, emit.mul(k, wide)))

        emit.loop(0, whole, vector, step=self.lanes)
        emit.loop(whole, count, single)

    def _block(
        self,
        sums: Value,
        weights: Sequence[Value],
        inner: Value,
        tiles: Value,
        first: Value,
        last: Value,
    ) -> None:
        """Add the products of a block of rows with tiles from `first` to `last` to its sums."""
        emit, read = self.emit, self.read
        places = [
            emit.at(sums, i * self.vector_bytes) for i in range(self.rows * self.vectors)
        ]
        totals = emit.choose(
            emit.is_equal(first, 0),
            lambda: [ir.Constant(self.kind, None) for _ in places],
            lambda: [self._load(place) for place in places],
        )

        def tile(e: Value, k: Value, *totals: Value) -> list[Value]:
            entry = emit.at(tiles, emit.mul(e, 16))
            start = emit.at(self.panel, emit.mul(emit.load_int(entry, 0), self.row_bytes))
            columns = emit.at(inner, emit.mul(emit.load_int(entry, 1), 4))

            def neighbour(j: Value, k: Value, *totals: Value) -> list[Value]:
                x = emit.at(start, emit.mul(emit.load_index(columns, j), self.row_bytes))
                xs = [self._load(emit.at(x, v * self.vector_bytes)) for v in range(self.vectors)]
                results = []
                for i, row in enumerate(weights):
                    place = emit.build.gep(row, [k], source_etype=self.storage.computed)
                    weight = emit.splat(
                        emit.build.load(place, typ=self.storage.computed), self.lanes
                    )
                    mine = totals[i * self.vectors : (i + 1) * self.vectors]
                    results += [emit.fma(weight, x, t) for x, t in zip(xs, mine, strict=True)]
                return [emit.add(k, 1), *results]

            return emit.loop(0, read["inner_degree"], neighbour, [k, *totals])

        _, *totals = emit.loop(first, last, tile, [emit.integer(0), *totals])
        for place, total in zip(places, totals, strict=True):
            emit.store_vector(total, place, self.vector_bytes)

    def _load(self, place: Value) -> Value:
        return self.emit.load_vector(self.kind, place, self.vector_bytes)
