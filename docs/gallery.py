"""Draw the pictures of the gallery by running the code beside them.

`conf.py` calls `draw_all` at each build. A picture named in ``gallery.md`` is the variable `figure`
that the code block before it leaves, drawn light and dark; `with_themes` shows the one that fits.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kaleido

import rbgp_graphs as rg
from rbgp_graphs.viz.theme import template

_BLOCK = re.compile(
    r"```python\n(?P<code>(?:>>> .*\n)+)\n```\n\n"
    r"!\[[^\]]+\]\(_generated/gallery/(?P<name>\w+)\.svg\)"
)


def pictures(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the code of every picture of a page."""
    for found in _BLOCK.finditer(text):
        yield found["name"], found["code"].replace(">>> ", "")


def with_themes(text: str) -> str:
    """Return the text of a page with a light and a dark image for each picture."""
    light, dark = r"\1.svg){.only-light .dark-light}", r"\1_dark.svg){.only-dark .dark-light}"
    return re.sub(r"(!\[[^\]]+\]\(_generated/gallery/\w+)\.svg\)", f"{light}\n{dark}", text)


def draw_all(page: Path, folder: Path) -> None:
    """Draw every picture of the page into `folder`, in both themes."""
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
            # Files are named as the tests of the documentation see them.
            with contextlib.chdir(page.parent.parent):
                exec(code, names)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="The kopts argument is ignored")
                rg.viz.save(names["figure"], folder / f"{name}.svg")
                # The themes differ in the template alone.
                names["figure"].update_layout(template=template("dark"))
                rg.viz.save(names["figure"], folder / f"{name}_dark.svg")
    finally:
        kaleido.stop_sync_server(silence_warnings=True)


if __name__ == "__main__":
    here = Path(__file__).parent
    draw_all(here / "gallery.md", here / "_generated" / "gallery")
