"""Who may import whom, and what importing the package may load."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rbgp_graphs

PACKAGE = Path(rbgp_graphs.__file__).parent
#: From the bottom to the top; the parts of a row stand side by side.
LAYERS = (
    ("errors",),
    ("_machine", "_validation", "_version"),
    ("graph",),
    ("constructions",),
    ("products",),
    ("spectral",),
    ("selection",),
    ("encoding", "gpu", "export"),
    ("bench", "nn", "viz"),
    ("demo",),
    ("cli",),
    ("__main__",),
)
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
#: Strategies for tests stand beside the layers: they may use the ones up to products.
RANK["testing"] = RANK["spectral"]
#: The package itself re-exports everything below the command line.
RANK[""] = RANK["viz"] + 1
HEAVY = (
    "cupy",
    "dash",
    "flint",
    "igraph",
    "jax",
    "llvmlite",
    "networkx",
    "numba",
    "plotly",
    "sklearn",
    "tensorflow",
    "torch",
)


def imported_parts(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the part of the package of every import, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            module = node.module or ""
            names = (
                [f"{module}.{alias.name}" for alias in node.names]
                if module == "rbgp_graphs"
                else [module]
            )
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == "rbgp_graphs":
                yield node.lineno, rest.partition(".")[0]


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def wrong_imports(source: str, part: str, place: str) -> list[str]:
    """Return the imports of a module that lead upwards."""
    return [
        f"{place}:{line} imports {other or 'the whole package'}"
        for line, other in imported_parts(source)
        if RANK.get(other, len(LAYERS)) > RANK[part] or other == "testing" != part
    ]


MODULES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py" and path.stem[0] != "."
)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_go_downwards(path: Path) -> None:
    part = part_of(path)
    assert part in RANK, f"{part} has no place in the layers"
    assert wrong_imports(path.read_text(encoding="utf-8"), part, path.name) == []


def test_the_parts_of_one_layer_have_no_circle() -> None:
    uses: dict[str, set[str]] = {}
    for path in MODULES:
        part = part_of(path)
        found = {other for _, other in imported_parts(path.read_text(encoding="utf-8"))}
        uses.setdefault(part, set()).update(found - {part, ""})
    order = [*graphlib.TopologicalSorter(uses).static_order()]
    assert {"graph", "constructions", "products", "spectral", "selection"} <= {*order}


@pytest.mark.parametrize(
    "source",
    [
        "from rbgp_graphs.selection import design",
        "import rbgp_graphs.viz.patterns",
        "def f():\n    from rbgp_graphs import gpu",
        "if TYPE_CHECKING:\n    from rbgp_graphs.encoding.file import Loaded",
        "from rbgp_graphs import lps",
        "import rbgp_graphs",
        "from rbgp_graphs.testing.strategies import patterns",
    ],
)
def test_an_import_that_leads_upwards_would_be_seen(source: str) -> None:
    assert wrong_imports(source, "spectral", "planted.py") != []


def test_an_import_that_leads_downwards_is_accepted() -> None:
    source = "import numpy\nfrom rbgp_graphs.graph import BipartiteGraph\nimport rbgp_graphs.errors"
    assert wrong_imports(source, "spectral", "planted.py") == []
    with pytest.raises(AssertionError, match="relative"):
        wrong_imports("from .graph import BipartiteGraph", "spectral", "planted.py")


def loaded_after(statement: str) -> set[str]:
    """Return the top-level modules that a new interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(*(name.partition('.')[0] for name in sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return {*run.stdout.split()}


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = loaded_after("import rbgp_graphs")
    assert "rbgp_graphs" in loaded
    assert loaded.isdisjoint({*HEAVY, "scipy", "numpy"})


def test_using_every_public_name_loads_nothing_heavy() -> None:
    loaded = loaded_after("from rbgp_graphs import *")
    assert "scipy" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_every_public_name_is_there_and_no_other() -> None:
    assert {*rbgp_graphs.__all__} <= {*dir(rbgp_graphs)}
    for name in rbgp_graphs.__all__:
        assert getattr(rbgp_graphs, name).__name__.endswith(name)
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = rbgp_graphs.no_such_name  # type: ignore[attr-defined]


def test_a_heavy_import_would_be_seen() -> None:
    assert "networkx" in HEAVY
    assert not loaded_after("import rbgp_graphs, networkx").isdisjoint(HEAVY)
