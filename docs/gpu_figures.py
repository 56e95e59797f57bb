"""Draw the figures of the page about the CUDA kernels: lives of tiles, and a roofline."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from figures import BLUE, GREY, LIGHT, ORANGE, Drawing

import rbgp_graphs as rg

#: Bytes a second of device memory, and operations a second in half precision with sums in float32
#: on tensor cores and in float32 on CUDA cores: the data sheets of A100 SXM 80 GB and H200 SXM.
PUBLISHED = {
    "A100": (2.039e12, 312e12, 19.5e12),
    "H200": (4.8e12, 989e12, 67e12),
}
SPARSITIES = (0.5, 0.75, 0.875, 0.9375)


def draw_all(folder: Path) -> None:
    """Draw all figures into `folder`."""
    draw_tile(folder / "tile.svg")
    draw_sharing(folder / "sharing.svg")
    draw_gathering(folder / "gathering.svg")
    draw_roofline(folder / "roofline.svg")


def draw_tile(path: Path) -> None:
    """Draw what a block reads, keeps and writes for one row group of a small pattern."""
    pattern, group = _small_pattern()
    columns = pattern.row(group[0])
    drawing, top, height = Drawing(900, 500), 60.0, 384.0
    _draw_places(drawing, (20, 300), (360, 210), (610, 130), (770, 120))
    _draw_matrix(drawing, pattern, group, 30, top, height)
    slabs = _draw_operand(drawing, pattern, columns, 180, top, height)
    _draw_stage(drawing, slabs, columns, 370, top)
    _draw_registers(drawing, 625, top)
    cell = height / pattern.rows
    drawing.grid((1, 1), (1, 1), 795, top, 1, color=LIGHT)
    for row in group:
        _box(drawing, 795, top + row * cell, 70, cell, ORANGE)
    _frame(drawing, 795, top, 70, height)
    drawing.text(830, top + height + 20, "Y")
    for x1, x2, y, label in (
        (322, 356, 150, "1"),
        (574, 606, 150, "2"),
        (744, 776, 150, "3"),
    ):
        _arrow(drawing, x1, y, x2, y)
        drawing.text((x1 + x2) / 2, y - 10, label)
    drawing.save(path, "What a block reads, keeps and writes for one row group")


def _small_pattern() -> tuple[rg.RBGP4, list[int]]:
    """Return a small pattern, and the rows of one of its groups."""
    outer = rg.cyclic_lift(rg.complete(2, 2), 2, [0, 1, 1, 0])
    inner = rg.cyclic_lift(rg.complete(4, 4), 2, [(u * v) % 2 for u in range(4) for v in range(4)])
    u_o, u_i = 1, 5
    group = [(u_o * 4 + u_r) * 8 + u_i for u_r in range(4)]
    return rg.RBGP4(outer, (4, 1), inner, (1, 1)), group


def _draw_places(drawing: Drawing, *spans: tuple[int, int]) -> None:
    """Write over parts of a drawing which memory they show, from a product's begin to its end."""
    titles = ("device memory", "shared memory", "registers", "device memory")
    for (x, width), title in zip(spans, titles, strict=True):
        drawing.text(x + width / 2, 24, title, size=15)
        drawing.line(x, 34, x + width, 34)


def _box(drawing: Drawing, x: float, y: float, width: float, height: float, color: str) -> None:
    drawing.elements.append(
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{color}"/>'
    )


def _frame(drawing: Drawing, x: float, y: float, width: float, height: float) -> None:
    drawing.elements.append(
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="none" '
        f'stroke="{GREY}"/>'
    )


def _draw_matrix(
    drawing: Drawing, pattern: rg.RBGP4, group: list[int], x: float, top: float, height: float
) -> None:
    """Draw the pattern with the rows of one group in another colour."""
    cell, mask = height / pattern.rows, pattern.mask()
    own = np.zeros_like(mask)
    own[group] = mask[group]
    drawing.cells(mask & ~own, x, top, cell, color=LIGHT)
    drawing.cells(own, x, top, cell, color=ORANGE)
    _frame(drawing, x, top, pattern.cols * cell, height)
    drawing.text(x + pattern.cols * cell / 2, top + height + 20, "A")


