"""Draw the figures of the documentation as SVG, from the package's own objects.

`conf.py` calls `draw_all` at each build, so a figure never shows what the code does not do. To draw
them alone: ``python docs/figures.py``.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rbgp_graphs as rg
from rbgp_graphs.selection import twist

BLUE, ORANGE, GREY, LIGHT = "#0072b2", "#d55e00", "#5f6b7a", "#c9d2dc"


class Drawing:
    """An SVG drawing: a list of elements and a size in pixels."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.elements: list[str] = []

    def text(
        self, x: float, y: float, text: str, *, size: int = 14, anchor: str = "middle"
    ) -> None:
        self.elements.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, color: str = GREY, width: float = 1
    ) -> None:
        self.elements.append(
            f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}" stroke="{color}" stroke-width="{width:g}"/>'
        )

    def dot(self, x: float, y: float, radius: float, *, color: str = BLUE) -> None:
        self.elements.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{color}"/>')

    def polyline(self, points: list[tuple[float, float]], *, color: str, width: float = 2) -> None:
        path = "L".join(f"{x:g} {y:g}" for x, y in points)
        self.elements.append(
            f'<path d="M{path}" stroke="{color}" stroke-width="{width:g}" fill="none"/>'
        )

    def cells(
        self, mask: NDArray[np.bool_], x: float, y: float, cell: float, *, color: str = BLUE
    ) -> None:
        """Fill the ones of a 0/1 matrix, one run of neighbouring ones at a time."""
        runs = []
        for r, row in enumerate(mask):
            edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(np.int8), [0]))))
            for start, stop in edges.reshape(-1, 2):
                width = (stop - start) * cell
                runs.append(
                    f"M{x + start * cell:g} {y + r * cell:g}h{width:g}v{cell:g}h{-width:g}z"
                )
        self.elements.append(f'<path d="{"".join(runs)}" fill="{color}"/>')

    def grid(
        self,
        shape: tuple[int, int],
        step: tuple[int, int],
        x: float,
        y: float,
        cell: float,
        *,
        color: str = GREY,
        width: float = 1,
    ) -> None:
        """Draw the frame of a matrix and a line after every `step` rows and columns."""
        for r in range(0, shape[0] + 1, step[0]):
            self.line(x, y + r * cell, x + shape[1] * cell, y + r * cell, color=color, width=width)
        for c in range(0, shape[1] + 1, step[1]):
            self.line(x + c * cell, y, x + c * cell, y + shape[0] * cell, color=color, width=width)

    def matrix(
        self, mask: NDArray[np.bool_], x: float, y: float, cell: float, tile: tuple[int, int]
    ) -> None:
        """Draw a small matrix with thin lines between cells and thick ones between tiles."""
        self.cells(mask, x, y, cell)
        self.grid(mask.shape, (1, 1), x, y, cell, color=LIGHT)
        self.grid(mask.shape, tile, x, y, cell, width=1.6)

    def save(self, path: Path, title: str) -> None:
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" height="{self.height:g}" role="img" '
            f'font-family="sans-serif" fill="#1b2733">\n<title>{escape(title)}</title>\n'
            f'<rect width="100%" height="100%" fill="#ffffff"/>\n'
            + "\n".join(self.elements)
            + "\n</svg>\n",
            encoding="utf-8",
        )


