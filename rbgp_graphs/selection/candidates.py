"""The ways to split a layer into factors, and what each promises."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rbgp_graphs._validation import as_generator, is_prime
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection.catalogue import Catalogue
from rbgp_graphs.selection.cost_model import Ceilings, seconds_of_sizes
from rbgp_graphs.selection.explicit import explicit_member
from rbgp_graphs.selection.feasible import is_connectable
from rbgp_graphs.selection.ramanujan import ramanujan
from rbgp_graphs.selection.twist import twist as with_good_shifts
from rbgp_graphs.spectral.bounds import ramanujan_bound

#: Rows and columns of a tile that keep the activation tile and its tables in fast memory.
_TILE_ROWS, _TILE_COLS = (32, 256), (16, 128)
#: Larger row groups are not considered unless they are asked for.
_LARGEST_ROW_GROUP = 128
#: Random factors with more edges take too long to draw and to verify.
_LARGEST_RANDOM_FACTOR = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to split a layer into the factors of an RBGP4 pattern.

    Attributes
    ----------
    outer, inner : (int, int, int)
        Left side, right side and left degree of the outer and of the inner graph.
    repeat : int
        How often the rows of a tile are repeated.
    block : (int, int)
        The dense element block.
    twisted : bool
        Whether the outer edges shift the inner pattern.
    ratio : float
        A sigma2/sigma1 that the pattern keeps to: what the best known graphs for the factors
        have, and the Ramanujan bound of a factor that has to be searched, which is then below
        it. For a twisted pattern it is an estimate, since the shifts are drawn.
    seconds : float
        The time of a product that the cost model predicts.
    pareto : bool
        Whether no other candidate is at least as good in gap, time and bytes and better in one.
    """

    outer: tuple[int, int, int]
    inner: tuple[int, int, int]
    repeat: int
    block: tuple[int, int]
    twisted: bool
    ratio: float
    seconds: float = math.nan
    pareto: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the pattern."""
        return (
            self.outer[0] * self.repeat * self.inner[0] * self.block[0],
            self.outer[1] * self.inner[1] * self.block[1],
        )

    @property
    def row_group(self) -> int:
        """Number of rows that share one list of columns."""
        return self.repeat * self.block[0]

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Rows and columns of a tile."""
        return self.repeat * self.inner[0] * self.block[0], self.inner[1] * self.block[1]

    @property
    def tile_share(self) -> float:
        """Share of the tiles that are not empty."""
        return self.outer[2] / self.outer[1]

    @property
    def row_degree(self) -> int:
        """Nonzeros of a row."""
        return self.outer[2] * self.inner[2] * self.block[1]

    @property
    def col_degree(self) -> int:
        """Nonzeros of a column."""
        return self.row_degree * self.shape[0] // self.shape[1]

    @property
    def sparsity(self) -> float:
        """Share of zeros."""
        return 1 - self.row_degree / self.shape[1]

    @property
    def normalized_gap(self) -> float:
        """``(sigma1 - sigma2) / (sigma1 - bound)``, infinite where the bound is sigma1.

        As `rbgp_graphs.spectral.Verdict.normalized_gap`, from the promised ratio.
        """
        sigma1 = math.sqrt(self.row_degree * self.col_degree)
        room = sigma1 - ramanujan_bound(self.row_degree, self.col_degree)
        return sigma1 * (1 - self.ratio) / room if room > 0 else math.inf

    @property
    def index_bytes(self) -> int:
        """Bytes of the index tables, at four bytes an entry; as `RBGP4.index_bytes`."""
        entries = self._index_entries + (self.outer[0] * self.outer[2] if self.twisted else 0)
        return 4 * entries

    @property
    def _index_entries(self) -> int:
        factors = (self.outer, self.inner)
        return sum(left * degree for left, right, degree in factors if degree < right)

    @property
    def fits_tile(self) -> bool:
        """Whether a tile has 32 to 256 rows and 16 to 128 columns."""
        (low_rows, high_rows), (low_cols, high_cols) = _TILE_ROWS, _TILE_COLS
        rows, cols = self.tile_shape
        return low_rows <= rows <= high_rows and low_cols <= cols <= high_cols

    @property
    def speed_order(self) -> tuple[float, float, int, int]:
        """What fast candidates come first by: time, ratio, small tables, then large row groups."""
        return self.seconds, self.ratio, self.index_bytes, -self.row_group

    def timed(self, columns: int, dtype: str, ceilings: Ceilings) -> Candidate:
        """Return the candidate with the time that the cost model predicts."""
        seconds = seconds_of_sizes(
            outer=self.outer,
            tile=(self.inner[0], self.tile_shape[1], self.inner[2] * self.block[1]),
            row_group=self.row_group,
            columns=columns,
            dtype=dtype,
            ceilings=ceilings,
        )
        return replace(self, seconds=seconds)

    def build(self, *, rng: Any = 0) -> RBGP4:
        """Return the pattern, with connected Ramanujan (or complete) outer and inner graphs.

        Parameters
        ----------
        rng : int, numpy.random.Generator or None
            Source of randomness for factors that no explicit family provides, and for shifts.
        """
        generator = as_generator(rng)
        outer = ramanujan(*self.outer, rng=generator)
        inner = ramanujan(*self.inner, rng=generator)
        pattern = RBGP4(outer, (self.repeat, 1), inner, self.block)
        return with_good_shifts(pattern, rng=generator) if self.twisted else pattern

    def as_dict(self) -> dict[str, Any]:
        """Return all facts as a JSON-able dict; an infinite gap becomes None."""
        gap = self.normalized_gap
        return {
            "outer": list(self.outer),
            "inner": list(self.inner),
            "repeat": self.repeat,
            "block": list(self.block),
            "twisted": self.twisted,
            "row_group": self.row_group,
            "tile_shape": list(self.tile_shape),
            "tile_share": self.tile_share,
            "ratio": self.ratio,
            "normalized_gap": gap if math.isfinite(gap) else None,
            "seconds": self.seconds,
            "index_bytes": self.index_bytes,
            "pareto": self.pareto,
        }


