"""The convolution against PyTorch's."""

from __future__ import annotations

import io
from typing import Any, get_args

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from rbgp_graphs import ArgumentError, ArgumentTypeError, complete
from rbgp_graphs.nn import RBGP4Conv2d
from rbgp_graphs.nn.conv2d import PaddingMode, Via
from rbgp_graphs.products import RBGP4
from tests.nn.small import normal, plain


def dense_result(layer: RBGP4Conv2d, x: torch.Tensor) -> torch.Tensor:
    kernel = layer.to_dense().view(layer.out_channels, layer.in_channels, *layer.kernel_size)
    return functional.conv2d(x, kernel, layer.bias, layer.stride, layer.padding, layer.dilation)


def small_layer(via: Via = "unfold", **options: Any) -> RBGP4Conv2d:
    """Return a layer from 3 to 16 channels with a kernel of 2 x 2."""
    torch.manual_seed(0)
    return RBGP4Conv2d(3, 16, (2, 2), plain(), via=via, dtype=torch.float64, **options)


two = st.tuples(st.integers(0, 2), st.integers(0, 2))


@settings(max_examples=20)
@given(two, two, two, st.sampled_from([(2, 2), (1, 4), (4, 1)]), st.booleans())
def test_both_ways_compute_what_the_dense_convolution_computes(
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    kernel: tuple[int, int],
    bias: bool,
) -> None:
    places: dict[str, Any] = {
        "stride": tuple(s + 1 for s in stride),
        "padding": padding,
        "dilation": tuple(d + 1 for d in dilation),
        "bias": bias,
    }
    x = normal(2, 3, 9, 8)
    layers = []
    for via in ("unfold", "dense"):
        torch.manual_seed(0)
        layers.append(RBGP4Conv2d(3, 16, kernel, plain(), via=via, dtype=torch.float64, **places))
    reach = [d * (k - 1) + 1 for d, k in zip(places["dilation"], kernel, strict=True)]
    assume(reach[0] <= 9 + 2 * padding[0] and reach[1] <= 8 + 2 * padding[1])
    for layer in layers:
        torch.testing.assert_close(layer(x), dense_result(layer, x))


# PyTorch's own layer copies its input for even kernels, and says so.
@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@settings(max_examples=20)
@given(
    st.one_of(st.sampled_from(["same", "valid"]), two),
    st.sampled_from(get_args(PaddingMode)),
    two,
    st.sampled_from([(2, 2), (1, 4), (4, 1)]),
    st.sampled_from(get_args(Via)),
)
def test_every_padding_of_pytorch_is_taken_over(
    padding: Any, mode: Any, dilation: tuple[int, int], kernel: tuple[int, int], via: Via
) -> None:
    places: dict[str, Any] = {"padding": padding, "padding_mode": mode}
    places["dilation"] = tuple(d + 1 for d in dilation)
    dense = torch.nn.Conv2d(3, 16, kernel, dtype=torch.float64, **places)
    layer = RBGP4Conv2d.from_dense(dense, plain(), via)
    assert layer.padding == dense.padding
    with torch.no_grad():
        dense.weight.copy_(layer.to_dense().view_as(dense.weight))
    x = normal(2, 3, 10, 11)
    torch.testing.assert_close(layer(x), dense(x))


@pytest.mark.parametrize("via", ["unfold", "dense"])
def test_the_shape_is_known_without_a_computation(via: Via) -> None:
    layer = RBGP4Conv2d(3, 16, 2, plain(), via=via, padding="same", device="meta")
    assert layer(torch.empty(5, 3, 6, 7, device="meta")).shape == (5, 16, 6, 7)


@pytest.mark.parametrize("via", ["unfold", "dense"])
def test_gradients_are_right(via: Via) -> None:
    layer = small_layer(via, padding=1)
    x = normal(2, 3, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, *_: layer(x), (x, *layer.parameters()), fast_mode=True
    )


def test_a_pointwise_convolution_needs_no_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = RBGP4Conv2d(12, 16, 1, plain(), dtype=torch.float64)
    x = normal(2, 12, 3, 3)
    expected = dense_result(layer, x)
    monkeypatch.setattr(functional, "unfold", None)
    torch.testing.assert_close(layer(x), expected)


