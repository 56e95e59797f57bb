"""The three products as PyTorch operators, with gradients, for eager and compiled code.

All three are linear in each argument, and the derivatives of each are the other two:

=================  ====================  ===========================
operator           result                derivatives
=================  ====================  ===========================
product            A X                   transposed, sampled
product (of A.T)   A.T Y                 product, sampled
sampled            (Y X.T) on the edges  product, transposed
=================  ====================  ===========================

so gradients of every order exist. The operators know the pattern by its text: the bytes of its
`.rbgp` file in base 64. A string is a constant for compilers and exporters.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
from typing import Any, Literal

import torch

from rbgp_graphs._validation import require
from rbgp_graphs.encoding import dumps, loads
from rbgp_graphs.errors import FormatError
from rbgp_graphs.gpu import RBGP4Matrix, matmul
from rbgp_graphs.gpu.operands import as_array
from rbgp_graphs.gpu.torch_tensors import stream_of
from rbgp_graphs.products import RBGP4


def encode_pattern(pattern: RBGP4) -> str:
    """Return the text by which the operators know a pattern."""
    return base64.b64encode(dumps(pattern)).decode("ascii")


@functools.lru_cache(maxsize=1024)
def decode_pattern(text: str) -> RBGP4:
    """Return the pattern of a text; the same text gives the same object."""
    pattern = loads(base64.b64decode(text, validate=True)).obj
    if not isinstance(pattern, RBGP4):
        raise FormatError(f"the text holds a {type(pattern).__name__}, expected an RBGP4 pattern")
    return pattern


def product(
    values: torch.Tensor,
    x: torch.Tensor,
    bias: torch.Tensor | None,
    pattern: str,
    *,
    transposed: bool = False,
    features_last: bool = True,
) -> torch.Tensor:
    """Multiply with a sparse matrix.

    Parameters
    ----------
    values : torch.Tensor, shape (rows, row_degree)
        The nonzeros, each row in ascending column order.
    x : torch.Tensor, shape (..., cols) or (..., cols, N)
        The operand; which of the two shapes is for `features_last` to say.
    bias : torch.Tensor, shape (rows,), or None
        Added to each vector of the result.
    pattern : str
        From `encode_pattern`.
    transposed : bool
        Multiply with the transposed matrix instead; rows and columns then change roles.
    features_last : bool
        Whether the vectors lie along the last axis of `x` and of the result.

    Returns
    -------
    torch.Tensor, shape (..., rows) or (..., rows, N)
        Contiguous.
    """
    result: torch.Tensor = _product(values, x, bias, pattern, transposed, features_last)
    return result


#: CuPy keeps what a recorded product uses, which the graphs of torch.compile do not allow.
_UNSAFE = getattr(torch.Tag, "cudagraph_unsafe", None)
_OPTIONS: dict[str, Any] = {} if _UNSAFE is None else {"tags": (_UNSAFE,)}


@torch.library.custom_op("rbgp_graphs::product", mutates_args=(), **_OPTIONS)
def _product(
    values: torch.Tensor,
    x: torch.Tensor,
    bias: torch.Tensor | None,
    pattern: str,
    transposed: bool,
    features_last: bool,
) -> torch.Tensor:
    result: torch.Tensor = _empty_product(values, x, bias, pattern, transposed, features_last)
    target = _target(result)
    operand, out = _as_operand(x, target.dtype), _as_operand(target, target.dtype)
    if features_last:
        operand, out = (a.reshape(-1, a.shape[-1]).T for a in (operand, out))
    offset = None if bias is None else _as_operand(bias, target.dtype)
    with stream_of(x):
        matrix = RBGP4Matrix(decode_pattern(pattern), _as_operand(values, target.dtype))
        own = matrix.T if transposed else matrix
        matmul(own, operand, out=out, bias=offset, precision=_precision(x.device.type))
    if target is not result:
        result.copy_(target)
    return result


@_product.register_fake
def _empty_product(
    values: torch.Tensor,
    x: torch.Tensor,
    bias: torch.Tensor | None,  # noqa: ARG001
    pattern: str,
    transposed: bool,
    features_last: bool,
) -> torch.Tensor:
    rows, cols = decode_pattern(pattern).shape
    length = cols if transposed else rows
    shape = (*x.shape[:-1], length) if features_last else (*x.shape[:-2], length, x.shape[-1])
    return x.new_empty(shape, dtype=torch.promote_types(values.dtype, x.dtype))


def sampled(
    y: torch.Tensor, x: torch.Tensor, pattern: str, *, features_last: bool = True
) -> torch.Tensor:
    """Multiply two dense matrices where a pattern has nonzeros.

    Parameters
    ----------
    y : torch.Tensor, shape (..., rows) or (..., rows, N)
        The left operand.
    x : torch.Tensor, shape (..., cols) or (..., cols, N)
        The right operand.
    pattern : str
        From `encode_pattern`.
    features_last : bool
        As in `product`.

    Returns
    -------
    torch.Tensor, shape (rows, row_degree)
        The sum over all vectors of ``y[i] * x[j]`` for each nonzero (i, j).
    """
    result: torch.Tensor = _sampled(y, x, pattern, features_last)
    return result


@torch.library.custom_op("rbgp_graphs::sampled", mutates_args=(), **_OPTIONS)
def _sampled(y: torch.Tensor, x: torch.Tensor, pattern: str, features_last: bool) -> torch.Tensor:
    result: torch.Tensor = _empty_sampled(y, x, pattern, features_last)
    decoded = decode_pattern(pattern)
    target = _target(result)
    left, right, out = (_as_operand(tensor, target.dtype) for tensor in (y, x, target))
    if features_last:
        left, right = (a.reshape(-1, a.shape[-1]).T for a in (left, right))
    # The values play no part in this product, but a matrix has some.
    unused = target.new_zeros(()).expand(target.shape)
    with stream_of(x):
        matrix = RBGP4Matrix(decoded, _as_operand(unused, target.dtype))
        matrix.sampled_matmul(left, right, out=out, precision=_precision(x.device.type))
    if target is not result:
        result.copy_(target)
    return result


@_sampled.register_fake
def _empty_sampled(
    y: torch.Tensor,
    x: torch.Tensor,
    pattern: str,
    features_last: bool,  # noqa: ARG001
) -> torch.Tensor:
    decoded = decode_pattern(pattern)
    dtype = torch.promote_types(y.dtype, x.dtype)
    return x.new_empty((decoded.rows, decoded.row_degree), dtype=dtype)


def _target(result: torch.Tensor) -> torch.Tensor:
    """Return what the product is written to: the result, or more precise numbers to round."""
    if result.dtype == torch.bfloat16 and not _knows_bfloat16(result.device.type):
        return torch.empty_like(result, dtype=torch.float32)
    return result


def _as_operand(tensor: torch.Tensor, total: torch.dtype) -> Any:
    """Return what the products take, sharing memory.

    bfloat16 is widened unless the result of the product, of dtype `total`, has it too.
    """
    widened = tensor.float() if tensor.dtype == torch.bfloat16 != total else tensor
    return as_array("operand", widened.detach())


@functools.cache
def _knows_bfloat16(kind: str) -> bool:
    """Return whether arrays on a kind of device can have the dtype bfloat16 of ml_dtypes."""
    if importlib.util.find_spec("ml_dtypes") is None:
        return False
    # CuPy has it since version 14.
    return kind == "cpu" or int(require("cupy", "gpu-cu13").__version__.partition(".")[0]) >= 14


def _precision(kind: str) -> Literal["tf32"] | None:
    """Return what float32 may be rounded to on a kind of device: what PyTorch's own products do."""
    if kind != "cuda":
        return None
    setting: Any = torch.backends.cuda.matmul
    # PyTorch 2.9 has a new setting, and refuses to read the old one once the new one is used.
    allowed = getattr(setting, "fp32_precision", None)
    is_allowed = setting.allow_tf32 if allowed is None else allowed == "tf32"
    return "tf32" if is_allowed else None


