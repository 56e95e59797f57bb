"""The kernel of the transposed product: sums in the cache, a block of Y in registers."""

from __future__ import annotations

from llvmlite import ir

from rbgp_graphs.gpu.cpu.emit import Emitter, Value
from rbgp_graphs.gpu.cpu.job import FINISH, PRODUCT, JobReader
from rbgp_graphs.gpu.cpu.panels import each_chunk
from rbgp_graphs.gpu.cpu.storage import Storage
from rbgp_graphs.gpu.cpu.weights import weights_of


def transposed_text(storage: Storage, lanes: int, rows: int, vectors: int) -> str:
    """Return the kernel ``run(job, scratch, first_panel)`` of the product of A transposed and Y.

    A chunk is one column of tiles. Its sums, one for each column of a tile, stay in the cache.
    Rows of Y that share their columns are held in registers and added, times their weights, to
    the sums of these columns. The values are read in the order of A itself.
    """
    return TransposedKernel(storage, lanes, rows, vectors).text()


class TransposedKernel:
    """What both kernels of the transposed product share: the way through the tiles of a chunk."""

    def __init__(self, storage: Storage, lanes: int, rows: int, vectors: int) -> None:
        self.storage, self.lanes, self.rows, self.vectors = storage, lanes, rows, vectors
        self.kind = ir.VectorType(storage.computed, lanes)
        self.vector_bytes = lanes * storage.computed_bytes
        self.row_bytes = vectors * self.vector_bytes
        #: Columns of the result, if the panels are not made of its columns.
        self.columns: int | None = None

    def text(self) -> str:
        """Return the kernel in LLVM's language."""
        self.emit = emit = Emitter(PRODUCT)
        self.job, self.scratch, _ = emit.arguments
        self.read = read = JobReader(emit, self.job)
        read.load("outer_degree", "inner_degree", "num_blocks", "value_row", "panel_row")
        self.sums = emit.at(self.scratch, read["sums_at"])
        each_chunk(emit, read, read["panel_row"], self._chunk)
        emit.fence()
        return emit.finish()

    def _chunk(self, turn: Value, panel: Value, target: Value, width: Value) -> None:
        self.panel = panel
        emit, read = self.emit, self.read
        outer = emit.load_int(read.pointer("order"), turn)
        self._clear(emit.mul(read["tile_cols"], self.row_bytes))
        tiles = emit.at(read.pointer("tiles"), emit.mul(emit.mul(outer, read["outer_degree"]), 24))

        def tile(e: Value) -> None:
            entry = emit.at(tiles, emit.mul(e, 24))
            first_row, skipped, table = (emit.load_int(entry, i) for i in range(3))
            inner = emit.at(read.pointer("inner"), emit.mul(table, 4))
            values = emit.at(read.pointer("values"), emit.mul(skipped, self.storage.stored_bytes))

            def group(g: Value) -> None:
                row = emit.add(first_row, emit.mul(g, read["group_step"]))
                columns = emit.at(inner, emit.mul(emit.mul(g, read["inner_degree"]), 4))
                self.group(row, columns, values)

            emit.loop(0, read["num_groups"], group)

        emit.loop(0, read["outer_degree"], tile)
        size, one = emit.integer(self.row_bytes), emit.integer(1)
        count = read["tile_cols"]
        first = emit.mul(outer, count)
        width = width if self.columns is None else emit.integer(self.columns)
        arguments = (self.job, self.sums, target, width, size, first, count, one)
        emit.call(read["finish"], FINISH, arguments)

    def _clear(self, size: Value) -> None:
        emit = self.emit

        def vector(offset: Value) -> None:
            zero = ir.Constant(self.kind, None)
            emit.store_vector(zero, emit.at(self.sums, offset), self.vector_bytes)

        emit.loop(0, size, vector, step=self.vector_bytes)

    def group(self, row: Value, columns: Value, values: Value) -> None:
        """Add what a group of rows of Y contributes to the sums of a tile."""

        def block(b: Value) -> None:
            self._block(b, row, columns, values)

        self.emit.loop(0, self.read["num_blocks"], block)

    def _block(self, b: Value, row: Value, columns: Value, values: Value) -> None:
        """Add what a block of rows of Y contributes to the sums of a tile."""
        emit, read = self.emit, self.read
        table = emit.at(read.pointer("block_rows"), emit.mul(b, 8 * self.rows))
        starts, ys = [], []
        for i in range(self.rows):
            number = emit.add(row, emit.load_int(table, i))
            starts.append(emit.at(values, emit.mul(number, read["value_row"])))
            y = emit.at(self.panel, emit.mul(number, self.row_bytes))
            ys.append([self._load(y, v) for v in range(self.vectors)])
        scratch = emit.at(self.scratch, read["weights_at"])
        count = read["inner_degree"]
        weights = weights_of(emit, self.storage, self.lanes, starts, count, scratch)

        def neighbour(j: Value) -> None:
            sums = emit.at(self.sums, emit.mul(emit.load_index(columns, j), self.row_bytes))
            totals = [self._load(sums, v) for v in range(self.vectors)]
            for y, start in zip(ys, weights, strict=True):
                place = emit.build.gep(start, [j], source_etype=self.storage.computed)
                weight = emit.splat(emit.build.load(place, typ=self.storage.computed), self.lanes)
                totals = [emit.fma(weight, part, t) for part, t in zip(y, totals, strict=True)]
            for v, total in enumerate(totals):
                emit.store_vector(total, emit.at(sums, v * self.vector_bytes), self.vector_bytes)

        emit.loop(0, count, neighbour)

    def _load(self, row: Value, vector: int) -> Value:
        place = self.emit.at(row, vector * self.vector_bytes)
        return self.emit.load_vector(self.kind, place, self.vector_bytes)
