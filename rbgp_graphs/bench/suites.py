"""What is measured: cases in named suites, each in a full and in a quick form."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from rbgp_graphs._machine import usable_cores
from rbgp_graphs._validation import require
from rbgp_graphs.bench.comparison import Comparison, compare
from rbgp_graphs.bench.layers import compare_layers
from rbgp_graphs.bench.peers import CPU_PEERS
from rbgp_graphs.bench.problem import Product, random_matrix
from rbgp_graphs.errors import ArgumentError, InfeasibleError
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection import design, design_space
from rbgp_graphs.selection.design import Objective

#: What `cases` can set.
DTYPES = ("float16", "bfloat16", "float32", "float64")
#: Peers for suites about something else than the peers.
_MAIN_PEERS = ("numpy dense", "torch dense", "scipy CSR", "torch CSR", "MKL CSR")
#: The largest dense product in float16, in multiplications.
_MOST_DENSE_FLOAT16 = 1 << 27
_WITHOUT_SCIPY_BSR = tuple(p.name for p in CPU_PEERS if not p.name.startswith("scipy BSR"))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A product of one pattern, to be measured.

    Attributes
    ----------
    suite : str
        Which suite it belongs to.
    size : int
        Rows and columns of the matrix.
    sparsity : float
        Share of zeros.
    row_group : int
        Rows that share a column list; with `objective` a wish that is not asked for.
    columns : int
        Columns of the operand.
    dtype : str
        Of all arrays.
    product : {"forward", "transposed", "sampled", "layers"}
        What is computed; "layers" is a network.
    layers : int
        How many layers a network has.
    threads : int, optional
        Threads; by default what the libraries choose.
    peers : tuple of str, optional
        What to compare with; all by default.
    tile : (int, int), optional
        Rows and columns of a tile; by default what `rbgp_graphs.design` takes.
    tile_share : float
        With `tile`: the share of the tiles that are not empty.
    objective : str, optional
        Take the pattern that `rbgp_graphs.design` chooses on this machine with this objective,
        whatever its row group and tiles are.
    """

    suite: str
    size: int = 4096
    sparsity: float = 0.9375
    row_group: int = 64
    columns: int = 256
    dtype: str = "float32"
    product: Product | Literal["layers"] = "forward"
    layers: int = 1
    threads: int | None = None
    peers: tuple[str, ...] | None = None
    tile: tuple[int, int] | None = None
    tile_share: float = 1.0
    objective: Objective | None = None

    @property
    def pattern(self) -> RBGP4:
        """The pattern: that of `rbgp_graphs.design` with this row group, or with the tile."""
        if self.objective is not None:
            return _chosen(self.size, self.sparsity, self.objective)
        return _pattern(self.size, self.sparsity, self.row_group, self.tile, self.tile_share)

    def __str__(self) -> str:
        return (
            f"{self.suite}: {self.size} x {self.size}, {100 * self.sparsity:g} %, "
            f"{self.objective or f'group {self.row_group}'}, N = {self.columns}, {self.dtype}, "
            f"{self.product}"
        )

    def measure(self, *, rounds: int, backend: str = "auto") -> Comparison:
        """Measure all peers of the case."""
        if self.product == "layers":
            return compare_layers(
                self.pattern, self.layers, self.columns, backend=backend, rounds=rounds
            )
        return compare(
            random_matrix(self.pattern, self.dtype),
            self.columns,
            product=self.product,
            backend=backend,
            peers=[p for p in CPU_PEERS if self.peers is None or p.name in self.peers],
            rounds=rounds,
            threads=self.threads,
        )

    def facts(self) -> dict[str, Any]:
        """Return what the case is, as a JSON-able dict."""
        pattern = self.pattern
        return {
            "suite": self.suite,
            "rows": pattern.rows,
            "cols": pattern.cols,
            "sparsity": pattern.sparsity,
            "row_group": pattern.row_group,
            "tile": list(pattern.tile_shape),
            "tiles_present": pattern.outer.num_edges / (pattern.outer.left * pattern.outer.right),
            "nnz": pattern.nnz,
            "index_bytes": pattern.index_bytes,
            "columns": self.columns,
            "dtype": self.dtype,
            "product": self.product,
            "objective": self.objective,
            "layers": self.layers,
        }


