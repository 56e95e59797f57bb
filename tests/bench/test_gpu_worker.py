"""A device in another process: what costs that process costs the suite one call."""

from __future__ import annotations

import os
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
import pytest

from benchmarks.gpu.worker import SeparateDevice
from rbgp_graphs.bench import Case
from rbgp_graphs.gpu.cuda.checks import DeviceLostError


class Fragile:
    """A device that three of its methods cost."""

    is_lost = False

    def answers(self) -> bool:
        return not self.is_lost

    def describe(self) -> dict[str, Any]:
        return {"process": os.getpid()}

    def check_products(self, dtype: np.dtype[Any]) -> list[dict[str, Any]]:
        self.is_lost = True
        return [{"dtype": dtype.name}]

    def tune(self, case: Case) -> dict[str, Any]:
        raise DeviceLostError(f"lost with {case}")

    def measure(self, case: Case, rounds: int) -> list[dict[str, Any]]:
        os._exit(rounds)


def test_what_costs_the_device_costs_one_process() -> None:
    make: Any = Fragile
    device, case, seen = SeparateDevice(make), Case(suite="gpu_sparsity"), [os.getpid()]

    def is_new() -> bool:
        seen.append(device.describe()["process"])
        return seen[-1] not in seen[:-1]

    try:
        assert is_new()
        assert not is_new()
        assert device.check_products(np.dtype(np.float32)) == [{"dtype": "float32"}]
        assert is_new()
        with pytest.raises(DeviceLostError, match="lost with"):
            device.tune(case)
        with pytest.raises(BrokenProcessPool):
            device.measure(case, 3)
        assert is_new()
    finally:
        device.close()
