"""Time a zoom in the app, from the end of a drag to the new picture on the screen.

``python -m benchmarks.app_zoom`` writes ``docs/benchmarks/app_zoom.json``. It starts ``rbgp view``
as a process of its own and drives a real Chromium, with the extras ``app`` and ``dev``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import machine

#: Side and sparsity of a pattern.
_CASES = ((16384, 0.9375), (1 << 20, 1 - 2.0**-10))
_ROUNDS = 4
#: Zooms from the whole pattern inwards.
_DEPTH = 4
_READY = """document.querySelectorAll('[aria-busy=false]').length === 3
    && document.querySelector('#pattern .imagelayer image')
    && !document.querySelector('#busy').innerText"""
#: Notes when the button goes up, and when the browser has painted the last change of the picture.
_WATCH = """() => {
    window.times = {};
    window.addEventListener('mouseup', () => {
        window.times = {up: window.performance.now()};
    }, true);
    const isPicture = (change) => change.type === 'attributes'
        ? change.attributeName.includes('href')
        : [...change.addedNodes].some((node) => node.nodeName === 'image');
    new MutationObserver((changes) => {
        if (!changes.some(isPicture)) { return; }
        window.requestAnimationFrame(() => window.setTimeout(() => {
            window.times.painted = window.performance.now();
        }, 0));
    }).observe(document.getElementById('pattern'), {
        attributes: true, childList: true, subtree: true,
    });
}"""


def measure() -> dict[str, Any]:
    """Return the milliseconds of each zoom, and the browser's version."""
    from playwright.sync_api import sync_playwright

    found: dict[str, Any] = {"zooms": []}
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with _app() as address, sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=path, args=["--no-sandbox"])
        found["chromium"] = browser.version
        for side, sparsity in _CASES:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{address}?rows={side}&cols={side}&sparsity={sparsity}&view=graphs")
            _wait(page, _READY)
            page.evaluate(_WATCH)
            times = [time for _ in range(_ROUNDS) for time in _zooms(page)]
            case = {"side": side, "sparsity": sparsity, "milliseconds": times}
            found["zooms"].append(case)
            print(f"{side:,}: median {statistics.median(times):.0f} ms, longest {max(times):.0f}")
            page.close()
        browser.close()
    return found


@contextlib.contextmanager
def _app() -> Iterator[str]:
    """Run the app and yield its address."""
    command = [sys.executable, "-m", "rbgp_graphs", "view", "--port", "0", "--no-browser", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text, address = "", None
        while address is None:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the app did not start")
            text += line
            with contextlib.suppress(json.JSONDecodeError):
                address = json.loads(text)["address"]
        try:
            yield address
        finally:
            process.terminate()


def _zooms(page: Any) -> Iterator[float]:
    """Drag deeper and deeper, and back to the whole."""
    for _ in range(_DEPTH):
        box = page.locator("#pattern .nsewdrag").bounding_box()
        x, y, width, height = (box[name] for name in ("x", "y", "width", "height"))
        shown = page.evaluate("document.getElementById('pattern-text').innerText")
        page.mouse.move(x + 0.2 * width, y + 0.2 * height)
        page.mouse.down()
        page.mouse.move(x + 0.7 * width, y + 0.7 * height, steps=6)
        page.mouse.up()
        changed = f"document.getElementById('pattern-text').innerText !== {json.dumps(shown)}"
        _wait(page, f"{changed} && {_READY} && window.times.painted")
        times = page.evaluate("window.times")
        yield times["painted"] - times["up"]
    page.get_by_role("button", name="All", exact=True).click()
    _wait(page, f"document.getElementById('row-range').value === 'all' && {_READY}")


def _wait(page: Any, condition: str) -> None:
    for _ in range(3000):
        if page.evaluate(f"Boolean({condition})"):
            return
        page.wait_for_timeout(20)
    raise RuntimeError(f"the page never came to {condition}")


def main() -> None:
    """Measure, print, and write one JSON document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.app_zoom", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/app_zoom.json"))
    options = parser.parse_args()
    found = {"machine": machine.describe(), **measure()}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
