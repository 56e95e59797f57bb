"""Matrices shared by ranks, with arrays that behave like CuPy's."""

from __future__ import annotations

import sys
from typing import Any, Literal

import numpy as np
import pytest

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu import RBGP4Matrix, matmul
from rbgp_graphs.gpu.cuda import cupy_backend
from rbgp_graphs.gpu.cuda.products import Products
from rbgp_graphs.gpu.cuda.verdicts import Verdicts
from rbgp_graphs.gpu.distributed import ShardedMatrix, SingleProcess
from rbgp_graphs.products import RBGP4
from tests.gpu.cuda.device import DeviceArray, DeviceMachine
from tests.gpu.cuda.host import OneAtATime
from tests.gpu.cuda.problems import needs_compiler
from tests.gpu.oracle import matrix_of, normal
from tests.gpu.simulated_ranks import SimulatedRank, on_all_ranks

pytestmark = needs_compiler


class SharedDevice(OneAtATime, DeviceMachine):
    """A device that the threads of all ranks use."""


class DeviceRank:
    """A communicator that takes and returns arrays on the device, as NCCL does."""

    def __init__(self, own: SimulatedRank) -> None:
        self._own, self.rank, self.size = own, own.rank, own.size

    def all_reduce(self, array: Any) -> Any:
        return DeviceArray(self._own.all_reduce(array.host))

    def all_gather(self, array: Any) -> Any:
        return DeviceArray(self._own.all_gather(array.host))

    def reduce_scatter(self, array: Any) -> Any:
        return DeviceArray(self._own.reduce_scatter(array.host))

    def broadcast(self, data: bytes | None) -> bytes:
        return self._own.broadcast(data)


@pytest.fixture(autouse=True)
def _device(monkeypatch: pytest.MonkeyPatch) -> None:
    own = SharedDevice()
    products = Products(own, Verdicts(None))
    monkeypatch.setitem(sys.modules, "cupy", own.xp)
    monkeypatch.setitem(sys.modules, "cupyx.scipy.special", own.special)
    monkeypatch.setattr(cupy_backend, "_products", lambda device: products)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("split", ["rows", "cols"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_shares_on_devices_compute_what_the_whole_computes(
    split: Literal["rows", "cols"], activation: Any, dtype: Any
) -> None:
    rng = np.random.default_rng(0)
    # No right vertex has as many neighbours in one range as in another: tiles are copied.
    outer = random_biregular(4, 8, 4, rng=1)
    A = matrix_of(RBGP4(outer, (2, 1), complete(2, 4), (1, 2)), 0, dtype)
    X, dY = normal(rng, (A.shape[1], 8), dtype), normal(rng, (A.shape[0], 8), dtype)
    bias = normal(rng, (A.shape[0],), np.float32)
    whole: Any = RBGP4Matrix(A.pattern, DeviceArray(A.values.copy()))

    def on_rank(own: SimulatedRank) -> Any:
        share = ShardedMatrix.from_matrix(whole, DeviceRank(own), split)
        at = slice(share.own.start, share.own.stop)
        if split == "rows":
            result: Any = share.matmul(
                DeviceArray(X), DeviceArray(bias[at]), activation, result="whole"
            )
            gradient: Any = share.sampled_matmul(DeviceArray(dY[at]), DeviceArray(X))
        else:
            result = share.matmul(DeviceArray(X[at]), DeviceArray(bias), activation)
            gradient = share.sampled_matmul(DeviceArray(dY), DeviceArray(X[at]))
        assert isinstance(result, DeviceArray)
        assert isinstance(gradient, DeviceArray)
        back: Any = share.whole().values
        assert np.array_equal(back.host, A.values)
        return result.host, gradient.host

    expected = matmul(A, X, bias=bias, activation=activation)
    close: Any = (
        {"rtol": 1e-2, "atol": 2e-2} if dtype == np.float16 else {"rtol": 1e-4, "atol": 1e-4}
    )
    found = on_all_ranks(2, on_rank)
    for result, _ in found:
        assert np.allclose(result, expected, **close)
    gradient = np.concatenate([part for _, part in found])
    same = A if split == "rows" else A.T
    right = same.sampled_matmul(*((dY, X) if split == "rows" else (X, dY)))
    assert np.allclose(gradient, right, **close)


def test_an_operand_on_the_cpu_is_refused() -> None:
    A = matrix_of(RBGP4(complete(2, 2), (2, 1), complete(2, 2), (1, 1)), 0, np.float32)
    share = ShardedMatrix(A.pattern, DeviceArray(A.values), SingleProcess())
    with pytest.raises(BackendError, match="X on the CPU"):
        share @ np.ones((A.shape[1], 3), np.float32)