def draw_all(folder: Path) -> None:
    """Draw every figure into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_graph(folder / "graph.svg")
    draw_product(folder / "product.svg")
    draw_pattern(folder / "pattern.svg")
    draw_spectra(folder / "spectra.svg")
    draw_twist(folder / "twist.svg")
    draw_trade_off(folder / "trade_off.svg")
    draw_twisted(folder / "twisted.svg")
    draw_limit_law(folder / "limit_law.svg")
    _draw_studies(folder)
    draw_catalogue(folder / "catalogue.svg")
    draw_ranks(folder / "ranks.svg")
    _draw_kernels(folder)


def _draw_kernels(folder: Path) -> None:
    """Draw the figures about CUDA kernels; their module uses this one."""
    import gpu_figures

    gpu_figures.draw_all(folder)


def _draw_studies(folder: Path) -> None:
    """Draw the training studies; their module uses this one."""
    from training_studies import write_all

    write_all(folder.parent / "benchmarks", folder)


def draw_graph(path: Path) -> None:
    """Draw a graph as two columns of vertices, next to its biadjacency matrix."""
    graph = rg.field_lift(2, 2, m=1, j=1)
    drawing = Drawing(560, 230)
    for u, v in graph.edges:
        drawing.line(70, 50 + 45 * u, 220, 50 + 45 * v, width=1.5)
    for k in range(graph.left):
        drawing.dot(70, 50 + 45 * k, 9)
        drawing.text(45, 55 + 45 * k, f"u{k}")
    for k in range(graph.right):
        drawing.dot(220, 50 + 45 * k, 9, color=ORANGE)
        drawing.text(246, 55 + 45 * k, f"v{k}")
    drawing.matrix(graph.biadjacency().toarray(), 340, 28, 45, graph.shape)
    drawing.text(145, 222, "graph")
    drawing.text(430, 222, "biadjacency matrix")
    drawing.save(path, "A bipartite graph and its biadjacency matrix")


def paper_example() -> Any:
    """Return the 16 x 8 example of the RBGP paper's figure."""
    crossed = rg.BipartiteGraph.from_edges([(0, 1), (1, 0)], shape=(2, 2))
    parallel = rg.BipartiteGraph.from_edges([(0, 0), (1, 1)], shape=(2, 2))
    return rg.RBGP4(crossed, (2, 1), parallel, (2, 2))


def draw_product(path: Path) -> None:
    """Draw the four factors of the paper's example and their product."""
    pattern = paper_example()
    drawing = Drawing(720, 400)
    x = 30.0
    for name, symbol, graph in zip(
        ("outer", "repeat", "inner", "block"),
        ("Go", "Gr", "Gi", "Gb"),
        pattern.factors,
        strict=True,
    ):
        width = 30.0 * graph.right
        drawing.matrix(graph.biadjacency().toarray(), x, 170, 30, graph.shape)
        drawing.text(x + width / 2, 155, symbol, size=16)
        drawing.text(x + width / 2, 255, name)
        drawing.text(x + width + 22, 206, "=" if name == "block" else "⊗", size=20)
        x += width + 44
    drawing.matrix(pattern.mask(), 450, 20, 22, pattern.tile_shape)
    drawing.text(538, 394, "product: 16 rows, 8 columns, four tiles")
    drawing.save(path, "Four factors and their product")


def draw_pattern(path: Path) -> None:
    """Draw a 128 x 128 pattern with its tiles, and one row group in another colour."""
    inner = rg.field_lift(4, 2, m=1, j=1).T
    pattern = rg.RBGP4(rg.field_lift(4, 4, m=1, j=1), (4, 1), inner, (1, 2))
    mask = pattern.mask()
    rows = np.flatnonzero((mask == mask[0]).all(axis=1))
    group = np.zeros_like(mask)
    group[rows] = mask[rows]
    cell = 480 / max(mask.shape)
    drawing = Drawing(540, mask.shape[0] * cell + 60)
    drawing.cells(mask & ~group, 30, 20, cell)
    drawing.cells(group, 30, 20, cell, color=ORANGE)
    drawing.grid(mask.shape, pattern.tile_shape, 30, 20, cell)
    drawing.text(
        270,
        mask.shape[0] * cell + 48,
        f"{mask.shape[0]} × {mask.shape[1]}, sparsity {pattern.sparsity:.4g}; "
        f"orange: one group of {len(rows)} equal rows",
    )
    drawing.save(path, "A pattern with its tiles and one row group")


