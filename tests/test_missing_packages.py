"""What works where only NumPy and SciPy are installed."""

from __future__ import annotations

import subprocess
import sys
import textwrap

_ABSENT = (
    "llvmlite",
    "numba",
    "flint",
    "networkx",
    "safetensors",
    "igraph",
    "plotly",
    "dash",
    "sklearn",
    "threadpoolctl",
)


def _run_without_packages(code: str) -> str:
    """Run code in a process where the packages cannot be imported, and return what it prints."""
    blocked = f"import sys\nfor name in {_ABSENT!r}:\n    sys.modules[name] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_graphs_patterns_files_proofs_and_products_need_no_other_package() -> None:
    printed = _run_without_packages(
        """
        import numpy as np
        import rbgp_graphs as rg
        from rbgp_graphs.constructions import biregular

        pattern = rg.design(256, 256, 0.75)
        assert pattern.sparsity == 0.75
        assert rg.verify(pattern.outer, level="proved").status == "proved"
        assert rg.loads(rg.dumps(pattern)).pattern == pattern
        matrix = rg.gpu.RBGP4Matrix(pattern, np.ones((pattern.rows, pattern.row_degree)))
        assert (matrix @ np.ones(256) == pattern.row_degree).all()
        interpreted = rg.random_biregular(32, 32, 4, rng=0)
        biregular._COMPILE_FROM = 0
        assert rg.random_biregular(32, 32, 4, rng=0) == interpreted
        print(rg.ramanujan(64, 64, 4).degrees)
        """
    )
    assert printed == "(4, 4)\n"


def test_what_a_missing_package_takes_away_says_how_to_install_it() -> None:
    printed = _run_without_packages(
        """
        import rbgp_graphs as rg

        graph = rg.complete(2, 3)
        for call in (
            lambda: rg.field_lift(4, 4),
            lambda: rg.viz.pattern(graph),
            lambda: rg.export.to_networkx(graph),
            lambda: rg.export.to_igraph(graph),
        ):
            try:
                call()
            except rg.MissingDependencyError as error:
                print(error)
        """
    )
    lines = printed.splitlines()
    assert len(lines) == 4
    assert all("which is not installed; run: pip install" in line for line in lines)
    assert '"rbgp-graphs[viz]"' in lines[1]
