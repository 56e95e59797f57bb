"""The app: patterns, their spectrum and their cost in a browser, on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentTypeError

if TYPE_CHECKING:
    import dash


def app(p: Any = None, *, hosts: Iterable[str] = ()) -> dash.Dash:
    """Return an app that shows a pattern, or designs one, in a browser.

    Parameters
    ----------
    p : TensorProduct, BipartiteGraph or array_like, shape (rows, cols), optional
        What to show at first; a design without it.
    hosts : iterable of str
        Names and addresses that this machine may be asked by, beside those of the machine
        itself (``127.0.0.1``, ``localhost``, ``[::1]``). Requests that name another are refused,
        so that no foreign page can reach the app through a name of its own.

    Returns
    -------
    dash.Dash
        ``.run(host="127.0.0.1", port=8050)`` serves it until it is interrupted. The environment
        variables ``HOST``, ``PORT`` and ``DASH_DEBUG`` change nothing.

    Raises
    ------
    ArgumentTypeError
        If `p` is no pattern, graph or mask, or `hosts` is a str.
    ArgumentError
        If `p` has no cells, or more than 1,048,576 rows or columns.
    MissingDependencyError
        If dash is not installed.

    Notes
    -----
    What the page shows is part of its address, so that a bookmark brings it back; opened files
    that are too large for an address are kept in memory as long as the app runs. The page loads
    nothing from elsewhere, and the app answers no other page.

    Examples
    --------
    >>> from rbgp_graphs import design
    >>> site = app(design(256, 256, 0.75))
    >>> site.server.test_client().get("/", headers={"Host": "evil.example"}).status_code
    400
    """
    require("dash", "app")
    from rbgp_graphs.viz.dashboard import server
    from rbgp_graphs.viz.dashboard.subjects import check_size
    from rbgp_graphs.viz.raster import as_subject

    if isinstance(hosts, str):
        raise ArgumentTypeError(f"hosts is {hosts!r}, expected several names such as [{hosts!r}]")
    subject = None if p is None else check_size(as_subject(p))
    return server.build(subject, [*server.LOCAL_NAMES, *hosts])