def row_groups(rows: int, block: tuple[int, int]) -> tuple[int, ...]:
    """Return the row groups that a layer can have, up to 128, the largest first."""
    found = (d for d in divisors(rows) if d <= _LARGEST_ROW_GROUP and d % block[0] == 0)
    return tuple(found)[::-1]


def splits(
    rows: int, cols: int, degree: int, row_group: int, block: tuple[int, int], *, twist: bool
) -> Iterator[Candidate]:
    """Yield all splits of a layer into factors, given the row group and the block."""
    if row_group % block[0] or rows % row_group or cols % block[1] or degree % block[1]:
        return
    repeat = row_group // block[0]
    core_rows, core_cols = rows // row_group, cols // block[1]
    core_degree = degree // block[1]
    if core_rows * core_degree % core_cols:
        return
    for inner_rows in divisors(core_rows):
        for inner_cols in divisors(core_cols):
            for inner_degree in divisors(core_degree):
                inner = (inner_rows, inner_cols, inner_degree)
                outer = (
                    core_rows // inner_rows,
                    core_cols // inner_cols,
                    core_degree // inner_degree,
                )
                ratios = [_promised_ratio(*factor) for factor in (inner, outer)]
                if ratios[0] is not None and ratios[1] is not None:
                    inside = ratios[0] * (_promised_twist(*outer, inner_cols) if twist else 1.0)
                    ratio = max(inside, ratios[1])
                    yield Candidate(
                        outer=outer,
                        inner=inner,
                        repeat=repeat,
                        block=block,
                        twisted=twist,
                        ratio=ratio,
                    )


@functools.lru_cache(maxsize=1 << 16)
def _promised_ratio(left: int, right: int, degree: int) -> float | None:
    """Return a sigma2/sigma1 that `ramanujan` keeps to for a factor, None if it cannot."""
    if not is_connectable(left, right, degree):
        return None
    if degree == right:
        return 0.0
    right_degree = left * degree // right
    sigma1 = math.sqrt(degree * right_degree)
    if (degree, right_degree) == (2, 2):
        return math.cos(math.pi / left)
    record = Catalogue.shipped().record(left, right, degree)
    known = [
        found.sigma2
        for found in (explicit_member(left, right, degree), record)
        if found is not None
    ]
    if known:
        return min(known) / sigma1
    if left * degree > _LARGEST_RANDOM_FACTOR:
        return None
    # A searched or random graph keeps to the bound; by how much is known when it is made.
    return ramanujan_bound(degree, right_degree) / sigma1


@functools.lru_cache(maxsize=1 << 16)
def _promised_twist(left: int, right: int, degree: int, order: int) -> float:
    """Return the factor by which shifts of an outer graph shrink the inner sigma2/sigma1."""
    right_degree = left * degree // right
    # Shifts act like the signs of a random lift, and no norm is below that of one row or column.
    norm = max(ramanujan_bound(degree, right_degree), math.sqrt(max(degree, right_degree)))
    if degree == right and (is_prime(order) or order & (order - 1) == 0):
        # Quadratic shifts: the rows are rows of a character table.
        norm = min(norm, math.sqrt(order * -(-left // order) * -(-right // order)))
    return min(1.0, norm / math.sqrt(degree * right_degree))


@functools.lru_cache(maxsize=1 << 12)
def divisors(number: int) -> tuple[int, ...]:
    """Return the divisors of a number in ascending order."""
    small = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return (*small, *(number // d for d in reversed(small) if d * d != number))
