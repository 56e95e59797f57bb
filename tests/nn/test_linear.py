"""The linear layer: against PyTorch's, in training, in files, compiled and exported."""

from __future__ import annotations

import contextlib
import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from rbgp_graphs import ArgumentError, ArgumentTypeError, FormatError, InfeasibleError, design
from rbgp_graphs.export import apply_mask
from rbgp_graphs.nn import RBGP4Linear
from rbgp_graphs.products import RBGP4
from tests.nn.small import normal, plain, twisted


def layer_of(pattern: RBGP4, dtype: torch.dtype = torch.float32, seed: int = 0) -> RBGP4Linear:
    torch.manual_seed(seed)
    return RBGP4Linear(pattern.cols, pattern.rows, pattern, dtype=dtype)


def masked_twin(layer: RBGP4Linear) -> torch.nn.Module:
    """Return PyTorch's dense layer with the same weights and the same mask."""
    twin = torch.nn.Linear(layer.in_features, layer.out_features, dtype=layer.values.dtype)
    with torch.no_grad():
        twin.weight.copy_(layer.to_dense())
        assert layer.bias is not None
        twin.bias.copy_(layer.bias)
    masked: torch.nn.Module = apply_mask(twin, layer.pattern)
    return masked


@pytest.mark.parametrize("pattern", [plain(), twisted()], ids=["plain", "twisted"])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 3)], ids=str)
def test_it_computes_what_the_dense_layer_computes(pattern: RBGP4, shape: tuple[int, ...]) -> None:
    layer = layer_of(pattern, torch.float64)
    x = normal(*shape, pattern.cols)
    torch.testing.assert_close(layer(x), functional.linear(x, layer.to_dense(), layer.bias))


def test_gradients_are_right() -> None:
    layer = layer_of(twisted(), torch.float64)
    x = normal(3, layer.in_features).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, *_: layer(x), (x, *layer.parameters()), fast_mode=True
    )


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_training_follows_the_masked_dense_network_step_by_step(momentum: float) -> None:
    pattern = design(64, 64, 0.875)
    sparse = torch.nn.Sequential(
        torch.nn.Linear(8, 64), torch.nn.ReLU(), layer_of(pattern), torch.nn.Linear(64, 4)
    ).double()
    twin = copy.deepcopy(sparse)
    twin[2] = masked_twin(sparse[2])  # type: ignore[arg-type]
    x, labels = normal(32, 8), torch.arange(32) % 4
    curves: list[list[float]] = []
    for model in (sparse, twin):
        options: dict[str, Any] = {"lr": 0.3, "momentum": momentum, "nesterov": momentum > 0}
        optimizer = torch.optim.SGD(model.parameters(), weight_decay=1e-4, **options)
        losses = []
        for _ in range(40):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x), labels)
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
    assert curves[0][-1] < 0.5 * curves[0][0]
    assert curves[0] == pytest.approx(curves[1], rel=1e-9)


def test_the_state_of_the_optimizer_is_as_compact_as_the_values() -> None:
    layer = RBGP4Linear(256, 256, sparsity=0.9375)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(2, 256)).sum().backward()
    optimizer.step()
    moments = optimizer.state[layer.values]["exp_avg"]
    assert moments.shape == layer.values.shape == (256, 16)


def test_initial_outputs_have_the_spread_of_a_dense_layer_of_that_fan_in() -> None:
    torch.manual_seed(0)
    layer = RBGP4Linear(1024, 1024, sparsity=0.9375)
    dense = torch.nn.Linear(64, 1024)
    assert layer.values.abs().max() <= 1 / 64**0.5
    assert layer.values.std().item() == pytest.approx(dense.weight.std().item(), rel=0.02)
    x = torch.randn(64, 1024)
    assert layer(x).std().item() == pytest.approx(dense(x[:, :64]).std().item(), rel=0.05)


# Files --------------------------------------------------------------------------------------


