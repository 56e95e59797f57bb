"""The figure of a graph: its vertices and edges, for graphs small enough to see them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.alternative import Table, attach
from rbgp_graphs.viz.raster import as_subject

if TYPE_CHECKING:
    import plotly.graph_objects as go

Order = Literal["index", "spectral"]

#: More vertices on a side, or more edges, are a grey area and no drawing.
MOST_VERTICES, MOST_EDGES = 128, 2048
#: Vertices with a number beside them.
_MOST_NUMBERS = 40


def graph(g: Any, order: Order = "index", *, theme: style.Theme = "light") -> go.Figure:
    """Draw a small graph as two columns of vertices and the edges between them.

    Parameters
    ----------
    g : BipartiteGraph or array_like, shape (left, right)
        At most 128 vertices on a side and 2048 edges. A dense or sparse mask is drawn as the
        graph of its nonzeros.
    order : {"index", "spectral"}
        How the vertices of each side are sorted: by number, or by their entry in the second
        singular vector, so that parts with few edges between them lie apart.
    theme : {"light", "dark"}
        Colours of text and background.

    Returns
    -------
    plotly.graph_objects.Figure
        Vertex 0 at the top in the order by number. In a page that `save` or `report` writes,
        pointing at a vertex highlights its neighbours. ``layout.meta`` holds a text alternative
        and a table of all neighbours.

    Raises
    ------
    ArgumentTypeError
        If `g` is neither a graph nor a mask.
    ArgumentError
        If it is too large to draw, has no vertices on a side, or `order` is unknown.
    MissingDependencyError
        If plotly is not installed.

    Examples
    --------
    >>> from rbgp_graphs import projective_plane
    >>> figure = graph(projective_plane(2), "spectral")
    >>> figure.layout.meta["rows"][0][:3]
    ['left 0', '3', '0, 2, 4']
    """
    if isinstance(g, TensorProduct):
        raise ArgumentTypeError(
            "g is a product, expected a BipartiteGraph; draw its factors, for instance "
            "graph(pattern.factors[0])"
        )
    found = as_subject(g)
    assert isinstance(found, BipartiteGraph)
    if order not in get_args(Order):
        raise ArgumentError(f"order is {order!r}, expected 'index' or 'spectral'")
    if not is_drawable(found):
        raise ArgumentError(
            f"g has {found.left} and {found.right} vertices and {found.num_edges} edges; drawings "
            f"have at most {MOST_VERTICES} vertices on a side and {MOST_EDGES} edges; "
            "use pattern(g), which draws graphs of any size"
        )
    left, right = found.left, found.right
    figure = style.new_figure(f"Graph, {left:,} + {right:,} vertices", style.as_theme(theme))
    places = _heights(found, order)
    _add_edges(figure, found, places)
    _add_vertices(figure, found, places)
    longer = max(left, right)
    figure.update_layout(width=640, margin_b=20)
    style.set_height(figure, min(900, max(320, 110 + 14 * longer)))
    figure.update_xaxes(range=[-0.16, 1.16], visible=False, fixedrange=True)
    figure.update_yaxes(range=[1.04, -0.04], visible=False)
    neighbors = [found.neighbors(u).tolist() for u in range(left)]
    attach(
        figure,
        _describe(found, order),
        _table(found, neighbors),
        {
            "kind": "neighbors",
            "left": [round(float(y), 4) for y in places[0]],
            "right": [round(float(y), 4) for y in places[1]],
            "neighbors": neighbors,
        },
    )
    return figure


def is_drawable(g: BipartiteGraph) -> bool:
    """Return whether a graph is small enough for `graph`."""
    return max(g.shape) <= MOST_VERTICES and g.num_edges <= MOST_EDGES and min(g.shape) > 0


def _heights(g: BipartiteGraph, order: Order) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the place of every vertex from the top, from 0 to 1."""
    ranks = [np.arange(g.left), np.arange(g.right)]
    if order == "spectral" and min(g.shape) > 1 and g.num_edges:
        left, _, right = np.linalg.svd(g.biadjacency(np.float64).toarray(), full_matrices=False)
        vectors = [left[:, 1], right[1]]
        # Entries that differ by rounding alone keep the order of the numbers.
        for side, vector in enumerate(vectors):
            ranks[side] = np.argsort(np.argsort(vector.round(9), kind="stable"), kind="stable")
    return (ranks[0] + 0.5) / g.left, (ranks[1] + 0.5) / g.right


