// What the kernels on tensor cores share.
#include "matrix_units.cuh"
#include "pattern.cuh"

// Numbers in 16 bytes, and along the sums of one instruction.
#define RBGP_PIECE (16 / static_cast<int>(sizeof(Stored)))
#define RBGP_STEP (2 * RBGP_PIECE)

struct Pattern {
    const int *outer_columns;
    const int *outer_tables;
    const int *inner_columns;
};

// The one of its warp's 8 RBGP_MR rows that this lane names to ldmatrix: it loads 8 rows at a
// time, or 16.
RBGP_DEVICE int lane_row() {
    const int lane = thread_index() % 32;
    return lane % 8 + (RBGP_MR == 1 ? 0 : lane / 16 * 8);
}

// Multiplies RBGP_MC times 16 places with the 8 RBGP_MR rows of a warp, a step of each. `rows` is
// what this lane names first.
RBGP_DEVICE void multiply_rows(float (&sums)[RBGP_MC][RBGP_MR][4],
                               unsigned (&left)[RBGP_MC][4], const Stored *rows, int stride) {
    unsigned right[RBGP_MR][2];
#if RBGP_MR == 1
    load_matrices(right[0], rows);
#else
#pragma unroll
    for (int r = 0; r < RBGP_MR; r += 2) {
        unsigned both[4];
        load_matrices(both, rows + 8 * r * stride);
        right[r][0] = both[0];
        right[r][1] = both[1];
        right[r + 1][0] = both[2];
        right[r + 1][1] = both[3];
    }
#endif
#pragma unroll
    for (int r = 0; r < RBGP_MR; ++r) {
        right[r][0] = rounded(right[r][0], Stored());
        right[r][1] = rounded(right[r][1], Stored());
    }
#pragma unroll
    for (int c = 0; c < RBGP_MC; ++c) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            left[c][i] = rounded(left[c][i], Stored());
        }
#pragma unroll
        for (int r = 0; r < RBGP_MR; ++r) {
            multiply_add(sums[c][r], left[c], right[r][0], right[r][1], Stored());
        }
    }
}
