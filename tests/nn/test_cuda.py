"""The layers on a CUDA device: the same numbers as on the CPU, by PyTorch's own rules of devices.

Runs where PyTorch and CuPy see a device, and is skipped elsewhere.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.gpu import RBGP4Matrix
from rbgp_graphs.nn import RBGP4Conv2d, RBGP4Linear, train
from rbgp_graphs.nn.training import Epoch
from rbgp_graphs.products import RBGP4
from tests.nn.small import normal, plain, twisted
from tests.nn.test_training import SHORT, few, network


def why_not() -> str | None:
    if not torch.cuda.is_available():
        return "PyTorch sees no CUDA device"
    from rbgp_graphs.gpu.cuda.cupy_backend import missing

    return missing()


pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

#: Distance of 1 and the next number, times a few.
TOLERANCE = {
    torch.float64: 1e-12,
    torch.float32: 1e-4,
    torch.float16: 1e-2,
    torch.bfloat16: 1e-1,
}


def both_steps(layer: torch.nn.Module, x: torch.Tensor) -> list[list[torch.Tensor]]:
    """Return output and gradients on the CPU and on the device, all on the CPU."""
    found = []
    for device in ("cpu", "cuda"):
        own, inputs = copy.deepcopy(layer).to(device), x.to(device).detach().requires_grad_()
        y = own(inputs)
        assert y.device.type == device
        (y * y.detach().cos()).sum().backward()
        results = [y, inputs.grad, *(parameter.grad for parameter in own.parameters())]
        found.append([result.detach().cpu() for result in results if result is not None])
    return found


@pytest.mark.parametrize("dtype", [*TOLERANCE], ids=str)
@pytest.mark.parametrize("pattern", [plain(), twisted()], ids=["plain", "twisted"])
def test_a_step_is_the_one_of_the_cpu(pattern: RBGP4, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = RBGP4Linear(pattern.cols, pattern.rows, pattern, dtype=dtype)
    for shape in ((5,), (2, 3)):
        here, there = both_steps(layer, normal(*shape, pattern.cols, dtype=dtype))
        for a, b in zip(here, there, strict=True):
            assert a.dtype == b.dtype == dtype
            torch.testing.assert_close(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("via", ["unfold", "dense"])
def test_a_step_of_a_convolution_is_the_one_of_the_cpu(via: Any) -> None:
    layer = RBGP4Conv2d(16, 16, 3, sparsity=0.75, padding=1, via=via, dtype=torch.float64)
    here, there = both_steps(layer, normal(2, 16, 5, 5))
    torch.testing.assert_close(here, there)


def test_gradients_are_right() -> None:
    pattern = twisted()
    layer = RBGP4Linear(pattern.cols, pattern.rows, pattern, dtype=torch.float64, device="cuda")
    x = normal(3, layer.in_features).cuda().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, *_: layer(x), (x, *layer.parameters()), fast_mode=True
    )


def test_layers_are_made_on_devices_move_and_keep_their_pattern() -> None:
    layer = RBGP4Linear(64, 64, sparsity=0.75, device="cuda")
    assert layer.values.device.type == "cuda"
    state = layer.cpu().state_dict()
    other = RBGP4Linear(64, 64, sparsity=0.75, rng=1, device="cuda")
    other.load_state_dict(state)
    assert other.pattern == layer.pattern
    assert other.values.device.type == "cuda"
    torch.testing.assert_close(other.to_dense().cpu(), layer.to_dense(), rtol=0, atol=0)


def test_a_layer_does_not_move_its_inputs() -> None:
    layer = RBGP4Linear(64, 64, sparsity=0.75, device="cuda")
    with pytest.raises(ArgumentError, match="x lies on cpu and the layer on cuda:0"):
        layer(torch.ones(2, 64))


def test_work_keeps_the_order_of_the_stream_of_pytorch() -> None:
    layer = RBGP4Linear(1024, 1024, sparsity=0.75, device="cuda")
    x = torch.ones(64, 1024, device="cuda")
    expected = layer(x).square().sum(1)
    torch.cuda.synchronize()
    for _ in range(20):
        stream: Any = torch.cuda.Stream  # It has no annotations.
        with torch.cuda.stream(stream()):
            # Long work before, so that anything on another stream would read too early.
            late = (
                torch.full((4096, 4096), 1 / 4096, device="cuda")
                @ torch.ones(4096, 4096, device="cuda")
            )[:64, :1024]
            found = layer(late).square().sum(1)
        torch.cuda.synchronize()
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_products_of_tensors_are_tensors_on_the_stream_of_pytorch(dtype: torch.dtype) -> None:
    pattern = RBGP4Linear(1024, 1024, sparsity=0.75).pattern
    values = torch.randn(pattern.rows, pattern.row_degree, device="cuda", dtype=dtype)
    A, X = RBGP4Matrix(pattern, values), torch.randn(1024, 64, device="cuda", dtype=dtype)
    dense = torch.as_tensor(A.to_dense().astype("float32"), device="cuda").double()
    stream: Any = torch.cuda.Stream  # It has no annotations.
    with torch.cuda.stream(stream()):
        result: Any = A @ X
        doubled = result * 2
    torch.cuda.synchronize()
    assert result.device == X.device
    assert result.dtype == dtype
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(doubled.double(), 2 * (dense @ X.double()), rtol=eps, atol=64 * eps)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_autocast_decides_the_dtype(dtype: torch.dtype) -> None:
    layer = RBGP4Linear(64, 64, sparsity=0.75, device="cuda")
    x = torch.ones(3, 64, device="cuda")
    with torch.autocast("cuda", dtype=dtype):
        y = layer(x)
    assert y.dtype == dtype
    y.float().sum().backward()
    assert layer.values.grad is not None
    assert layer.values.grad.dtype == torch.float32
    torch.testing.assert_close(y.float(), layer(x), rtol=0.05, atol=0.05)


def test_float32_is_rounded_where_pytorch_rounds_its_own_products() -> None:
    layer = RBGP4Linear(1024, 1024, sparsity=0.75, device="cuda", bias=False)
    x = torch.randn(64, 1024, device="cuda")
    exact, before = layer(x), torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        rounded = layer(x)
    finally:
        torch.set_float32_matmul_precision(before)
    magnitude = x.abs() @ layer.to_dense().abs().T
    assert bool(((rounded - exact).abs() <= 1.1e-3 * magnitude).all())
    if torch.cuda.get_device_capability() >= (8, 0):
        assert not torch.equal(rounded, exact)
    assert torch.equal(layer(x), exact)


def test_compiled_layers_compute_the_same() -> None:
    layer = RBGP4Linear(64, 64, sparsity=0.75, device="cuda")
    x = torch.randn(4, 64, device="cuda")
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), layer(x))


def test_a_network_is_trained_where_it_is_and_goes_on_there(tmp_path: Path) -> None:
    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(network().cuda(), few(), SHORT, folder=tmp_path, progress=stop)
    model = network(seed=9).cuda()
    result = train(model, few(), SHORT, folder=tmp_path)
    assert {parameter.device.type for parameter in model.parameters()} == {"cuda"}
    assert len(result.epochs) == 3
    assert result.epochs[-1].loss < result.epochs[0].loss
