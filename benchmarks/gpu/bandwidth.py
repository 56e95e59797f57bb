"""How fast the multiprocessors read from the L2: the roof that row groups are under."""

from __future__ import annotations

from typing import Any

#: Each block reads another part in each round, so that all parts of the L2 serve all of them.
#: ``ld.global.cg`` passes by the L1. The comparison keeps the loads; it is never true.
SOURCE = r"""
extern "C" __global__ void read_all(
    const float4* __restrict__ data, unsigned count, int rounds, float* out)
{
    float sum = 0.0f;
    const unsigned step = gridDim.x * blockDim.x;
    for (int round = 0; round < rounds; ++round) {
        const unsigned block = (blockIdx.x + 37u * round) % gridDim.x;
        #pragma unroll 8
        for (unsigned i = block * blockDim.x + threadIdx.x; i < count; i += step) {
            const float4 four = __ldcg(data + i);
            sum += four.x + four.y + four.z + four.w;
        }
    }
    if (sum == -1.0f) *out = sum;
}
"""
_THREADS = 512
_BLOCKS_OF_A_MULTIPROCESSOR = 4
#: Bytes that one launch reads, whatever the size of the buffer.
_BYTES_OF_A_LAUNCH = 1 << 33
_LAUNCHES = 5
#: Buffers as shares of the L2; the last one lies in device memory.
_SHARES = (0.125, 0.25, 0.5, 16.0)


def measure(cupy: Any, l2_bytes: int, multiprocessors: int) -> list[dict[str, float]]:
    """Read buffers of several sizes again and again.

    Parameters
    ----------
    cupy : module
        CuPy, or what behaves like it.
    l2_bytes : int
        Size of the L2.
    multiprocessors : int
        How many the device has.

    Returns
    -------
    list of dict
        For each size ``buffer_bytes``, ``share_of_l2`` and ``bytes_per_second``, the best of
        five launches after one that is not timed.
    """
    kernel = cupy.RawModule(code=SOURCE, options=("-std=c++17",)).get_function("read_all")
    grid = (multiprocessors * _BLOCKS_OF_A_MULTIPROCESSOR, 1, 1)
    out, found = cupy.zeros(1, cupy.float32), []
    for share in _SHARES:
        count = max(1, int(share * l2_bytes) // 16)
        rounds = max(1, _BYTES_OF_A_LAUNCH // (16 * count))
        data = cupy.ones(4 * count, cupy.float32)
        milliseconds = []
        for _ in range(1 + _LAUNCHES):
            start, stop = cupy.cuda.Event(), cupy.cuda.Event()
            start.record()
            kernel(grid, (_THREADS, 1, 1), (data, cupy.uint32(count), cupy.int32(rounds), out))
            stop.record()
            stop.synchronize()
            milliseconds.append(cupy.cuda.get_elapsed_time(start, stop))
        found.append(
            {
                "buffer_bytes": 16 * count,
                "share_of_l2": share,
                "bytes_per_second": 16 * count * rounds / (min(milliseconds[1:]) / 1e3),
            }
        )
    return found