def draw_ranks(path: Path) -> None:
    """Draw two layers shared by four ranks: the rows of the first, the columns of the second."""
    pattern = rg.RBGP4(rg.random_biregular(8, 8, 4, rng=0), (4, 1), rg.complete(2, 4), (1, 1))
    up, down = pattern.mask(), pattern.T.mask()
    cell, size = 4.0, 4
    colors = (BLUE, ORANGE, "#009e73", GREY)
    drawing = Drawing(720, 330)
    places = ((40.0, down, "A₂: columns shared"), (440.0, up, "A₁: rows shared"))
    for x, mask, name in places:
        y = 40 + (64 - mask.shape[0]) * cell / 2
        for rank, color in enumerate(colors):
            part = np.zeros_like(mask)
            each = max(mask.shape) // size
            own = slice(rank * each, (rank + 1) * each)
            at = (own, slice(None)) if name.endswith("rows shared") else (slice(None), own)
            part[at] = mask[at]
            drawing.cells(part, x, y, cell, color=color)
        step = (16, 32) if name.endswith("rows shared") else (32, 16)
        drawing.grid(mask.shape, step, x, y, cell)
        drawing.text(x + mask.shape[1] * cell / 2, 326, name)
    drawing.text(368, 172, "f (", size=20)
    drawing.text(640, 172, "X )", size=20)
    drawing.text(360, 20, "rank 0 blue, 1 orange, 2 green, 3 grey", size=13)
    drawing.save(path, "Two layers shared by four ranks")