def saved(state: Any) -> Any:
    """Return a state after a way through a file that admits no pickled objects."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_a_state_dict_brings_values_and_pattern() -> None:
    first = RBGP4Linear(64, 64, sparsity=0.75, rng=1, row_group=1, block=(1, 1), objective="gap")
    other = RBGP4Linear(64, 64, twin_pattern(), bias=True)
    assert other.pattern != first.pattern
    other.load_state_dict(saved(first.state_dict()))
    assert other.pattern == first.pattern
    x = normal(3, 64, dtype=torch.float32)
    torch.testing.assert_close(other(x), first(x), rtol=0, atol=0)


def twin_pattern() -> RBGP4:
    return design(64, 64, 0.75, row_group=4)


@pytest.mark.parametrize("damage", ["shape", "flip", "kind", "graph"])
def test_a_state_that_does_not_fit_is_refused(damage: str) -> None:
    layer, state = layer_of(plain()), layer_of(plain()).state_dict()
    text = state["_extra_state"]
    if damage == "shape":
        state["_extra_state"] = layer_of(twisted()).state_dict()["_extra_state"]
    elif damage == "flip":
        text[len(text) // 2] ^= 4
    elif damage == "kind":
        state["_extra_state"] = text.float()
    else:
        from rbgp_graphs import complete, dumps

        state["_extra_state"] = torch.frombuffer(
            bytearray(dumps(complete(2, 2))), dtype=torch.uint8
        )
    before = layer.pattern
    with pytest.raises(FormatError):
        layer.load_state_dict(state)
    assert layer.pattern == before


def test_copies_are_independent_and_pickle_works() -> None:
    layer = layer_of(twisted())
    x = normal(2, layer.in_features, dtype=torch.float32)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(twin(x), layer(x), rtol=0, atol=0)
        with torch.no_grad():
            twin.values.zero_()
        assert layer.values.abs().sum() > 0


# Compilers ----------------------------------------------------------------------------------


def test_it_compiles_in_one_graph_with_the_same_result_and_gradient() -> None:
    layer = layer_of(plain())
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = normal(4, layer.in_features, dtype=torch.float32)
    torch.testing.assert_close(compiled(x), layer(x), rtol=0, atol=0)
    compiled(x).square().sum().backward()
    assert layer.values.grad is not None
    found = layer.values.grad.clone()
    layer.zero_grad()
    layer(x).square().sum().backward()
    torch.testing.assert_close(found, layer.values.grad)


def test_an_exported_program_runs_from_its_file_with_any_batch() -> None:
    layer = layer_of(plain())
    batch = torch.export.Dim("batch", min=2, max=64)
    x = normal(4, layer.in_features, dtype=torch.float32)
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: batch},))
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    more = normal(9, layer.in_features, dtype=torch.float32)
    torch.testing.assert_close(loaded(more), layer(more), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_computes_in_its_dtype_and_keeps_the_parameters(dtype: torch.dtype) -> None:
    layer, x = layer_of(plain()), normal(4, 12, dtype=torch.float32)
    with torch.autocast("cpu", dtype=dtype):
        y = layer(x)
        expected = functional.linear(x, layer.to_dense(), layer.bias)
    assert y.dtype == expected.dtype == dtype
    torch.testing.assert_close(y, expected, rtol=4 * torch.finfo(dtype).eps, atol=1e-2)
    y.sum().backward()
    assert layer.values.grad is not None
    assert layer.values.grad.dtype == torch.float32


# Tensors without content --------------------------------------------------------------------


@pytest.mark.parametrize("via", ["meta", "fake"])
def test_shapes_are_known_without_a_computation(via: str) -> None:
    device = "meta" if via == "meta" else None
    with FakeTensorMode() if via == "fake" else contextlib.nullcontext():
        layer = RBGP4Linear(64, 32, sparsity=0.75, device=device)
        x = torch.empty(5, 3, 64, device=device, requires_grad=True)
        y = layer(x)
        y.sum().backward()
    assert y.shape == (5, 3, 32)
    assert y.device == layer.values.device
    assert x.grad is not None
    assert layer.values.grad is not None
    assert (x.grad.shape, layer.values.grad.shape) == (x.shape, layer.values.shape)


def test_a_layer_without_content_gets_it_later() -> None:
    layer = RBGP4Linear(64, 32, sparsity=0.75, device="meta").to_empty(device="cpu")
    layer.load_state_dict(RBGP4Linear(64, 32, sparsity=0.75).state_dict())
    x = normal(2, 64, dtype=torch.float32)
    torch.testing.assert_close(layer(x), functional.linear(x, layer.to_dense(), layer.bias))


# Conversion and errors ----------------------------------------------------------------------


def test_a_dense_layer_is_taken_over_at_the_nonzeros() -> None:
    dense = torch.nn.Linear(64, 64, bias=False).eval()
    pattern = twin_pattern()
    layer = RBGP4Linear.from_dense(dense, pattern)
    mask = torch.from_numpy(pattern.mask())
    torch.testing.assert_close(layer.to_dense(), dense.weight * mask, rtol=0, atol=0)
    assert layer.bias is None
    assert not layer.training
    gradient = torch.autograd.grad(layer.to_dense().sum(), layer.values)[0]
    assert (gradient == 1).all()


@pytest.mark.parametrize("frozen", ["weight", "bias"])
def test_what_is_frozen_stays_frozen(frozen: str) -> None:
    dense = torch.nn.Linear(64, 64)
    dense.get_parameter(frozen).requires_grad_(False)
    layer = RBGP4Linear.from_dense(dense, twin_pattern())
    assert layer.bias is not None
    assert layer.values.requires_grad == (frozen != "weight")
    assert layer.bias.requires_grad == (frozen != "bias")


def test_the_representation_says_what_it_is() -> None:
    text = repr(RBGP4Linear(64, 64, twin_pattern()))
    assert text == (
        "RBGP4Linear(in_features=64, out_features=64, bias=True, sparsity=0.75, row_group=4)"
    )


@pytest.mark.parametrize(
    ("arguments", "options", "error", "match"),
    [
        ((64, 64), {}, ArgumentError, "neither given"),
        ((64, 64, twin_pattern()), {"sparsity": 0.5}, ArgumentError, "both given"),
        ((32, 64, twin_pattern()), {}, ArgumentError, r"expected \(64, 32\)"),
        ((64, 64, "mask"), {}, ArgumentTypeError, "a str, expected an RBGP4"),
        ((0, 64), {"sparsity": 0.5}, ArgumentError, "cols is 0"),
        ((64, 64), {"sparsity": 1.5}, ArgumentError, "sparsity is 1.5"),
        ((64, 64), {"sparsity": 0.99}, InfeasibleError, "nearest"),
        ((64, 64), {"sparsity": 0.5, "row_grop": 2}, ArgumentTypeError, "'row_grop'; design takes"),
        ((64, 64, twin_pattern()), {"row_group": 2}, ArgumentError, "row_group given with a"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: Any, options: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        RBGP4Linear(*arguments, **options)


def test_wrong_inputs_are_refused() -> None:
    layer = layer_of(plain())
    with pytest.raises(ArgumentError, match=r"expected \(\.\.\., 12\)"):
        layer(torch.ones(3, 13))
    with pytest.raises(ArgumentTypeError, match=r"float64 and the layer torch\.float32"):
        layer(torch.ones(3, 12, dtype=torch.float64))
    with pytest.raises(ArgumentTypeError, match="floating-point"):
        layer(torch.ones(3, 12, dtype=torch.int64))
    with pytest.raises(ArgumentTypeError, match="a list, expected a tensor"):
        layer([1.0] * 12)
    with pytest.raises(ArgumentTypeError, match="Conv2d"):
        RBGP4Linear.from_dense(torch.nn.Conv2d(1, 1, 1), plain())  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="weight has shape"):
        layer.take_dense(torch.ones(3, 4))
    with pytest.raises(ArgumentError, match="bias has shape"):
        layer.take_dense(torch.ones(16, 12), torch.ones(3))
