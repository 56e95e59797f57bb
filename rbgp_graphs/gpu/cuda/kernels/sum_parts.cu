// Adds the parts that the sums of a result were computed in, always in the same order, and rounds
// them once. The numbers of a part are a multiple of four.
#include "numbers.cuh"

RBGP_KERNEL rbgp_sum_parts(const float *__restrict__ parts, // (parts, count)
                           Stored *__restrict__ results,    // (count,)
                           long long count) {
    const long long thread =
        block_index() * static_cast<long long>(RBGP_THREADS) + thread_index();
    const long long at = 4 * thread;
    if (at >= count) {
        return;
    }
    Pack<float, 4> sums = {};
#pragma unroll 4
    for (int part = 0; part < RBGP_PARTS; ++part) {
        const Pack<float, 4> own =
            *reinterpret_cast<const Pack<float, 4> *>(parts + part * count + at);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            sums.at[e] += own.at[e];
        }
    }
    Pack<Stored, 4> rounded;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        from_sum(sums.at[e], rounded.at[e]);
    }
    *reinterpret_cast<Pack<Stored, 4> *>(results + at) = rounded;
}
