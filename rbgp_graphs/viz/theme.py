"""Colours, templates and settings that all figures share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError

if TYPE_CHECKING:
    import plotly.graph_objects as go

Theme = Literal["light", "dark"]

# Okabe and Ito's colours for colour-blind readers, the blue a little lighter. Those of marks and
# lines have a contrast of at least 3:1 against both backgrounds, so one figure serves both.
BLUE = "#1A84CF"
VERMILION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
ORANGE = "#E69F00"
GREY = "#767676"

BACKGROUND: dict[Theme, str] = {"light": "#ffffff", "dark": "#14171a"}
TEXT: dict[Theme, str] = {"light": "#1b1f23", "dark": "#e6e8ea"}
_GRID: dict[Theme, str] = {"light": "#d9dde1", "dark": "#3a4046"}

#: Pixels between the top of a figure and its title and legend.
_TITLE_TOP, _LEGEND_TOP = 12, 36

#: What to pass as ``config`` to ``Figure.show`` and ``Figure.write_html``. Without it plotly.js
#: shows a button that uploads the figure to a server.
CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d"],
}


def as_theme(theme: Any) -> Theme:
    """Return `theme` if it is "light" or "dark", else raise `ArgumentError`."""
    if theme not in ("light", "dark"):
        raise ArgumentError(f"theme is {theme!r}, expected 'light' or 'dark'")
    return "light" if theme == "light" else "dark"


def graph_objects() -> Any:
    """Import ``plotly.graph_objects``, or raise `MissingDependencyError`."""
    return require("plotly.graph_objects", "viz")


def template(theme: Theme) -> dict[str, Any]:
    """Return the layout template of a theme as a plain dict.

    Exchanging the template exchanges the theme: no trace and no axis of a figure repeats what
    stands here.
    """
    axis = {
        "gridcolor": _GRID[theme],
        "linecolor": GREY,
        "zeroline": False,
        "automargin": True,
        "ticks": "outside",
        "tickcolor": GREY,
        "title": {"standoff": 8},
    }
    return {
        "layout": {
            "colorway": [BLUE, VERMILION, GREEN, PURPLE, ORANGE, GREY],
            "font": {"family": "system-ui, sans-serif", "size": 13, "color": TEXT[theme]},
            "hoverlabel": {"font": {"family": "system-ui, sans-serif", "size": 13}},
            "paper_bgcolor": BACKGROUND[theme],
            "plot_bgcolor": BACKGROUND[theme],
            "modebar": {
                "bgcolor": "rgba(0,0,0,0)",
                "color": GREY,
                "activecolor": TEXT[theme],
                "orientation": "h",
            },
            "xaxis": axis,
            "yaxis": axis,
        }
    }


def new_figure(title: str, theme: Theme, height: int = 640) -> go.Figure:
    """Return an empty figure with the layout that all figures share."""
    layout = {
        "template": template(theme),
        "title": {"text": title, "x": 0, "xref": "paper", "yref": "container", "yanchor": "top"},
        "margin": {"l": 60, "r": 20, "t": 60, "b": 60},
        # From below the title a legend grows downwards, and what it takes moves the plot down.
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "yref": "container",
            "yanchor": "top",
        },
        "hovermode": "closest",
    }
    figure = graph_objects().Figure(layout=layout)
    set_height(figure, height)
    return figure


def set_height(figure: go.Figure, height: int) -> None:
    """Set the height of a figure in pixels, and with it the places of title and legend."""
    layout = figure.layout
    layout.height = height
    layout.title.y, layout.legend.y = 1 - _TITLE_TOP / height, 1 - _LEGEND_TOP / height