@functools.lru_cache(maxsize=4)
def _pattern(
    size: int, sparsity: float, row_group: int, tile: tuple[int, int] | None, share: float
) -> RBGP4:
    if tile is None:
        return design(size, size, sparsity, row_group=row_group)
    found = design_space(size, size, sparsity, row_groups=[row_group], device="default")
    wanted = [c for c in found if c.tile_shape == tile and c.tile_share == share]
    if not wanted:
        raise InfeasibleError(f"no pattern has tiles of {tile} with a share of {share:g}")
    return wanted[0].build()


@functools.lru_cache(maxsize=4)
def _chosen(size: int, sparsity: float, objective: Objective) -> RBGP4:
    return design(size, size, sparsity, objective=objective)


def _sparsity(quick: bool) -> Iterator[Case]:
    for row_group in (4, 32 if quick else 64):
        for sparsity in (0.5, 0.875) if quick else (0.5, 0.75, 0.875, 0.9375, 0.96875):
            yield Case(
                suite="sparsity",
                size=1024 if quick else 4096,
                sparsity=sparsity,
                row_group=row_group,
                # SciPy's BSR takes seconds there.
                peers=_WITHOUT_SCIPY_BSR if sparsity < 0.8 else None,
            )


def _size(quick: bool) -> Iterator[Case]:
    for row_group in (4, 64):
        for size in (512, 1024) if quick else (512, 1024, 2048, 4096, 8192, 16384):
            # More rows than half the nonzeros of a column would leave no connected factors.
            group = min(row_group, size // 32)
            yield Case(suite="size", size=size, row_group=group, peers=_MAIN_PEERS)


def _columns(quick: bool) -> Iterator[Case]:
    size = 2048 if quick else 4096
    for columns in (1, 32, 256) if quick else (1, 8, 16, 32, 64, 128, 256, 1024, 4096):
        yield Case(suite="columns", size=size, columns=columns, peers=_MAIN_PEERS)


def _row_group(quick: bool) -> Iterator[Case]:
    size = 2048 if quick else 4096
    for row_group in (1, 8, 64) if quick else (1, 2, 4, 8, 16, 32, 64, 128):
        yield Case(suite="row_group", size=size, row_group=row_group, peers=_MAIN_PEERS)


def _tiles(quick: bool) -> Iterator[Case]:
    small = [(32, 32, 1 / 8), (64, 64, 1 / 4), (128, 128, 1 / 2), (256, 256, 1.0)]
    large = [(64, 256, 1 / 4), (256, 64, 1 / 4), (512, 512, 1 / 2)]
    for rows, cols, share in small if quick else small + large:
        yield Case(
            suite="tiles",
            size=1024 if quick else 4096,
            row_group=8,
            tile=(rows, cols),
            tile_share=share,
            peers=(),
        )


def _objectives(quick: bool) -> Iterator[Case]:
    for size in (1024,) if quick else (1024, 2048, 4096):
        for sparsity in (0.9375,) if quick else (0.75, 0.9375):
            for objective in get_args(Objective):
                yield Case(
                    suite="objectives",
                    size=size,
                    sparsity=sparsity,
                    objective=objective,
                    peers=(),
                )


def _dtype(quick: bool) -> Iterator[Case]:
    for dtype in DTYPES:
        if dtype == "bfloat16" and importlib.util.find_spec("ml_dtypes") is None:
            continue
        case = Case(
            suite="dtype",
            dtype=dtype,
            size=512 if quick else 4096,
            row_group=16,
            peers=_MAIN_PEERS,
        )
        if dtype == "float16" and not quick:
            yield replace(case, size=1024)
        yield _without_slow_peers(case)


def _without_slow_peers(case: Case) -> Case:
    """Leave out dense products in float16 that take seconds on a processor."""
    if case.dtype != "float16" or case.size**2 * case.columns <= _MOST_DENSE_FLOAT16:
        return case
    names = [peer.name for peer in CPU_PEERS if peer.kind != "dense"]
    return replace(case, peers=tuple(n for n in names if case.peers is None or n in case.peers))


def _threads(quick: bool) -> Iterator[Case]:
    size = 2048 if quick else 4096
    for threads in sorted({1, usable_cores()}):
        yield Case(suite="threads", size=size, threads=threads, peers=_MAIN_PEERS)


def _training(quick: bool) -> Iterator[Case]:
    for row_group in (4, 32 if quick else 64):
        for product in ("forward", "transposed", "sampled"):
            yield Case(
                suite="training",
                size=1024 if quick else 4096,
                row_group=row_group,
                product=product,
                peers=_MAIN_PEERS,
            )


def _layers(quick: bool) -> Iterator[Case]:
    size = 1024 if quick else 2048
    for batch in (1, 32, 256) if quick else (1, 32, 256, 1024):
        yield Case(
            suite="layers", size=size, row_group=32, columns=batch, product="layers", layers=6
        )


#: Name, cases, and what it shows.
SUITES: dict[str, tuple[Callable[[bool], Iterator[Case]], str]] = {
    "sparsity": (_sparsity, "all peers against the share of zeros, fine and coarse"),
    "size": (_size, "from 512 x 512 to 16384 x 16384"),
    "columns": (_columns, "columns of the dense operand, from a vector to 4096"),
    "row_group": (_row_group, "rows that share a column list, from 1 to 128"),
    "tiles": (_tiles, "tiles of different sizes at the same row group, this package alone"),
    "objectives": (_objectives, "what design chooses for each objective, this package alone"),
    "dtype": (_dtype, "both half precisions, single and double precision"),
    "threads": (_threads, "one thread, and all cores"),
    "layers": (_layers, "a network of six layers, next to a dense one"),
    "training": (_training, "forward, backward to the input, gradient of the values"),
}


def cases(
    names: tuple[str, ...] = (), *, quick: bool = False, dtype: str | None = None
) -> list[Case]:
    """Return the cases of some suites, or of all.

    Parameters
    ----------
    names : tuple of str
        Names in `SUITES`; all if empty.
    quick : bool
        Small matrices and few cases.
    dtype : {"float16", "bfloat16", "float32", "float64"}, optional
        Of all arrays, in place of those that the suites choose. Dense products in float16 that
        take seconds are left out then, and networks, which are measured in float32 only.

    Raises
    ------
    ArgumentError
        If a suite or the dtype is not known, or there is no case with this dtype.
    MissingDependencyError
        If bfloat16 is asked for and ml_dtypes, which defines it for NumPy, is not installed.

    Examples
    --------
    >>> [case.threads for case in cases(("threads",))][0]
    1
    """
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        raise ArgumentError(f"there is no suite {unknown[0]!r}, only {', '.join(SUITES)}")
    found = [case for name in names or SUITES for case in SUITES[name][0](quick)]
    if dtype is None:
        return found
    if dtype not in DTYPES:
        raise ArgumentError(f"dtype is {dtype!r}, expected one of {', '.join(DTYPES)}")
    if dtype == "bfloat16":
        require("ml_dtypes", "bench")
    chosen = [_with_dtype(case, dtype) for case in found]
    of_dtype = [case for case in chosen if case.dtype == dtype]
    if not of_dtype:
        raise ArgumentError(f"the suites {', '.join(names)} have no case in {dtype}")
    return of_dtype


def _with_dtype(case: Case, dtype: str) -> Case:
    """Return a case with another dtype, unless its dtype is fixed."""
    if case.suite == "dtype" or case.product == "layers":
        return case
    return _without_slow_peers(replace(case, dtype=dtype))
