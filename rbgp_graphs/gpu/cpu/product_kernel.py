"""The kernel of the product: a panel of X in the cache, a block of sums in registers."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from rbgp_graphs.gpu.cpu.emit import I32, Emitter, Value
from rbgp_graphs.gpu.cpu.job import FINISH, PRODUCT, JobReader
from rbgp_graphs.gpu.cpu.panels import each_chunk
from rbgp_graphs.gpu.cpu.storage import Storage
from rbgp_graphs.gpu.cpu.weights import weights_of


def product_text(storage: Storage, lanes: int, rows: int, vectors: int) -> str:
    """Return the kernel ``run(job, scratch, first_panel)`` of the product A X.

    A chunk is a range of groups in one row of tiles. Scratch memory holds the panel, the sums of
    a chunk, and converted weights. For every group and block of rows the sums of
    ``tiles_at_once`` tiles are added up in registers: each vector of X is loaded once for all
    rows of the block, each weight once for all vectors.
    """
    return _ProductKernel(storage, lanes, rows, vectors).text()


class _ProductKernel:
    def __init__(self, storage: Storage, lanes: int, rows: int, vectors: int) -> None:
        self.storage, self.lanes, self.rows, self.vectors = storage, lanes, rows, vectors
        self.kind = ir.VectorType(storage.computed, lanes)
        self.vector_bytes = lanes * storage.computed_bytes
        self.row_bytes = vectors * self.vector_bytes

    def text(self) -> str:
        self.emit = emit = Emitter(PRODUCT)
        self.job, self.scratch, _ = emit.arguments
        self.read = read = JobReader(emit, self.job)
        read.load("outer_degree", "inner_degree", "num_blocks", "tiles_at_once", "value_row")
        self.sums = emit.at(self.scratch, read["sums_at"])
        self.places = emit.at(self.scratch, read["places_at"])
        each_chunk(emit, read, self.row_bytes, self._chunk)
        emit.fence()
        return emit.finish()

    def _chunk(self, chunk: Value, panel: Value, target: Value, width: Value) -> None:
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

        def some_tiles(first: Value) -> tuple[Value, list[Value]]:
            last = emit.smaller(read["outer_degree"], emit.add(first, read["tiles_at_once"]))

            def group(g: Value) -> None:
                row = emit.add(first_row, emit.mul(g, read["group_step"]))
                columns = emit.mul(emit.add(start, g), read["inner_degree"])
                inner = emit.at(read.pointer("inner"), emit.mul(columns, 4))
                self._list_rows(inner, tiles, first, last)

                def block(b: Value) -> None:
                    number = emit.add(emit.mul(g, read["num_blocks"]), b)
                    sums = emit.at(self.sums, emit.mul(number, self.rows * self.row_bytes))
                    weights = self._weights(b, row, first, last)
                    self._block(sums, weights, first, last)

                emit.loop(0, read["num_blocks"], block)

            emit.loop(0, emit.sub(stop, start), group)
            return emit.is_less(last, read["outer_degree"]), [last]

        emit.repeat_while(some_tiles, [emit.integer(0)])
        size, count = emit.integer(self.row_bytes), emit.sub(stop, start)
        slots = emit.mul(read["num_blocks"], self.rows)
        arguments = (self.job, self.sums, target, width, size, first_row, count, slots)
        emit.call(read["finish"], FINISH, arguments)

    def _weights(self, block: Value, row: Value, first: Value, last: Value) -> Sequence[Value]:
        """Return where the weights of each row of a block begin, for tiles from `first` on."""
        emit, read = self.emit, self.read
        table = emit.at(read.pointer("block_rows"), emit.mul(block, 8 * self.rows))
        skipped = emit.mul(emit.mul(first, read["inner_degree"]), self.storage.stored_bytes)
        starts = []
        for i in range(self.rows):
            number = emit.add(row, emit.load_int(table, i))
            offset = emit.add(emit.mul(number, read["value_row"]), skipped)
            starts.append(emit.at(read.pointer("values"), offset))
        count = emit.mul(emit.sub(last, first), read["inner_degree"])
        scratch = emit.at(self.scratch, read["weights_at"])
        return weights_of(emit, self.storage, self.lanes, starts, count, scratch)

    def _list_rows(self, inner: Value, tiles: Value, first: Value, last: Value) -> None:
        """Write where the rows of X for a group are in the panel, tile after tile."""
        emit, read = self.emit, self.read
        degree, lanes = read["inner_degree"], self.vector_bytes // 8
        whole = emit.mul(emit.divmod(degree, emit.integer(lanes))[0], lanes)

        def tile(e: Value, goal: Value) -> list[Value]:
            entry = emit.at(tiles, emit.mul(e, 16))
            start = emit.mul(emit.load_int(entry, 0), self.row_bytes)
            starts = emit.splat(start, lanes)
            columns = emit.at(inner, emit.mul(emit.load_int(entry, 1), 4))

            def some(j: Value) -> None:
                numbers = emit.load_vector(
                    ir.VectorType(I32, lanes), emit.at(columns, emit.mul(j, 4))
                )
                wide = emit.build.zext(numbers, starts.type)
                factor = ir.Constant(starts.type, [self.row_bytes] * lanes)
                places = emit.build.add(emit.build.mul(wide, factor), starts)
                emit.store_vector(places, emit.at(goal, emit.mul(j, 8)))

            def one(j: Value) -> None:
                place = emit.add(emit.mul(emit.load_index(columns, j), self.row_bytes), start)
                emit.build.store(place, emit.at(goal, emit.mul(j, 8)))

            emit.loop(0, whole, some, step=lanes)
            emit.loop(whole, degree, one)
            return [emit.at(goal, emit.mul(degree, 8))]

        (end,) = emit.loop(first, last, tile, [self.places])
        # The row after the last one is loaded too, and not used.
        emit.build.store(emit.integer(0), end)

    def _block(self, sums: Value, weights: Sequence[Value], first: Value, last: Value) -> None:
        """Add the products of a block of rows with tiles from `first` to `last` to its sums."""
        emit, read = self.emit, self.read
        places = [emit.at(sums, i * self.vector_bytes) for i in range(self.rows * self.vectors)]
        totals = emit.choose(
            emit.is_equal(first, 0),
            lambda: [ir.Constant(self.kind, None) for _ in places],
            lambda: [self._load(place) for place in places],
        )

        def neighbour(k: Value, *carried: Value) -> list[Value]:
            xs, totals = carried[: self.vectors], carried[self.vectors :]
            following = self._row(emit.add(k, 1))
            results = []
            for i, row in enumerate(weights):
                place = emit.build.gep(row, [k], source_etype=self.storage.computed)
                weight = emit.splat(emit.build.load(place, typ=self.storage.computed), self.lanes)
                mine = totals[i * self.vectors : (i + 1) * self.vectors]
                results += [emit.fma(weight, x, t) for x, t in zip(xs, mine, strict=True)]
            return [*following, *results]

        count = emit.mul(emit.sub(last, first), read["inner_degree"])
        results = emit.loop(0, count, neighbour, [*self._row(emit.integer(0)), *totals])
        for place, total in zip(places, results[self.vectors :], strict=True):
            emit.store_vector(total, place, self.vector_bytes)

    def _row(self, k: Value) -> list[Value]:
        """Return the row of X that the list names at k."""
        x = self.emit.at(self.panel, self.emit.load_int(self.places, k))
        return [self._load(self.emit.at(x, v * self.vector_bytes)) for v in range(self.vectors)]

    def _load(self, place: Value) -> Value:
        return self.emit.load_vector(self.kind, place, self.vector_bytes)
