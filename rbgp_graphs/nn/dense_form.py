"""Compact values as a dense matrix, and the way back, as PyTorch operators.

Both are linear, and each is the derivative of the other. They are operators of their own so that
compilers and exporters do not look into the pattern.
"""

from __future__ import annotations

import functools
from typing import Any

import torch

from rbgp_graphs.nn.operator import decode_pattern


def as_dense(values: torch.Tensor, pattern: str) -> torch.Tensor:
    """Return the matrix with some values on the nonzeros of a pattern.

    Parameters
    ----------
    values : torch.Tensor, shape (rows, row_degree)
        The nonzeros, each row in ascending column order.
    pattern : str
        From `rbgp_graphs.nn.operator.encode_pattern`.

    Returns
    -------
    torch.Tensor, shape (rows, cols)
        Zero outside the pattern.
    """
    result: torch.Tensor = _as_dense(values, pattern)
    return result


def as_compact(matrix: torch.Tensor, pattern: str) -> torch.Tensor:
    """Return the entries of a dense matrix at the nonzeros of a pattern.

    Parameters
    ----------
    matrix : torch.Tensor, shape (rows, cols)
        The entries elsewhere are dropped.
    pattern : str
        From `rbgp_graphs.nn.operator.encode_pattern`.

    Returns
    -------
    torch.Tensor, shape (rows, row_degree)
        Each row in ascending column order.
    """
    result: torch.Tensor = _as_compact(matrix, pattern)
    return result


@torch.library.custom_op("rbgp_graphs::as_dense", mutates_args=())
def _as_dense(values: torch.Tensor, pattern: str) -> torch.Tensor:
    zeros = values.new_zeros(decode_pattern(pattern).shape)
    return zeros.scatter_(1, _columns(pattern, values.device), values)


@_as_dense.register_fake
def _(values: torch.Tensor, pattern: str) -> torch.Tensor:
    return values.new_empty(decode_pattern(pattern).shape)


@torch.library.custom_op("rbgp_graphs::as_compact", mutates_args=())
def _as_compact(matrix: torch.Tensor, pattern: str) -> torch.Tensor:
    return matrix.gather(1, _columns(pattern, matrix.device))


@_as_compact.register_fake
def _(matrix: torch.Tensor, pattern: str) -> torch.Tensor:
    decoded = decode_pattern(pattern)
    return matrix.new_empty((decoded.rows, decoded.row_degree))


@functools.lru_cache(maxsize=64)
def _columns(pattern: str, device: torch.device) -> torch.Tensor:
    # Only operators call this, and they see real tensors even where a model is traced.
    decoded = decode_pattern(pattern)
    columns = decoded.columns(max_bytes=8 * decoded.nnz).astype("int64")
    return torch.from_numpy(columns).to(device)


def _keep_pattern(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG001
    _, ctx.pattern = inputs


_as_dense.register_autograd(
    lambda ctx, gradient: (as_compact(gradient, ctx.pattern), None), setup_context=_keep_pattern
)
_as_compact.register_autograd(
    lambda ctx, gradient: (as_dense(gradient, ctx.pattern), None), setup_context=_keep_pattern
)
