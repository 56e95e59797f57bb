"""The kernel of the product: a panel of X in the cache, a block of sums in registers."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from rbgp_graphs.gpu.cpu.emit import I64, Emitter, Value
from rbgp_graphs.gpu.cpu.job import FINISH, PRODUCT, JobReader
from rbgp_graphs.gpu.cpu.panels import each_chunk
from rbgp_graphs.gpu.cpu.storage import Storage
from rbgp_graphs.gpu.cpu.weights import weights_of

#: Neighbours in one turn of the loop. With few turns their number is foreseen.
_UNROLLED = 4


def product_text(
    storage: Storage, lanes: int, rows: int, vectors: int, is_tile_by_tile: bool
) -> str:
    """Return the kernel ``run(job, scratch, first_panel)`` of the product A X.

    A chunk is a range of groups in one row of tiles. Scratch memory holds the panel, the sums of
    a chunk, and converted weights. For every group and block of rows the sums of
    ``tiles_at_once`` tiles are added up in registers: each vector of X is loaded once for all
    rows of the block, each weight once for all vectors. A kernel for one tile at once asks for
    the rows of the next tile meanwhile.
    """
    return _ProductKernel(storage, lanes, rows, vectors, is_tile_by_tile).text()


class _ProductKernel:
    def __init__(
        self, storage: Storage, lanes: int, rows: int, vectors: int, is_tile_by_tile: bool
    ) -> None:
        self.storage, self.lanes, self.rows, self.vectors = storage, lanes, rows, vectors
        self.is_tile_by_tile = is_tile_by_tile
        self.kind = ir.VectorType(storage.computed, lanes)
        self.vector_bytes = lanes * storage.computed_bytes
        self.row_bytes = vectors * self.vector_bytes

    def text(self) -> str:
        self.emit = emit = Emitter(PRODUCT)
        self.job, self.scratch, _ = emit.arguments
        self.read = read = JobReader(emit, self.job)
        read.load("outer_degree", "inner_degree", "num_blocks", "tiles_at_once", "value_row")
        read.load("group_step", "ahead")
        self.sums = emit.at(self.scratch, read["sums_at"])
        each_chunk(emit, read, self.row_bytes, self._chunk)
        emit.fence()
        return emit.finish()

    def _chunk(self, chunk: Value, panel: Value, target: Value, width: Value) -> None:
        self.panel = panel
        emit, read = self.emit, self.read
        turn, part = emit.divmod(chunk, read["num_parts"])
        start = emit.mul(part, read["part_groups"])
        stop = emit.smaller(read["num_groups"], emit.add(start, read["part_groups"]))
        self.first_group, self.num_groups = start, emit.sub(stop, start)
        outer = emit.load_int(read.pointer("order"), turn)
        self.tiles = self._tiles_of(outer)
        self.first_row = emit.add(
            emit.mul(outer, read["tile_rows"]), emit.mul(start, read["group_step"])
        )
        if self.is_tile_by_tile:
            emit.loop(0, read["outer_degree"], lambda e: self._one_tile(turn, e))
        else:
            emit.repeat_while(self._some_tiles, [emit.integer(0)])
        size, slots = emit.integer(self.row_bytes), emit.mul(read["num_blocks"], self.rows)
        sums = (self.sums, target, width, size, self.first_row, self.num_groups, slots)
        emit.call(read["finish"], FINISH, (self.job, *sums))

    def _tiles_of(self, outer: Value) -> Value:
        """Return where the table of a row of tiles begins."""
        number = self.emit.mul(outer, self.read["outer_degree"])
        return self.emit.at(self.read.pointer("tiles"), self.emit.mul(number, 16))

    def _one_tile(self, turn: Value, e: Value) -> None:
        """Add the products with tile `e` to the sums of all groups."""
        emit, read = self.emit, self.read
        count = read["inner_degree"]
        entry = emit.at(self.tiles, emit.mul(e, 16))
        x, places = self._tile(entry), self._inside(entry, self.first_group)
        group_weights = emit.mul(read["group_step"], read["value_row"])
        group_sums = emit.mul(read["num_blocks"], self.rows * self.row_bytes)

        def block(b: Value, ahead: Value) -> list[Value]:
            def group(
                _: Value, ahead: Value, places: Value, sums: Value, *starts: Value
            ) -> list[Value]:
                weights = self._weights(starts, count)
                self._block(sums, weights, x, places, count, emit.is_equal(e, 0), ahead)
                return [
                    emit.at(ahead, emit.mul(count, read["ahead"])),
                    emit.at(places, emit.mul(count, 8)),
                    emit.at(sums, group_sums),
                    *(emit.at(start, group_weights) for start in starts),
                ]

            starts = self._starts(b, self.first_row, e)
            sums = emit.at(self.sums, emit.mul(b, self.rows * self.row_bytes))
            carried = [ahead, places, sums, *starts]
            return emit.loop(0, self.num_groups, group, carried)[:1]

        emit.loop(0, read["num_blocks"], block, [self._following(turn, e)])

    def _following(self, turn: Value, e: Value) -> Value:
        """Return where in the panel the tile begins that will be multiplied after tile `e`."""
        emit, read = self.emit, self.read
        last = emit.sub(emit.build.udiv(read["num_chunks"], read["num_parts"]), 1)
        outer = emit.load_int(read.pointer("order"), emit.smaller(emit.add(turn, 1), last))
        following = emit.add(e, 1)
        here = emit.at(self.tiles, emit.mul(following, 16))
        is_here = emit.is_less(following, read["outer_degree"])
        return self._tile(emit.build.select(is_here, here, self._tiles_of(outer)))

    def _tile(self, entry: Value) -> Value:
        """Return where in the panel the tile of an entry begins."""
        start = self.emit.mul(self.emit.load_int(entry), self.row_bytes)
        return self.emit.at(self.panel, start)

    def _inside(self, entry: Value, group: Value) -> Value:
        """Return the list of where the rows of X for a group are inside the tile of an entry."""
        emit = self.emit
        skipped = emit.mul(group, self.read["inner_degree"])
        number = emit.add(emit.load_int(entry, 1), skipped)
        return emit.at(self.read.pointer("inner_rows"), emit.mul(number, 8))

    def _some_tiles(self, first: Value) -> tuple[Value, list[Value]]:
        """Add the products with `tiles_at_once` tiles to the sums of all groups."""
        emit, read = self.emit, self.read
        last = emit.smaller(read["outer_degree"], emit.add(first, read["tiles_at_once"]))
        count = emit.mul(emit.sub(last, first), read["inner_degree"])
        places = emit.at(self.scratch, read["places_at"])

        def group(g: Value) -> None:
            row = emit.add(self.first_row, emit.mul(g, read["group_step"]))
            self._list_rows(emit.add(self.first_group, g), first, last, places)

            def block(b: Value) -> None:
                number = emit.add(emit.mul(g, read["num_blocks"]), b)
                sums = emit.at(self.sums, emit.mul(number, self.rows * self.row_bytes))
                weights = self._weights(self._starts(b, row, first), count)
                self._block(sums, weights, self.panel, places, count, emit.is_equal(first, 0))

            emit.loop(0, read["num_blocks"], block)

        emit.loop(0, self.num_groups, group)
        return emit.is_less(last, read["outer_degree"]), [last]

    def _starts(self, block: Value, row: Value, first: Value) -> list[Value]:
        """Return where the values of each row of a block begin, for tiles from `first` on."""
        emit, read = self.emit, self.read
        table = emit.at(read.pointer("block_rows"), emit.mul(block, 8 * self.rows))
        skipped = emit.mul(emit.mul(first, read["inner_degree"]), self.storage.stored_bytes)
        starts = []
        for i in range(self.rows):
            number = emit.add(row, emit.load_int(table, i))
            offset = emit.add(emit.mul(number, read["value_row"]), skipped)
            starts.append(emit.at(read.pointer("values"), offset))
        return starts

    def _weights(self, starts: Sequence[Value], count: Value) -> Sequence[Value]:
        """Return where the weights of each row are in the precision of the sums."""
        scratch = self.emit.at(self.scratch, self.read["weights_at"])
        return weights_of(self.emit, self.storage, self.lanes, starts, count, scratch)

    def _list_rows(self, group: Value, first: Value, last: Value, goal: Value) -> None:
        """Write where the rows of X for a group are in the panel, tile after tile."""
        emit, read = self.emit, self.read
        degree, lanes = read["inner_degree"], self.vector_bytes // 8
        kind = ir.VectorType(I64, lanes)
        whole = emit.mul(emit.divmod(degree, emit.integer(lanes))[0], lanes)

        def tile(e: Value, goal: Value) -> list[Value]:
            entry = emit.at(self.tiles, emit.mul(e, 16))
            start = emit.mul(emit.load_int(entry), self.row_bytes)
            starts, inside = emit.splat(start, lanes), self._inside(entry, group)

            def some(j: Value) -> None:
                offset = emit.mul(j, 8)
                places = emit.build.add(emit.load_vector(kind, emit.at(inside, offset)), starts)
                emit.store_vector(places, emit.at(goal, offset))

            def one(j: Value) -> None:
                place = emit.add(emit.load_int(inside, j), start)
                emit.build.store(place, emit.at(goal, emit.mul(j, 8)))

            emit.loop(0, whole, some, step=lanes)
            emit.loop(whole, degree, one)
            return [emit.at(goal, emit.mul(degree, 8))]

        (end,) = emit.loop(first, last, tile, [goal])
        # The row after the last one is loaded too, and not used.
        emit.build.store(emit.integer(0), end)

    def _block(
        self,
        sums: Value,
        weights: Sequence[Value],
        x: Value,
        rows: Value,
        count: Value,
        is_first: Value,
        ahead: Value | None = None,
    ) -> None:
        """Add the products of a block of rows with `count` listed rows of X to its sums."""
        emit = self.emit
        places = [emit.at(sums, i * self.vector_bytes) for i in range(self.rows * self.vectors)]
        totals = emit.choose(
            is_first,
            lambda: [ir.Constant(self.kind, None) for _ in places],
            lambda: [self._load(place) for place in places],
        )

        def row(k: Value) -> list[Value]:
            place = emit.at(x, emit.load_int(rows, k))
            return [self._load(emit.at(place, v * self.vector_bytes)) for v in range(self.vectors)]

        def neighbour(k: Value, *carried: Value) -> list[Value]:
            xs, totals = carried[: self.vectors], carried[self.vectors :]
            following = row(emit.add(k, 1))
            results = []
            for i, start in enumerate(weights):
                place = emit.build.gep(start, [k], source_etype=self.storage.computed)
                weight = emit.splat(emit.build.load(place, typ=self.storage.computed), self.lanes)
                mine = totals[i * self.vectors : (i + 1) * self.vectors]
                results += [emit.fma(weight, x, t) for x, t in zip(xs, mine, strict=True)]
            return [*following, *results]

        def some(k: Value, *carried: Value) -> list[Value]:
            results = list(carried)
            for i in range(_UNROLLED):
                number = emit.add(k, i)
                if ahead is not None and i % 2 == 0:
                    emit.prefetch(emit.at(ahead, emit.mul(number, self.read["ahead"])))
                results = neighbour(number, *results)
            return results

        whole = emit.mul(emit.divmod(count, emit.integer(_UNROLLED))[0], _UNROLLED)
        carried = [*row(emit.integer(0)), *totals]
        carried = emit.loop(0, whole, some, carried, step=_UNROLLED)
        results = emit.loop(whole, count, neighbour, carried)
        for place, total in zip(places, results[self.vectors :], strict=True):
            emit.store_vector(total, place, self.vector_bytes)

    def _load(self, place: Value) -> Value:
        return self.emit.load_vector(self.kind, place, self.vector_bytes)