def _add_edges(
    figure: go.Figure,
    g: BipartiteGraph,
    places: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    edges = g.edges
    y = np.full((len(edges), 3), np.nan)
    y[:, 0], y[:, 1] = places[0][edges[:, 0]], places[1][edges[:, 1]]
    crowded = math.sqrt(max(1, len(edges)) / 200)
    figure.add_scatter(
        x=[0, 1, None] * len(edges),
        y=[None if np.isnan(value) else round(float(value), 4) for value in y.ravel()],
        mode="lines",
        line={"color": style.GREY, "width": max(0.6, 1.4 / max(1.0, crowded))},
        opacity=max(0.35, min(0.9, 0.9 / max(1.0, crowded))),
        hoverinfo="skip",
        name="edge",
    )
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="lines+markers",
        line={"color": style.VERMILION, "width": 2.5},
        marker={"color": style.VERMILION, "size": 11},
        hoverinfo="skip",
        name="neighbours",
        showlegend=False,
    )


def _add_vertices(
    figure: go.Figure,
    g: BipartiteGraph,
    places: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    sides = (
        ("left", g, style.BLUE, "circle", "middle left"),
        ("right", g.T, style.GREEN, "square", "middle right"),
    )
    numbered = max(g.shape) <= _MOST_NUMBERS
    for x, (name, view, color, symbol, beside) in enumerate(sides):
        size = view.left
        texts = [_neighbors_text(name, u, view) for u in range(size)]
        figure.add_scatter(
            x=[x] * size,
            y=places[x].round(4).tolist(),
            mode="markers+text" if numbered else "markers",
            text=[str(u) for u in range(size)],
            textposition=beside,
            marker={
                "color": color,
                "symbol": symbol,
                "size": 9 if numbered else min(6, 480 / size),
            },
            customdata=texts,
            hovertemplate="%{customdata}<extra></extra>",
            name=f"{name} vertex",
        )


def _neighbors_text(side: str, u: int, g: BipartiteGraph) -> str:
    numbers = g.neighbors(u).tolist()
    lines = [numbers[k : k + 12] for k in range(0, len(numbers), 12)]
    listed = ",<br>".join(", ".join(map(str, line)) for line in lines)
    return f"{side} vertex {u}, degree {len(numbers)}<br>neighbours: {listed or 'none'}"


def _describe(g: BipartiteGraph, order: Order) -> str:
    sentences = [
        f"{g.left} left and {g.right} right vertices in two columns, joined by {g.num_edges} edges."
    ]
    if g.degrees is not None:
        sentences.append(f"Left vertices have degree {g.degrees[0]}, right ones {g.degrees[1]}.")
    number = g.num_components
    sentences.append("The graph is connected." if number == 1 else f"It has {number} components.")
    if order == "spectral":
        sentences.append("Vertices are sorted by their entries in the second singular vectors.")
    return " ".join(sentences)


def _table(g: BipartiteGraph, neighbors: list[list[int]]) -> Table:
    other = g.T
    rows = [(f"left {u}", len(each), ", ".join(map(str, each))) for u, each in enumerate(neighbors)]
    for v in range(g.right):
        each = other.neighbors(v).tolist()
        rows.append((f"right {v}", len(each), ", ".join(map(str, each))))
    return Table(["vertex", "degree", "neighbours"], rows)
