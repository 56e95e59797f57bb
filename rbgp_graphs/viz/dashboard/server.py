"""The app as a web server that talks to this machine alone."""

from __future__ import annotations

import errno
import inspect
import json
import re
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import dash
import flask
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from rbgp_graphs.errors import ArgumentError, RBGPError
from rbgp_graphs.viz.dashboard import answers, downloads, layout
from rbgp_graphs.viz.dashboard.state import read_query
from rbgp_graphs.viz.dashboard.subjects import LARGEST_FILE_BYTES, Shelf
from rbgp_graphs.viz.page import read_asset
from rbgp_graphs.viz.raster import Subject

#: Names of this machine in the address of a page.
LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
#: Files of the reports that the app uses too.
_SHARED: dict[str, tuple[str, Callable[[], str]]] = {
    "report.css": ("text/css; charset=utf-8", lambda: read_asset("report.css")),
    "figures.js": ("text/javascript; charset=utf-8", lambda: read_asset("figures.js")),
    "plotly.js": ("text/javascript; charset=utf-8", get_plotlyjs),
}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(:\d{1,5})?", re.ASCII)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<title>{%title%}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/shared/report.css">
{%css%}
</head>
<body>
{%app_entry%}
<footer>
{%config%}
<script src="/shared/plotly.js"></script>
<script src="/shared/figures.js"></script>
{%scripts%}
{%renderer%}
</footer>
</body>
</html>
"""


class App(dash.Dash):
    """A Dash app that ignores ``HOST``, ``PORT`` and ``DASH_DEBUG`` of the environment."""

    def run(self, host: str = "127.0.0.1", port: int = 8050, **options: Any) -> None:  # type: ignore[override]
        """Serve the app until it is interrupted.

        Parameters
        ----------
        host : str
            The address to listen on.
        port : int
            The port; 0 for one that is free.
        **options
            Refused: there is no debug mode, which would let a page run code.
        """
        if options:
            raise ArgumentError(f"{', '.join(options)}: the app runs with host and port alone")
        server = listen(self, host, port)
        with server.socket:
            server.serve_forever()


def build(subject: Subject | None, hosts: Iterable[str]) -> App:
    """Return the app for a pattern, which answers under the given names of its machine."""
    options: dict[str, Any] = {"enable_mcp": False, "update_title": None}
    known = inspect.signature(dash.Dash.__init__).parameters
    app = App(
        "rbgp_graphs.viz.dashboard",
        assets_folder=str(Path(__file__).with_name("assets")),
        title="Sparsity patterns",
        index_string=_PAGE,
        serve_locally=True,
        **{name: value for name, value in options.items() if name in known},
    )
    shelf = Shelf(subject)
    app.layout = layout.page(has_start=subject is not None)
    app.server.config["MAX_CONTENT_LENGTH"] = LARGEST_FILE_BYTES * 4 // 3 + (1 << 20)
    _guard(app, tuple(hosts))
    _add_routes(app.server, shelf)
    return app


def _guard(app: dash.Dash, hosts: tuple[str, ...]) -> None:
    """Refuse foreign names and foreign pages, and tell the browser to load nothing foreign."""
    server: flask.Flask = app.server
    names = {name.lower() for name in hosts}

    @server.before_request
    def refuse() -> Any:
        match = _HOST.fullmatch(flask.request.headers.get("Host", ""))
        if match is None or match[1].lower() not in names:
            return _text(f"This app answers under {', '.join(hosts)} alone.", 400)
        # Another page may lead here, but not fetch from here or send to here.
        site = flask.request.headers.get("Sec-Fetch-Site", "none")
        mode = flask.request.headers.get("Sec-Fetch-Mode", "navigate")
        is_visit = mode == "navigate" and flask.request.method == "GET"
        if site in ("cross-site", "same-site") and not is_visit:
            return _text("Other pages may not ask this app.", 403)
        # What browsers without those headers say of who sends something here.
        origin = flask.request.headers.get("Origin")
        if origin is not None and origin.partition("//")[2] != flask.request.host:
            return _text("Other pages may not ask this app.", 403)
        return None

    policy: list[str] = []

    @server.after_request
    def protect(response: flask.Response) -> flask.Response:
        if not policy:
            policy.append(_policy(app.csp_hashes()))
        headers = {
            "Content-Security-Policy": policy[0],
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        for name, value in headers.items():
            response.headers[name] = value
        return response


def _policy(hashes: Iterable[str]) -> str:
    return (
        f"default-src 'none'; script-src 'self' {' '.join(hashes)}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; "
        "font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _add_routes(server: flask.Flask, shelf: Shelf) -> None:
    # Dash answers every other path with its page, so these rules must be more special than that.
    @server.get("/shared/<name>")
    def shared(name: str) -> Any:
        if name not in _SHARED:
            return _text("There is no such file.", 404)
        media_type, read = _SHARED[name]
        response = flask.Response(read(), content_type=media_type)
        response.add_etag()
        return response.make_conditional(flask.request)

    @server.post("/answer")
    def answer() -> Any:
        # Forms of other pages cannot send this type.
        if flask.request.mimetype != "application/json":
            return _text("The app answers JSON alone.", 415)
        try:
            return _json(answers.answer(shelf, json.loads(flask.request.get_data())))
        except (RBGPError, ValueError, RecursionError) as error:
            return _text(f"The request is not one of this page: {str(error)[:200]}", 422)

    @server.get("/part/<name>/<scheme>")
    def part(name: str, scheme: str) -> Any:
        try:
            return _json(answers.part(shelf, name, scheme, _query()))
        except RBGPError as error:
            return _text(str(error), 422)

    @server.get("/download/<name>")
    def download(name: str) -> Any:
        if not downloads.is_offered(name):
            return _text("There is no such file.", 404)
        try:
            state = read_query(_query(), shelf.start)
            body, media_type = downloads.content(shelf, state, name)
        except RBGPError as error:
            return _text(str(error), 422)
        response = flask.Response(body, content_type=media_type)
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def _query() -> str:
    return flask.request.query_string.decode("latin-1")


def _json(content: dict[str, Any]) -> flask.Response:
    return flask.Response(to_json_plotly(content), content_type="application/json")


def _text(text: str, status: int) -> flask.Response:
    return flask.Response(text + "\n", status, content_type="text/plain; charset=utf-8")


class _Quiet(WSGIRequestHandler):
    """Answers requests without a line for each."""

    def log_request(self, *_: Any, **__: Any) -> None:
        """Say nothing."""


def listen(app: dash.Dash, host: str, port: int) -> BaseWSGIServer:
    """Return a server for the app that has its port already.

    Raises
    ------
    ArgumentError
        If the port is in use or not allowed, or the host is no address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise ArgumentError(_why(host, port, error)) from None
    number = listener.getsockname()[1]
    with listener:
        return make_server(
            host, number, app.server, threaded=True, request_handler=_Quiet, fd=listener.fileno()
        )


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is in use, perhaps by this app; close that program, choose "
            f"another port such as {port + 1}, or 0 for any that is free"
        )
    if error.errno == errno.EACCES:
        return f"port {port} is reserved for the system; choose one from 1024 to 65535, or 0"
    return f"cannot listen on {host}, port {port}: {error.strerror or error}"
