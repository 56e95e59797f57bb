"""Take the pictures of the app that ``app.md`` shows, in a real browser.

They are committed, so that a build of these pages needs no server:
``python docs/app_pictures.py`` takes them again, with the extras ``app`` and ``test`` and Chromium.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

import rbgp_graphs as rg
from rbgp_graphs.viz.dashboard.server import listen

FOLDER = Path(__file__).parent / "_static" / "app"
LAYER = "?rows=16384&cols=16384"
#: Name: width and height of the window, address, and the section that is scrolled to.
PICTURES = {
    "design": (1200, 760, LAYER + "&shown-rows=0:2048&shown-cols=0:2048", ""),
    "inspect": (1200, 640, "?rows=256&cols=256&sparsity=0.875&shown-rows=0:64&shown-cols=0:64"
                "&cell=9,20&view=factors", "#cell-title"),
    "phone": (390, 844, LAYER + "&view=space", "#more-title"),
}  # fmt: skip
_DRAWN = """document.querySelectorAll('[aria-busy=false]').length === 3
    && document.querySelector('#pattern .main-svg')
    && document.querySelector('#figures .main-svg')
    && !document.querySelector('#busy').innerText"""


def take(browser: Any, address: str, name: str, scheme: str) -> None:
    """Write one picture."""
    width, height, query, section = PICTURES[name]
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
    page.goto(address + query)
    while not page.evaluate(f"Boolean({_DRAWN})"):
        page.wait_for_timeout(100)
    if section:
        page.evaluate(f"document.querySelector('{section}').scrollIntoView()")
    # Nothing marks when the browser has painted what plotly.js drew last.
    page.wait_for_timeout(500)
    page.screenshot(path=FOLDER / f"{name}_{scheme}.png")
    page.close()


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    server = listen(rg.viz.app(), "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in PICTURES:
            for scheme in ("light", "dark"):
                take(browser, f"http://127.0.0.1:{server.port}/", name, scheme)
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