def test_an_image_without_a_batch_is_accepted() -> None:
    layer = small_layer()
    x = normal(3, 4, 5)
    torch.testing.assert_close(layer(x), layer(x[None])[0])


def test_it_exports_and_its_state_loads_without_pickle() -> None:
    layer = small_layer()
    x = normal(2, 3, 4, 4)
    exported = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(exported(x), layer(x), rtol=0, atol=0)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = RBGP4Conv2d(3, 16, (2, 2), plain(), dtype=torch.float64)
    other.load_state_dict(torch.load(file, weights_only=True))
    torch.testing.assert_close(other(x), layer(x), rtol=0, atol=0)


def test_a_dense_convolution_is_taken_over_at_the_nonzeros() -> None:
    dense = torch.nn.Conv2d(3, 16, 2, stride=2, padding=1).double()
    layer = RBGP4Conv2d.from_dense(dense, plain(), "dense")
    mask = torch.from_numpy(plain().mask()).view(dense.weight.shape)
    with torch.no_grad():
        dense.weight *= mask
    x = normal(2, 3, 5, 5)
    torch.testing.assert_close(layer(x), dense(x))
    assert layer.via == "dense"
    assert "stride=(2, 2), padding=(1, 1)" in repr(layer)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: small_layer("im2col"), ArgumentError, "via is 'im2col'"),  # type: ignore[arg-type]
        (lambda: small_layer(stride=0), ArgumentError, "stride is 0"),
        (lambda: small_layer(padding=(1, 2, 3)), ArgumentError, "one integer or two"),
        (lambda: RBGP4Conv2d(5, 16, 2, plain()), ArgumentError, r"expected \(16, 20\)"),
        (
            lambda: RBGP4Conv2d.from_dense(torch.nn.Conv2d(6, 16, 2, groups=2), plain()),
            ArgumentError,
            "2 groups",
        ),
        (lambda: small_layer(padding="full"), ArgumentError, "'valid' or 'same'"),
        (lambda: small_layer(padding="same", stride=2), ArgumentError, r"with stride \(2, 2\)"),
        (lambda: small_layer(padding_mode="mirror"), ArgumentError, "padding_mode is 'mirror'"),
        (
            lambda: RBGP4Conv2d(3, 16, 2, sparsity=0.5, groups=2),
            ArgumentTypeError,
            "no argument 'groups'",
        ),
        (
            lambda: small_layer(padding=5, padding_mode="reflect")(normal(2, 3, 5, 5)),
            ArgumentError,
            "too small for padding",
        ),
        (
            lambda: small_layer(padding=6, padding_mode="circular")(normal(2, 3, 5, 5)),
            ArgumentError,
            "too small for padding",
        ),
        (
            lambda: RBGP4Conv2d.from_dense(torch.nn.Linear(1, 1), plain()),  # type: ignore[arg-type]
            ArgumentTypeError,
            "Linear",
        ),
        (lambda: small_layer()(normal(2, 4, 5, 5)), ArgumentError, r"expected \(batch, 3"),
        (lambda: small_layer()(normal(2, 3, 1, 5)), ArgumentError, "too small"),
        (lambda: small_layer()(torch.ones(2, 3, 5, 5)), ArgumentTypeError, "float32"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize("via", ["unfold", "dense"])
def test_a_layer_works_after_its_export(via: Any) -> None:
    # A pattern that no other test uses: nothing of the tracing may be remembered.
    layer = RBGP4Conv2d(8, 16, 3, sparsity=0.5, via=via, rng=77)
    x = normal(1, 8, 4, 4, dtype=torch.float32)
    program = torch.export.export(layer, (x,))
    y = layer(x)
    assert type(y) is torch.Tensor
    torch.testing.assert_close(program.module()(x), y)


def test_a_full_pattern_is_the_plain_convolution() -> None:
    full = RBGP4(complete(1, 1), (4, 1), complete(1, 3), (1, 9))
    torch.manual_seed(0)
    layer = RBGP4Conv2d(3, 4, 3, full, padding=1, dtype=torch.float64)
    x = normal(1, 3, 4, 4)
    weight = layer.values.view(4, 3, 3, 3)
    torch.testing.assert_close(layer(x), functional.conv2d(x, weight, layer.bias, padding=1))
