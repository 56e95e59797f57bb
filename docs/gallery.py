"""Draw the pictures of the gallery by running the code beside them.

`conf.py` calls `draw_all` at each build. A picture named in ``gallery.md`` is the variable `figure`
that the code block before it leaves.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kaleido

import rbgp_graphs as rg

_BLOCK = re.compile(
    r"```python\n(?P<code>(?:>>> .*\n)+)\n```\n\n"
    r"!\[[^\]]+\]\(_generated/gallery/(?P<name>\w+)\.svg\)"
)


def pictures(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the code of every picture of a page."""
    for found in _BLOCK.finditer(text):
        yield found["name"], found["code"].replace(">>> ", "")


def draw_all(page: Path, folder: Path) -> None:
    """Draw every picture of the page into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = page.read_text(encoding="utf-8")
    drawn = dict(pictures(text))
    missing = set(re.findall(r"_generated/gallery/(\w+)\.svg", text)) - set(drawn)
    if missing:
        raise ValueError(f"{page}: no code stands directly before {', '.join(sorted(missing))}")
    # One browser for all pictures.
    kaleido.start_sync_server(silence_warnings=True, mathjax=False)
    try:
        for name, code in drawn.items():
            names: dict[str, Any] = {}
            exec(code, names)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="The kopts argument is ignored")
                rg.viz.save(names["figure"], folder / f"{name}.svg")
    finally:
        kaleido.stop_sync_server(silence_warnings=True)


if __name__ == "__main__":
    here = Path(__file__).parent
    draw_all(here / "gallery.md", here / "_generated" / "gallery")
