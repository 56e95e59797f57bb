from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

from rbgp_graphs.gpu.epilogue import check_activation, finish

FORMULAS: dict[Any, Any] = {
    None: lambda x: x,
    "relu": lambda x: np.where(x > 0, x, 0),
    "gelu": lambda x: x * (1 + special.erf(x / np.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("activation", FORMULAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_are_finished_in_place(activation: Any, dtype: Any) -> None:
    check_activation(activation)
    block = np.linspace(-6, 6, 24).reshape(2, 3, 4).astype(dtype)
    bias = np.arange(6).reshape(2, 3)
    expected = FORMULAS[activation]((block + bias[..., None]).astype(np.float64))
    finish(block, bias, activation)
    assert block.dtype == dtype
    np.testing.assert_allclose(block, expected, atol=10 * np.finfo(dtype).eps)