# Gradients ----------------------------------------------------------------------------------


def _keep_for_product(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG001
    values, x, bias, ctx.pattern, ctx.transposed, ctx.features_last = inputs
    ctx.save_for_backward(values, x)
    ctx.bias_dtype = None if bias is None else bias.dtype


def _product_backward(ctx: Any, dy: torch.Tensor) -> tuple[Any, ...]:
    values, x = ctx.saved_tensors
    layout = {"features_last": ctx.features_last}
    d_values = d_x = d_bias = None
    if ctx.needs_input_grad[0]:
        left, right = (x, dy) if ctx.transposed else (dy, x)
        d_values = sampled(left, right, ctx.pattern, **layout).to(values.dtype)
    if ctx.needs_input_grad[1]:
        d_x = product(values, dy, None, ctx.pattern, transposed=not ctx.transposed, **layout)
        d_x = d_x.to(x.dtype)
    if ctx.needs_input_grad[2]:
        d_bias = _sum_vectors(dy, ctx.features_last).to(ctx.bias_dtype)
    return d_values, d_x, d_bias, None, None, None


def _sum_vectors(dy: torch.Tensor, features_last: bool) -> torch.Tensor:
    if features_last:
        return dy.reshape(-1, dy.shape[-1]).sum(0)
    return dy.movedim(-2, 0).flatten(1).sum(1)


def _keep_for_sampled(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG001
    y, x, ctx.pattern, ctx.features_last = inputs
    ctx.save_for_backward(y, x)


def _sampled_backward(ctx: Any, d_values: torch.Tensor) -> tuple[Any, ...]:
    y, x = ctx.saved_tensors
    layout = {"features_last": ctx.features_last}
    d_y = d_x = None
    if ctx.needs_input_grad[0]:
        d_y = product(d_values, x, None, ctx.pattern, **layout).to(y.dtype)
    if ctx.needs_input_grad[1]:
        d_x = product(d_values, y, None, ctx.pattern, transposed=True, **layout).to(x.dtype)
    return d_y, d_x, None, None


_product.register_autograd(_product_backward, setup_context=_keep_for_product)
_sampled.register_autograd(_sampled_backward, setup_context=_keep_for_sampled)
