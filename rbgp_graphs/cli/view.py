"""``rbgp view``: the app."""

from __future__ import annotations

import contextlib
import sys

import click

import rbgp_graphs as rg
from rbgp_graphs._validation import require
from rbgp_graphs.cli.command import Command, examples
from rbgp_graphs.cli.files import read_pattern_or_mask
from rbgp_graphs.cli.output import print_json, print_line, print_text

_LOCAL = ("127.0.0.1", "localhost", "::1")


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp view",
        "rbgp view layer.rbgp",
        "rbgp view pruned.npz --port 0 --no-browser",
    ),
)
@click.argument("file", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8050,
    show_default=True,
    help="Port; 0 for one that is free.",
)
@click.option("--no-browser", is_flag=True, help="Print the address, open no browser.")
@click.pass_context
def view(ctx: click.Context, file: str | None, host: str, port: int, no_browser: bool) -> None:
    """Look at patterns, and design them, in a browser.

    FILE is a .rbgp file, or a mask in .npz, .npy, .mtx and others. The app runs until it is
    interrupted (Ctrl-C), and answers this machine alone unless --host says otherwise. The
    environment changes neither host nor port.
    """
    require("dash", "app")
    from rbgp_graphs.viz.dashboard.server import listen

    app = rg.viz.app(None if file is None else read_pattern_or_mask(file), hosts=_names(host))
    server = listen(app, host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{server.port}/"
    if ctx.meta.get("as_json"):
        print_json({"address": address, "file": file})
    else:
        print_text([{"address": address, "to end it": "Ctrl-C"}])
    if host not in _LOCAL:
        print_line(f"Everyone who can reach {host} can use the app.", sys.stderr)
    if not no_browser:
        import webbrowser

        webbrowser.open(address)
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(server.socket):
        server.serve_forever()


def _names(host: str) -> list[str]:
    """Return the names, beside those of every machine, that requests may ask for."""
    if host in _LOCAL:
        return []
    if host not in ("0.0.0.0", "::"):
        return [f"[{host}]" if ":" in host else host]
    import socket

    name = socket.gethostname()
    with contextlib.suppress(OSError):
        return [name, *socket.gethostbyname_ex(name)[2]]
    return [name]
