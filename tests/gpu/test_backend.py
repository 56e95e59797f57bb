from __future__ import annotations

import dataclasses
from unittest import mock

import numpy as np
import pytest

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu import RBGP4Matrix, backend, backends, matmul
from rbgp_graphs.products import RBGP4


def test_the_numpy_backend_is_always_there_and_the_last_on_the_cpu() -> None:
    *_, info, on_gpu = backends()
    assert on_gpu.name == "cupy"
    assert (info.name, info.available, info.reason) == ("numpy", True, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["cuda", "", None, 3])
def test_an_unknown_backend_lists_what_is_here(name: object) -> None:
    with pytest.raises(BackendError, match=r"allowed are auto, .*numpy \(available\)"):
        backend.choose(name)


def test_auto_skips_what_is_missing_and_says_why() -> None:
    absent = dataclasses.replace(backend.choose("numpy"), name="absent", missing=lambda: "no luck")
    present = backend.choose("auto").name
    with mock.patch.object(backend, "_TABLE", (absent, *backend._TABLE)):
        assert backend.choose("auto").name == present
        assert not backends()[0].available
        with pytest.raises(BackendError, match=r"allowed are auto, absent \(not av.*: no luck\), "):
            backend.choose("absent")


def test_the_chosen_backend_computes_the_product() -> None:
    calls = []
    spy = dataclasses.replace(
        backend.choose("numpy"),
        name="spy",
        forward=lambda *arguments: calls.append("forward"),
        transposed=lambda *arguments: calls.append("transposed"),
        sampled=lambda *arguments: calls.append("sampled"),
    )
    A = RBGP4Matrix(RBGP4(complete(1, 1), (1, 1), complete(2, 2), (1, 1)), np.eye(2))
    with mock.patch.object(backend, "_TABLE", (*backend._TABLE, spy)):
        matmul(A, np.eye(2), backend="spy")
        matmul(A.T, np.eye(2), backend="spy")
        A.sampled_matmul(np.eye(2), np.eye(2), backend="spy")
        np.testing.assert_array_equal(A @ np.eye(2), np.eye(2))
    assert calls == ["forward", "transposed", "sampled"]
