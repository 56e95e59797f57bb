"""The product of an RBGP4 matrix in Triton: one program for a tile of a group's rows.

This is how the pattern is served without kernels of its own: the rows of a group are a dense
block on the columns that they share, and each program gathers rows of X with a list of them.
"""

from __future__ import annotations

import importlib
from typing import Any

triton: Any = importlib.import_module("triton")
tl: Any = importlib.import_module("triton.language")

#: BN, BK, warps, stages.
CONFIGURATIONS = (
    (64, 32, 4, 3),
    (64, 64, 4, 4),
    (128, 32, 4, 3),
    (128, 64, 8, 3),
    (256, 32, 8, 3),
    (256, 64, 8, 3),
)


@triton.jit  # type: ignore[untyped-decorator]
def _group_product(  # type: ignore[no-untyped-def]
    values,
    columns,
    order,
    X,
    Y,
    N,
    G,
    D,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    group = tl.program_id(1)
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    row = tl.program_id(2) * BM + tl.arange(0, BM)
    own = (group * G + row).to(tl.int64)
    sums = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, D, BK):
        at = k + tl.arange(0, BK)
        column = tl.load(columns + group * D + at, mask=at < D, other=0)
        w = tl.load(
            values + own[:, None] * D + at[None, :],
            mask=(row < G)[:, None] & (at < D)[None, :],
            other=0.0,
        )
        x = tl.load(
            X + column[:, None] * N + n[None, :],
            mask=(at < D)[:, None] & (n < N)[None, :],
            other=0.0,
        )
        sums = tl.dot(w, x, sums, input_precision=PRECISION)
    target = tl.load(order + own, mask=row < G, other=0)
    tl.store(
        Y + target[:, None] * N + n[None, :],
        sums.to(Y.dtype.element_ty),
        mask=(row < G)[:, None] & (n < N)[None, :],
    )


def product(
    weights: Any,
    columns: Any,
    order: Any,
    X: Any,
    Y: Any,
    precision: str,
    configuration: tuple[int, ...],
) -> Any:
    """Write the product to Y and return it.

    Parameters
    ----------
    weights : tensor, shape (groups, G, D)
        The values, by groups.
    columns : tensor of int64, shape (groups, D)
        The columns of each group.
    order : tensor of int64, shape (groups * G,)
        The row of the result that each row of `weights` stands for.
    X, Y : tensor, shape (cols, N) and (rows, N)
        Operand and result, contiguous.
    precision : {"ieee", "tf32"}
        How float32 is multiplied.
    configuration : (int, int, int, int)
        One of `CONFIGURATIONS`.
    """
    groups, rows, degree = weights.shape
    width, depth, warps, stages = configuration
    # tl.dot needs 16 rows at least; more than 128 would not fit into registers.
    height = min(128, max(16, triton.next_power_of_2(rows)))
    n = X.shape[1]
    grid = (triton.cdiv(n, width), groups, triton.cdiv(rows, height))
    _group_product[grid](
        weights,
        columns,
        order,
        X,
        Y,
        n,
        rows,
        degree,
        BM=height,
        BN=width,
        BK=depth,
        PRECISION=precision,
        num_warps=warps,
        num_stages=stages,
    )
    return Y


_fastest: dict[tuple[Any, ...], tuple[int, ...]] = {}


def fastest_configuration(*arguments: Any) -> tuple[int, ...]:
    """Return the configuration that takes the least time; one that does not fit is left out.

    The arguments are those of `product` without the last. A shape is tried once in a process.
    """
    weights, X, precision = arguments[0], arguments[3], arguments[5]
    key = (weights.shape, X.shape, weights.dtype, precision)
    if key not in _fastest:
        _fastest[key] = _try_all(*arguments)
    return _fastest[key]


def _try_all(*arguments: Any) -> tuple[int, ...]:
    call: Any = product
    times, reason = {}, None
    for configuration in CONFIGURATIONS:
        try:
            times[configuration] = triton.testing.do_bench(
                lambda chosen=configuration: call(*arguments, chosen), return_mode="median"
            )
        # Too little shared memory, or a mistake of the compiler: each version has its own errors.
        except Exception as error:
            reason = error
    if not times:
        raise RuntimeError("no configuration of the Triton kernel runs here") from reason
    return min(times, key=lambda one: times[one])
