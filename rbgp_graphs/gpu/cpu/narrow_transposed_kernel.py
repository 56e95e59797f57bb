"""The kernel of the transposed product with few columns: lanes run along the neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from rbgp_graphs.gpu.cpu.emit import I32, I64, Value
from rbgp_graphs.gpu.cpu.storage import Storage
from rbgp_graphs.gpu.cpu.transposed_kernel import TransposedKernel

#: A multiplication takes four cycles and two begin in each, so fewer sums would have to wait.
_SUMS = 8


def narrow_transposed_text(storage: Storage, lanes: int, rows: int, columns: int) -> str:
    """Return the kernel ``run(job, scratch, first_panel)`` of A transposed times Y, few columns.

    The panel holds Y transposed. A vector of values of each row is multiplied with that row's
    entries of Y. The rows of a group share their columns, so what they give is first added up in
    registers, and then to the sums of these columns, which are gathered and scattered.
    """
    return _NarrowTransposedKernel(storage, lanes, rows, columns).text()


class _NarrowTransposedKernel(TransposedKernel):
    def __init__(self, storage: Storage, lanes: int, rows: int, columns: int) -> None:
        super().__init__(storage, lanes, rows, vectors=1)
        self.columns: int = columns
        self.stored_kind = ir.VectorType(storage.stored, lanes)

    def group(self, row: Value, columns: Value, values: Value) -> None:
        emit, lanes, degree = self.emit, self.lanes, self.read["inner_degree"]
        whole = emit.mul(emit.divmod(degree, emit.integer(lanes))[0], lanes)
        everywhere = emit.everywhere(lanes)
        emit.loop(0, whole, lambda j: self._add(row, columns, values, j, everywhere), step=lanes)
        with emit.when(emit.is_less(whole, degree)):
            mask = emit.mask(emit.sub(degree, whole), lanes)
            self._add(row, columns, values, whole, mask)

    def _add(self, row: Value, columns: Value, values: Value, j: Value, mask: Value) -> None:
        """Add the contributions of all rows of a group to the sums of neighbours from j on."""
        emit, lanes = self.emit, self.lanes
        chains = min(self.rows, -(-_SUMS // self.columns))
        start = emit.at(values, emit.mul(j, self.storage.stored_bytes))

        def block(b: Value, *totals: Value) -> Sequence[Value]:
            table = emit.at(self.read.pointer("block_rows"), emit.mul(b, 8 * self.rows))
            results = list(totals)
            for i in range(self.rows):
                number = emit.add(row, emit.load_int(table, i))
                place = emit.at(start, emit.mul(number, self.read["value_row"]))
                stored = emit.masked_load(self.stored_kind, place, mask)
                weights = self.storage.to_computed(emit, stored)
                y = emit.at(self.panel, emit.mul(number, self.storage.computed_bytes))
                for c in range(self.columns):
                    place = emit.at(y, emit.mul(self.read["panel_row"], c))
                    entry = emit.build.load(place, typ=self.storage.computed)
                    k = i % chains * self.columns + c
                    results[k] = emit.fma(weights, emit.splat(entry, lanes), results[k])
            return results

        zeros = [ir.Constant(self.kind, None)] * (chains * self.columns)
        totals = emit.loop(0, self.read["num_blocks"], block, zeros)
        few, wide = ir.VectorType(I32, lanes), ir.VectorType(I64, lanes)
        numbers = emit.masked_load(few, emit.at(columns, emit.mul(j, 4)), mask)
        steps = ir.Constant(wide, [self.row_bytes] * lanes)
        offsets = emit.build.mul(emit.build.sext(numbers, wide), steps)
        for c in range(self.columns):
            total = totals[c]
            for chain in range(1, chains):
                total = emit.build.fadd(total, totals[chain * self.columns + c])
            first = emit.at(self.sums, c * self.storage.computed_bytes)
            places = emit.build.add(offsets, emit.splat(emit.build.ptrtoint(first, I64), lanes))
            before = emit.gather(self.kind, places, mask)
            emit.scatter(emit.build.fadd(before, total), places, mask)