def _draw_operand(
    drawing: Drawing,
    pattern: rg.RBGP4,
    columns: np.ndarray[tuple[int], np.dtype[np.int64]],
    x: float,
    top: float,
    height: float,
    width: float = 130,
) -> list[int]:
    """Draw X with the slabs under the tiles that exist, and return where these begin."""
    cell, size = height / pattern.cols, pattern.inner.right
    slabs = sorted({int(column) // size * size for column in columns})
    for start in slabs:
        _box(drawing, x, top + start * cell, width, size * cell, LIGHT)
    for column in columns:
        _box(drawing, x, top + int(column) * cell, width, cell - 1, BLUE)
    _frame(drawing, x, top, width, height)
    drawing.text(x + width / 2, top + height + 20, "X")
    return slabs


def _draw_stage(
    drawing: Drawing,
    slabs: list[int],
    columns: np.ndarray[tuple[int], np.dtype[np.int64]],
    x: float,
    top: float,
) -> None:
    """Draw the two stages: slabs of X and values, one being multiplied and one arriving."""
    for stage, (start, words) in enumerate(zip(slabs, ("multiplied", "arriving"), strict=True)):
        y = top + stage * 190
        own = [int(column) - start for column in columns if start <= column < start + 8]
        _box(drawing, x, y, 120, 96, LIGHT)
        for row in own:
            _box(drawing, x, y + 12 * row, 120, 11, BLUE)
        _frame(drawing, x, y, 120, 96)
        for u_r in range(4):
            for k in range(len(own)):
                _box(drawing, x + 132 + 15 * k, y + 12 * u_r, 14, 11, ORANGE)
        drawing.text(x + 60, y + 114, "a slab of X", size=12)
        drawing.text(x + 162, y + 68, "values", size=12)
        drawing.text(x + 95, y + 138, f"stage {stage + 1}: {words}", size=13)


def _draw_registers(drawing: Drawing, x: float, top: float) -> None:
    """Draw the sums of a group, and the fragments that meet in them."""
    for u_r in range(4):
        _box(drawing, x, top + 12 * u_r, 100, 11, ORANGE)
    drawing.text(x + 50, top + 68, "sums, float32", size=12)
    for line, words in enumerate(
        ("each row of X", "is read once,", "for all rows", "of the group")
    ):
        drawing.text(x + 50, top + 110 + 18 * line, words, size=12)


def draw_sharing(path: Path) -> None:
    """Draw two blocks of a cluster that share X, each with two u_i that share it too."""
    inner = rg.random_biregular(4, 8, 4, rng=2)
    drawing, top = Drawing(900, 450), 60.0
    _draw_places(drawing, (20, 160), (250, 290), (570, 160), (762, 126))
    # X under one v_o: a row for each v_i, a column for each box of 64 columns.
    _draw_slab(drawing, 40, top + 110, 16)
    for box in range(4):
        drawing.text(56 + 32 * box, top + 104, str(box % 2), size=12)
    drawing.text(104, top + 84, "sent for by block", size=12)
    for line, words in enumerate(("X under one v_o:", "all v_i, four boxes", "of 64 columns")):
        drawing.text(104, top + 260 + 17 * line, words, size=12)
    for block in range(2):
        y = top + 10 + 205 * block
        _arrow(drawing, 190, top + 174, 246, y + 64)
        drawing.text(315, y - 8, f"block {block}", size=13)
        _draw_slab(drawing, 255, y, 16)
        for own in range(2):
            u_i = 2 * block + own
            x = 415 + 68 * own
            for v_i in inner.neighbor_table[u_i]:
                _box(drawing, x, y + 16 * int(v_i), 20, 15, BLUE)
            _frame(drawing, x, y, 20, 128)
            drawing.text(x + 10, y + 144, f"u_i = {u_i}", size=12)
            for u_r in range(4):
                for k in range(inner.degrees[0] if inner.degrees else 0):
                    _box(drawing, x + 24 + 9 * k, y + 44 + 11 * u_r, 8, 10, ORANGE)
            _box(drawing, 585, y + 68 * own, 128, 44, ORANGE)
            drawing.text(649, y + 68 * own + 58, f"sums of u_i = {u_i}", size=12)
            _box(drawing, 790, y + 68 * own, 70, 44, ORANGE)
            drawing.text(825, y + 68 * own + 58, f"box of u_i = {u_i}", size=12)
        drawing.text(319, y + 144, "the same X in both", size=12)
        drawing.text(460, y + 162, "rows and values", size=12)
        _arrow(drawing, 546, y + 64, 578, y + 64)
        _arrow(drawing, 722, y + 64, 780, y + 64)
    drawing.text(218, top + 104, "1")
    drawing.text(562, top + 62, "2")
    drawing.text(751, top + 62, "3")
    drawing.save(path, "How blocks and inner rows share the rows of X under one outer neighbour")


def draw_gathering(path: Path) -> None:
    """Draw how rows of X and of dY become values of the sampled product, for one row group."""
    pattern, group = _small_pattern()
    columns = pattern.row(group[0])
    drawing, top, height = Drawing(900, 480), 60.0, 384.0
    _draw_places(drawing, (20, 190), (260, 150), (460, 250), (762, 126))
    cell = height / pattern.rows
    for row in group:
        _box(drawing, 30, top + row * cell, 70, cell, ORANGE)
    _frame(drawing, 30, top, 70, height)
    drawing.text(65, top + height + 20, "dY")
    slabs = _draw_operand(drawing, pattern, columns, 130, top, height, 70)
    for row in range(4):
        _box(drawing, 270, top + 12 * row, 120, 11, ORANGE)
    drawing.text(330, top + 68, "a box of dY", size=12)
    for number, start in enumerate(slabs):
        y = top + 96 + 122 * number
        _box(drawing, 270, y, 120, 96, LIGHT)
        for column in columns:
            if start <= column < start + 8:
                _box(drawing, 270, y + 12 * (int(column) - start), 120, 11, BLUE)
        _frame(drawing, 270, y, 120, 96)
        drawing.text(330, y + 112, "a slab of X", size=12)
    for k in range(len(columns)):
        _box(drawing, 470, top + 150 + 15 * k, 120, 14, BLUE)
        for u_r in range(4):
            _box(drawing, 645 + 15 * u_r, top + 150 + 15 * k, 14, 14, ORANGE)
            _box(drawing, 770 + 13 * k, top + 180 + 13 * u_r, 12, 12, ORANGE)
    for x, y, lines in (
        (530, 290, ("rows in the order", "of the values")),
        (674, 290, ("sums: value", "times row", "of the group")),
        (822, 250, ("values of the", "rows of a group")),
    ):
        for line, words in enumerate(lines):
            drawing.text(x, top + y + 17 * line, words, size=12)
    for x1, y1, x2, y2, label in (
        (214, 190, 256, 190, "1"),
        (404, 205, 456, 205, "2"),
        (602, 205, 634, 205, "3"),
        (718, 205, 758, 205, "4"),
    ):
        _arrow(drawing, x1, top + y1, x2, top + y2)
        drawing.text((x1 + x2) / 2, top + y1 - 10, label)
    # The products take the rows of dY from where they lie.
    drawing.line(404, top + 23, 674, top + 23, width=2)
    _arrow(drawing, 674, top + 23, 674, top + 140)
    drawing.save(path, "How rows of X are gathered on their way to the values of a row group")


def _draw_slab(drawing: Drawing, x: float, y: float, cell: float) -> None:
    """Draw the rows of X under one v_o, in four boxes that two blocks send for in turns."""
    for box in range(4):
        for v_i in range(8):
            color = LIGHT if box % 2 else "#e8edf2"
            _box(drawing, x + 2 * cell * box, y + cell * v_i, 2 * cell - 1, cell - 1, color)
    _frame(drawing, x, y, 8 * cell, 8 * cell)


def _arrow(drawing: Drawing, x1: float, y1: float, x2: float, y2: float) -> None:
    length = math.hypot(x2 - x1, y2 - y1)
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    drawing.line(x1, y1, x2, y2, color=GREY, width=2)
    for side in (-5, 5):
        back_x, back_y = x2 - 8 * ux - side * uy, y2 - 8 * uy + side * ux
        drawing.line(back_x, back_y, x2, y2, color=GREY, width=2)


def draw_roofline(path: Path) -> None:
    """Draw published ceilings, and where products of 4096 x 4096 matrices lie under them."""
    drawing = Drawing(820, 470)
    left, right, top, bottom = 80.0, 790.0, 30.0, 400.0
    xs, ys = (4.0, 2048.0), (4e12, 2e15)

    def at(intensity: float, rate: float) -> tuple[float, float]:
        x = left + (right - left) * math.log(intensity / xs[0]) / math.log(xs[1] / xs[0])
        y = bottom - (bottom - top) * math.log(rate / ys[0]) / math.log(ys[1] / ys[0])
        return x, y

    for power in range(2, 12):
        x, _ = at(2.0**power, ys[0])
        drawing.line(x, top, x, bottom, color=LIGHT)
        drawing.text(x, bottom + 18, str(2**power), size=12)
    for rate in (1e13, 1e14, 1e15):
        _, y = at(xs[0], rate)
        drawing.line(left, y, right, y, color=LIGHT)
        drawing.text(left - 8, y + 4, f"{rate / 1e12:g}", size=12, anchor="end")
    for (name, (memory, cores, plain)), color in zip(PUBLISHED.items(), (GREY, BLUE), strict=True):
        for peak, words in ((cores, "tensor cores"), (plain, "float32")):
            ridge = peak / memory
            first = max(xs[0], ys[0] / memory)
            drawing.polyline(
                [at(first, first * memory), at(ridge, peak), at(xs[1], peak)], color=color
            )
            x, y = at(xs[1], peak)
            drawing.text(x - 6, y - 7, f"{name}, {words}", size=12, anchor="end")
    memory, cores, plain = PUBLISHED["H200"]
    for dtype, peak in (("float16", cores), ("float32", plain)):
        for sparsity in SPARSITIES:
            intensity = product_intensity(4096, 4096, sparsity, 2 if dtype == "float16" else 4)
            x, y = at(intensity, min(peak, intensity * memory))
            drawing.dot(x, y, 5, color=ORANGE)
            drawing.text(x, y + 20, f"{100 * sparsity:g} %", size=11)
    drawing.text((left + right) / 2, bottom + 44, "operations for each byte of device memory")
    drawing.text(left - 50, top - 10, "TFLOP/s", size=12, anchor="start")
    drawing.save(path, "Published ceilings of two devices, and products under them")


def product_intensity(size: int, columns: int, sparsity: float, number_bytes: int) -> float:
    """Return the operations for each byte, if values, operand and result move once."""
    nonzeros = size * size * (1 - sparsity)
    moved = number_bytes * (nonzeros + 2 * size * columns)
    return 2 * nonzeros * columns / moved
