"""The operators against dense products, and their gradients."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd.gradcheck import GradcheckError

from rbgp_graphs import BackendError, FormatError, complete, dumps
from rbgp_graphs.gpu import RBGP4Matrix, matmul
from rbgp_graphs.nn import operator
from rbgp_graphs.nn.dense_form import as_compact, as_dense
from rbgp_graphs.nn.operator import decode_pattern, encode_pattern, product, sampled
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import rbgp4_patterns
from tests.nn.small import normal, plain, twisted, values_of


def dense(pattern: RBGP4, values: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(RBGP4Matrix(pattern, values.numpy()).to_dense())


@settings(max_examples=20)
@given(rbgp4_patterns(max_side=3), st.booleans(), st.lists(st.integers(0, 3), max_size=2))
def test_the_product_is_that_with_the_dense_matrix(
    pattern: RBGP4, transposed: bool, batch: list[int]
) -> None:
    values, text = values_of(pattern), encode_pattern(pattern)
    matrix = dense(pattern, values)
    matrix = matrix.mT if transposed else matrix
    bias = normal(len(matrix))
    x = normal(*batch, matrix.shape[1])
    y = product(values, x, bias, text, transposed=transposed)
    torch.testing.assert_close(y, x @ matrix.mT + bias)
    columns = normal(*batch, matrix.shape[1], 3)
    y = product(values, columns, bias, text, transposed=transposed, features_last=False)
    torch.testing.assert_close(y, matrix @ columns + bias[:, None])
    assert y.is_contiguous()


@settings(max_examples=20)
@given(rbgp4_patterns(max_side=3))
def test_the_sampled_product_has_the_entries_of_the_dense_one(pattern: RBGP4) -> None:
    y, x = normal(2, 5, pattern.rows), normal(2, 5, pattern.cols, seed=2)
    full = torch.einsum("bni,bnj->ij", y, x)
    expected = full.gather(1, torch.from_numpy(pattern.columns().astype(np.int64)))
    text = encode_pattern(pattern)
    torch.testing.assert_close(sampled(y, x, text), expected)
    found = sampled(y.mT, x.mT, text, features_last=False)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("pattern", [plain(), twisted()], ids=["plain", "twisted"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("features_last", [False, True])
def test_first_and_second_derivatives_are_right(
    pattern: RBGP4, transposed: bool, features_last: bool
) -> None:
    text = encode_pattern(pattern)
    values = values_of(pattern).requires_grad_()
    inputs, outputs = pattern.shape if transposed else (pattern.cols, pattern.rows)
    x = normal(2, inputs) if features_last else normal(2, inputs, 2)
    bias = normal(outputs).requires_grad_()

    def forward(v: torch.Tensor, x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return product(v, x, b, text, transposed=transposed, features_last=features_last)

    leaves = (values, x.requires_grad_(), bias)
    assert torch.autograd.gradcheck(forward, leaves, fast_mode=True)
    assert torch.autograd.gradgradcheck(forward, leaves, fast_mode=True)


def test_the_derivatives_of_the_sampled_product_are_right() -> None:
    pattern = twisted()
    text = encode_pattern(pattern)
    leaves = (normal(3, pattern.rows).requires_grad_(), normal(3, pattern.cols).requires_grad_())
    assert torch.autograd.gradcheck(lambda y, x: sampled(y, x, text), leaves, fast_mode=True)


def test_a_wrong_gradient_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = operator.sampled
    monkeypatch.setattr(operator, "sampled", lambda *a, **k: 1.1 * right(*a, **k))
    pattern = plain()
    values = values_of(pattern).requires_grad_()
    with pytest.raises(GradcheckError):
        torch.autograd.gradcheck(
            lambda v: product(v, normal(2, pattern.cols), None, encode_pattern(pattern)), (values,)
        )


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("features_last", [False, True])
def test_the_operators_keep_the_contract_of_custom_operators(
    transposed: bool, features_last: bool
) -> None:
    pattern = plain()
    inputs, outputs = pattern.shape if transposed else (pattern.cols, pattern.rows)
    x = normal(3, inputs, dtype=torch.float32)
    x = x if features_last else x.mT.contiguous()
    arguments = (
        values_of(pattern, torch.float32).requires_grad_(),
        x.requires_grad_(),
        normal(outputs, dtype=torch.float32).requires_grad_(),
        encode_pattern(pattern),
        transposed,
        features_last,
    )
    # The compilers' own checks of the backward pass take seconds; test_linear compiles a layer.
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(operator._product, arguments, test_utils=checks)
    y = normal(*((3, pattern.rows) if features_last else (pattern.rows, 3)), dtype=torch.float32)
    x = normal(*((3, pattern.cols) if features_last else (pattern.cols, 3)), dtype=torch.float32)
    both = (y.requires_grad_(), x.requires_grad_(), encode_pattern(pattern), features_last)
    torch.library.opcheck(operator._sampled, both, test_utils=checks)


@pytest.mark.parametrize(
    ("dtype", "known"), [(torch.float16, True), (torch.bfloat16, True), (torch.bfloat16, False)]
)
def test_half_precision_is_accumulated_in_single_and_rounded_once(
    dtype: torch.dtype, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not known:
        # As without ml_dtypes.
        monkeypatch.setattr(operator, "_knows_bfloat16", lambda _: False)
    pattern = twisted()
    text = encode_pattern(pattern)
    values, x = values_of(pattern, dtype), normal(4, pattern.cols, dtype=dtype)
    y = product(values, x, None, text)
    exact = x.double() @ dense(pattern, values.double()).mT
    assert y.dtype == dtype
    torch.testing.assert_close(y, exact.to(dtype), rtol=torch.finfo(dtype).eps, atol=1e-3)
    gradient = sampled(y, x, text)
    assert gradient.dtype == dtype
    torch.testing.assert_close(
        gradient,
        sampled(y.double(), x.double(), text).to(dtype),
        rtol=torch.finfo(dtype).eps,
        atol=1e-2,
    )


@pytest.fixture
def _setting_is_put_back() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.usefixtures("_setting_is_put_back")
def test_float32_is_rounded_on_a_gpu_where_pytorch_rounds_its_own_products(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for setting, expected in (("highest", None), ("high", "tf32"), ("medium", "tf32")):
        torch.set_float32_matmul_precision(setting)
        assert operator._precision("cuda") == expected
        assert operator._precision("cpu") is None
    # Before 2.9 there is the old setting only, and later reading it is an error at times.
    old = types.SimpleNamespace(allow_tf32=True)
    monkeypatch.setattr(torch.backends.cuda, "matmul", old)
    assert operator._precision("cuda") == "tf32"
    old.allow_tf32 = False
    assert operator._precision("cuda") is None
    monkeypatch.setattr(torch.backends.cuda, "matmul", types.SimpleNamespace(fp32_precision="tf32"))
    assert operator._precision("cuda") == "tf32"


def test_the_setting_of_pytorch_reaches_all_three_products(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, str | None]] = []

    def spied(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, precision: Any, **options: Any) -> Any:
            seen.append((name, precision))
            return function(*arguments, precision=precision, **options)

        return call

    monkeypatch.setattr(operator, "_precision", lambda kind: {"cpu": "tf32"}[kind])
    monkeypatch.setattr(operator, "matmul", spied("matmul", matmul))
    own = spied("sampled", RBGP4Matrix.sampled_matmul)
    monkeypatch.setattr(RBGP4Matrix, "sampled_matmul", own)
    pattern = plain()
    values = values_of(pattern, torch.float32).requires_grad_()
    x = normal(3, pattern.cols, dtype=torch.float32).requires_grad_()
    y = product(values, x, None, encode_pattern(pattern))
    torch.autograd.grad(y.sum(), (values, x))
    assert seen[0] == ("matmul", "tf32")
    assert sorted(seen[1:]) == [("matmul", "tf32"), ("sampled", "tf32")]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_operands_share_their_memory(dtype: torch.dtype) -> None:
    tensor = normal(3, 8, dtype=dtype)[:, ::2]
    array = operator._as_operand(tensor, dtype)
    assert array.ctypes.data == tensor.data_ptr()
    assert array.dtype.name == str(dtype).removeprefix("torch.")
    np.testing.assert_array_equal(array.astype(np.float32), tensor.float().numpy())


def test_mixed_dtypes_are_promoted_as_pytorch_does() -> None:
    pattern = plain()
    text = encode_pattern(pattern)
    for left, right, expected in (
        (torch.bfloat16, torch.float16, torch.float32),
        (torch.bfloat16, torch.float32, torch.float32),
        (torch.float32, torch.float64, torch.float64),
    ):
        values = values_of(pattern, left).requires_grad_()
        y = product(values, normal(2, pattern.cols, dtype=right), None, text)
        assert y.dtype == expected
        torch.autograd.backward(y.sum())
        assert values.grad is not None
        assert values.grad.dtype == left


def test_operands_with_any_strides_are_read_where_they_lie() -> None:
    pattern = plain()
    text, values = encode_pattern(pattern), values_of(pattern)
    wide = normal(5, 2 * pattern.cols)
    matrix = dense(pattern, values)
    for x in (wide[:, ::2], wide[::2, : pattern.cols], wide[:1, : pattern.cols].expand(3, -1)):
        torch.testing.assert_close(product(values, x, None, text), x @ matrix.mT)


def test_a_device_without_a_backend_is_refused() -> None:
    class Elsewhere:
        """Looks like an array on a device of a kind that nobody has."""

        dtype, shape = np.dtype(np.float32), (16, 12)

        def __dlpack__(self, **_: object) -> object:
            raise AssertionError("it must not be read")

        def __dlpack_device__(self) -> tuple[int, int]:
            return (99, 0)

    with pytest.raises(BackendError, match="device"):
        RBGP4Matrix(plain(), Elsewhere())  # type: ignore[arg-type]


def test_the_text_of_a_pattern_gives_the_pattern_back() -> None:
    for pattern in (plain(), twisted()):
        text = encode_pattern(pattern)
        assert decode_pattern(text) == pattern
        assert decode_pattern(text) is decode_pattern(text)


def test_the_text_of_something_else_is_refused() -> None:
    import base64

    graph = base64.b64encode(dumps(complete(2, 2))).decode()
    with pytest.raises(FormatError, match="expected an RBGP4"):
        decode_pattern(graph)


@pytest.mark.parametrize("pattern", [plain(), twisted()], ids=["plain", "twisted"])
def test_the_dense_form_and_its_inverse_are_adjoint(pattern: RBGP4) -> None:
    text = encode_pattern(pattern)
    values = values_of(pattern).requires_grad_()
    matrix = normal(*pattern.shape).requires_grad_()
    torch.testing.assert_close(as_compact(as_dense(values, text), text), values)
    torch.testing.assert_close(
        (as_dense(values, text) * matrix).sum(), (values * as_compact(matrix, text)).sum()
    )
    for function, argument in ((as_dense, values), (as_compact, matrix)):
        torch.library.opcheck(
            getattr(torch.ops.rbgp_graphs, function.__name__).default, (argument, text)
        )
        assert torch.autograd.gradcheck(lambda x, f=function: f(x, text), argument, fast_mode=True)
        assert torch.autograd.gradgradcheck(
            lambda x, f=function: f(x, text) ** 2, argument, fast_mode=True
        )