def normalized_singular_values(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the singular values of a mask, divided by the largest."""
    values = np.linalg.svd(mask.astype(float), compute_uv=False)
    return np.asarray(values / values[0])


def draw_spectra(path: Path) -> None:
    """Draw the singular values of two factors and of their product, with the bounds."""
    outer, inner = rg.ramanujan(64, 64, 4), rg.ramanujan(16, 16, 4)
    product = rg.TensorProduct(outer, inner)
    drawing = Drawing(640, 250)
    x0, width = 185.0, 425.0
    for k, (name, matrix, degrees) in enumerate(
        (
            ("outer 64 × 64", outer.biadjacency().toarray(), (4, 4)),
            ("inner 16 × 16", inner.biadjacency().toarray(), (4, 4)),
            ("product 1024 × 1024", product.mask(), (16, 16)),
        )
    ):
        y = 50.0 + 65 * k
        drawing.text(x0 - 18, y + 5, name, anchor="end")
        drawing.line(x0, y, x0 + width, y, color=LIGHT)
        bound = rg.spectral.ramanujan_bound(*degrees) / np.sqrt(degrees[0] * degrees[1])
        drawing.line(x0 + bound * width, y - 20, x0 + bound * width, y + 20, color=ORANGE, width=3)
        for value in np.unique(normalized_singular_values(matrix).round(6)):
            drawing.dot(x0 + value * width, y, 5)
    for tick in (0, 0.25, 0.5, 0.75, 1):
        drawing.text(x0 + tick * width, 222, f"{tick:g}", size=12)
    drawing.text(x0 + width / 2, 244, "singular value / largest; orange: Ramanujan bound", size=13)
    drawing.save(path, "Singular values of two factors and of their product")


def draw_twist(path: Path) -> None:
    """Draw the sorted singular values of one pattern, plain and twisted."""
    inner = rg.ramanujan(32, 32, 4)
    outer = rg.complete(16, 16)
    shifts = np.random.default_rng(0).integers(0, 32, outer.num_edges)
    curves = (
        ("plain", rg.RBGP4(outer, (1, 1), inner, (1, 1)), BLUE),
        ("twisted", rg.RBGP4(outer, (1, 1), inner, (1, 1), shifts=shifts), ORANGE),
    )
    shown = 128
    plot = Plot((1, shown), (0, 1), "index of the singular value", "σ / σ1")
    for name, pattern, color in curves:
        values = normalized_singular_values(pattern.mask())[:shown]
        plot.curve(np.arange(1, shown + 1), values, f"{name}: σ2/σ1 = {values[1]:.2f}", color)
    degree = curves[0][1].row_degree
    plot.level(rg.spectral.ramanujan_bound(degree, degree) / degree, "Ramanujan bound")
    plot.save(path, "Singular values of a plain and of a twisted pattern")


def draw_trade_off(path: Path) -> None:
    """Draw the gap that `design` reaches for each size of the row group, and its limit."""
    size, groups = 512, (1, 2, 4, 8, 16, 32, 64)
    plot = Plot((0, len(groups) - 1), (0, 1), "rows in a group", "σ2 / σ1")
    plot.tick_labels = [str(group) for group in groups]
    for sparsity, color in ((0.75, BLUE), (0.9375, ORANGE)):
        ratios, limits = [], []
        for group in groups:
            try:
                pattern = rg.design(size, size, sparsity, objective="gap", row_group=group)
            except rg.InfeasibleError:
                break
            verdict = rg.verify(pattern)
            ratios.append(verdict.sigma2 / verdict.sigma1)
            share = group / pattern.col_degree
            limits.append(np.sqrt(share * sparsity / (1 - group / size)))
        x = np.arange(len(ratios))
        plot.curve(x, np.array(ratios), f"sparsity {sparsity:g}", color)
        plot.drawing.polyline(
            [plot.at(a, b) for a, b in zip(x, limits, strict=True)], color=color, width=1
        )
    plot.save(path, "Second singular value against the size of the row group")


def draw_limit_law(path: Path) -> None:
    """Draw the limit law for two pairs of degrees over histograms of random graphs."""
    plot = Plot((0, 5), (0, 0.8), "singular value", "density")
    plot.tick_labels = [str(tick) for tick in range(6)]
    for graph, color in (
        (rg.random_biregular(768, 768, 3, rng=0), BLUE),
        (rg.random_biregular(512, 1024, 8, rng=0), ORANGE),
    ):
        values = rg.spectral.singular_values(graph)[1:]
        heights, edges = np.histogram(values, bins=40, density=True)
        steps = zip(np.repeat(edges, 2)[1:-1], np.repeat(heights, 2), strict=True)
        plot.drawing.polyline([plot.at(a, b) for a, b in steps], color=color, width=1)
        support = np.linspace(values.min(), values.max(), 400)
        name = "degrees {} and {}".format(*graph.degrees)
        plot.curve(support, rg.spectral.limit_density(*graph.degrees, support), name, color)
    plot.save(path, "The limit law and the singular values of random graphs")


def draw_catalogue(path: Path) -> None:
    """Draw sigma2 over the bound for one degree: random graphs, the catalogue, the trace bound."""
    degree, sides = 12, (24, 48, 96, 192, 384)
    plot = Plot((0, len(sides) - 1), (0, 1), "vertices a side, 12 neighbours each", "σ2 / bound")
    plot.tick_labels = [str(side) for side in sides]
    bound = rg.spectral.ramanujan_bound(degree, degree)
    drawn = [rg.random_biregular(side, side, degree, rng=0) for side in sides]
    found = [rg.ramanujan(side, side, degree, method="catalogue") for side in sides]
    lowest = [rg.spectral.trace_bound(side, side, degree) for side in sides]
    for values, name, color in (
        ([rg.spectral.second_singular_value(graph) for graph in drawn], "random graph", ORANGE),
        ([rg.spectral.second_singular_value(graph) for graph in found], "catalogue", BLUE),
        (lowest, "trace bound", GREY),
    ):
        points = [plot.at(i, value / bound) for i, value in enumerate(values)]
        plot.drawing.polyline(points, color=color)
        for x, y in points:
            plot.drawing.dot(x, y, 4, color=color)
        # Beside the curves, since they fill the corner where other plots have their names.
        plot.drawing.text(points[1][0], points[1][1] + 22, name)
    plot.save(path, "Second singular value of catalogue and random graphs against the side")


def draw_twisted(path: Path) -> None:
    """Draw the gap against the share of tiles that are present, plain and twisted."""
    shares = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
    plot = Plot((0, len(shares) - 1), (0, 1), "share of tiles present", "σ2 / σ1")
    plot.tick_labels = [f"{share:.4g}" for share in shares]
    ratios: list[list[float]] = [[], []]
    for share in shares:
        outer_degree = round(128 * share)
        outer = rg.ramanujan(32, 128, outer_degree)
        inner = rg.ramanujan(32, 32, 256 // outer_degree)
        plain = rg.RBGP4(outer, (4, 1), inner, (1, 1))
        for found, pattern in zip(ratios, (plain, twist(plain, tries=2)), strict=True):
            verdict = rg.verify(pattern)
            found.append(verdict.sigma2 / verdict.sigma1)
    plot.curve(np.arange(len(shares)), np.array(ratios[0]), "plain product", BLUE)
    plot.curve(np.arange(len(shares)), np.array(ratios[1]), "twisted", ORANGE)
    group, degree = plain.row_group, plain.col_degree
    limit = np.sqrt(group / degree * (1 - degree / plain.rows) / (1 - group / plain.rows))
    start, stop = plot.at(0, limit), plot.at(len(shares) - 1, limit)
    plot.drawing.line(*start, *stop, width=1.5)
    x, y = start[0] + 8, start[1] - 6
    plot.drawing.text(x, y, "limit of four equal rows", size=12, anchor="start")
    plot.save(path, "Second singular value against the share of tiles, plain and twisted")


class Plot:
    """A line plot on a `Drawing`."""

    def __init__(
        self, x_range: tuple[float, float], y_range: tuple[float, float], x_name: str, y_name: str
    ) -> None:
        self.x_range, self.y_range = x_range, y_range
        self.drawing = Drawing(640, 360)
        self.tick_labels: list[str] | None = None
        self.names = (x_name, y_name)
        self.num_curves = 0

    def at(self, x: float, y: float) -> tuple[float, float]:
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        return 70 + 540 * (x - x0) / (x1 - x0), 300 - 270 * (y - y0) / (y1 - y0)

    def curve(self, x: NDArray[Any], y: NDArray[Any], name: str, color: str) -> None:
        points = [self.at(a, b) for a, b in zip(x, y, strict=True)]
        self.drawing.polyline(points, color=color)
        if len(points) <= 20:
            for a, b in points:
                self.drawing.dot(a, b, 4, color=color)
        self.num_curves += 1
        top = 22.0 * self.num_curves + 12
        self.drawing.line(420, top, 450, top, color=color, width=3)
        self.drawing.text(458, top + 5, name, anchor="start")

    def level(self, y: float, name: str) -> None:
        left, right = self.at(self.x_range[0], y), self.at(self.x_range[1], y)
        self.drawing.line(*left, *right, color=GREY, width=1.5)
        self.drawing.text(right[0], right[1] - 6, name, size=12, anchor="end")

    def save(self, path: Path, title: str) -> None:
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        self.drawing.line(*self.at(x0, y0), *self.at(x1, y0))
        self.drawing.line(*self.at(x0, y0), *self.at(x0, y1))
        for tick in np.linspace(y0, y1, 5):
            x, y = self.at(x0, tick)
            self.drawing.text(x - 8, y + 4, f"{tick:g}", size=12, anchor="end")
        labels = self.tick_labels or [f"{t:g}" for t in np.linspace(x0, x1, 5).round()]
        for tick, label in zip(np.linspace(x0, x1, len(labels)), labels, strict=True):
            x, y = self.at(tick, y0)
            self.drawing.text(x, y + 18, label, size=12)
        self.drawing.text(340, 346, self.names[0])
        self.drawing.text(70, 20, self.names[1], anchor="start")
        self.drawing.save(path, title)


if __name__ == "__main__":
    draw_all(Path(__file__).parent / "_generated")
