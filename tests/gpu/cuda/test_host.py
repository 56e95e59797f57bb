"""What the machine on the CPU sees of mistakes that a device may or may not show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.source import kernel_source
from rbgp_graphs.gpu.cuda.tensor_map import TensorLayout, TensorMap
from tests.gpu.cuda import host
from tests.gpu.cuda.problems import needs_compiler

#: One warpgroup loads a box of 64 rows of 64 numbers and multiplies it with itself.
_KERNEL = """
RBGP_ALONE rbgp_mistakes(const RBGP_GRID_CONSTANT TensorMap x, float *sums, int mistake) {
    unsigned char *box = tile_memory();
    TransferBarrier *filled = reinterpret_cast<TransferBarrier *>(tile_memory() + 64 * 128);
    if (thread_index() == 0) {
        create_barrier(filled, 1);
        if (mistake != 1) {
            publish_barriers();
        }
    }
    barrier();
    if (thread_index() == 0) {
        arrive_expecting(filled, 64 * 128 - (mistake == 2 ? 16 : mistake == 3 ? -16 : 0));
        load_box(box + (mistake == 4 ? 128 : 0), x, filled, 0, 0);
    }
    wait_for_phase(filled, 0);
    if (mistake == 5) {
        team_barrier(15, 128);
    }
    float own[32] = {};
    if (mistake != 6) {
        begin_products();
    }
    const unsigned at = shared_address(box) + (mistake == 7 ? 128 : 0);
    for (int k = 0; k < 64; k += 16) {
        const unsigned long long tile =
            tile_descriptor(at + 2 * k, 16, mistake == 8 ? 1 << 18 : 1024, 128);
        multiply_tiles<RBGP_ALONG, RBGP_ALONG>(own, tile, tile, 1, Stored());
    }
    close_products();
    if (mistake != 9) {
        wait_products<0>();
    }
    const int lane = thread_index() & 31, row = (thread_index() >> 5) * 16 + (lane >> 2);
    for (int i = 0; i < 32; ++i) {
        sums[(row + i / 2 % 2 * 8) * 64 + i / 4 * 8 + (lane & 3) * 2 + i % 2] = own[i];
    }
}
"""
_MISTAKES = {
    0: None,
    1: "no barrier here, or one that was not published",
    2: "more bytes come to a barrier than it was told to expect",
    3: "some threads wait at a barrier that others never reach",
    4: "a box lies at a place where its swizzle does not begin",
    5: "there is no barrier of this number",
    6: "not ordered before them",
    7: "a tile begins inside of a swizzle",
    8: "a distance is too long for a descriptor",
    9: "wrong sums",
}


def run(mistake: int, X: Any) -> Any:
    """Return X times its transpose, computed with some mistake."""
    sums = np.full((64, 64), np.nan, np.float32)
    box = TensorLayout(dtype="float16", extents=(64, 64), strides=(128,), box=(64, 64))
    launch = Launch(
        kernel="mistakes",
        structure={"RBGP_STORED": "Half", "RBGP_SUM": "float", "RBGP_CLUSTER": 1},
        constants={},
        blocks=1,
        threads=128,
        shared_bytes=64 * 128 + 8,
    )
    host.HostMachine(sanitized=True).run(launch, [TensorMap(X, box), sums, np.int32(mistake)])
    return sums


@needs_compiler
def test_mistakes_with_the_units_of_hopper_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    units = kernel_source("hopper").partition('#line 1 "pattern.cuh"')[0]
    monkeypatch.setattr(host, "kernel_source", lambda _: units + _KERNEL)
    X = np.random.default_rng(0).integers(-3, 4, (64, 64)).astype(np.float16)
    for mistake, sign in _MISTAKES.items():
        if sign is None:
            assert (run(mistake, X) == X.astype(np.float32) @ X.T.astype(np.float32)).all()
        elif sign == "wrong sums":
            assert not run(mistake, X).any()
        else:
            with pytest.raises(RuntimeError, match=sign):
                run(mistake, X)
