// The products dY X^T at the nonzeros of A, summed over n and over the batch.
//
// A block computes, for one outer row u_o and one pair (k_o, v_r), the values of the row groups of
// some u_i: a dense block of G rows and d_i |V_b| values for each group. It walks along n. A stage
// holds BN columns of the slab of X under the pair and of the rows of dY. A thread sums RT rows
// times KT values, so each entry it reads takes part in RT or KT products.
//
// Without stages (RBGP_STAGED 0) threads read all from global memory.
#include "pattern.cuh"

#define RBGP_GS (RBGP_LR * RBGP_RT)
// Values of a row in one block.
#define RBGP_KS (RBGP_LK * RBGP_KT)

struct Place {
    int u_o;
    int pair;
    int first_u_i;
    int first_g;
    int first_k;
};

RBGP_DEVICE Place place_of_block() {
    const int slices = rounds(RBGP_GROUP, RBGP_GS), pieces = rounds(RBGP_PAIR, RBGP_KS);
    const int parts = rounds(RBGP_UI, RBGP_TG);
    int rest = block_index();
    Place place;
    place.first_k = rest % pieces * RBGP_KS;
    rest /= pieces;
    place.first_g = rest % slices * RBGP_GS;
    rest /= slices;
    place.first_u_i = rest % parts * RBGP_TG;
    rest /= parts;
    place.pair = rest % RBGP_PAIRS;
    place.u_o = rest / RBGP_PAIRS;
    return place;
}

#if RBGP_STAGED
RBGP_DEVICE void fill_stage(unsigned char *stage, int first_column, const Place &place,
                            const Stored *dy, const Stored *slab, int n, long long dy_row,
                            long long x_row) {
    Stored *columns = reinterpret_cast<Stored *>(stage);
    const int vectors = RBGP_BN / RBGP_GV;
    for (int i = thread_index(); i < RBGP_SLAB * vectors; i += RBGP_THREADS) {
        const int row = i / vectors, in_row = i % vectors * RBGP_GV;
        const bool is_there = first_column + in_row < n;
        copy_to_shared<RBGP_GV * sizeof(Stored)>(
            columns + row * RBGP_ROW_STRIDE + in_row,
            is_there ? slab + row * x_row + first_column + in_row : slab, is_there);
    }
    Stored *gradients = reinterpret_cast<Stored *>(stage + RBGP_DY_OFFSET);
    for (int i = thread_index(); i < RBGP_TG * RBGP_GS * vectors; i += RBGP_THREADS) {
        const int row = i / vectors, in_row = i % vectors * RBGP_GV;
        const int g = place.first_g + row % RBGP_GS, u_i = place.first_u_i + row / RBGP_GS;
        const bool is_there =
            g < RBGP_GROUP && u_i < RBGP_UI && first_column + in_row < n;
        copy_to_shared<RBGP_GV * sizeof(Stored)>(
            gradients + row * RBGP_ROW_STRIDE + in_row,
            is_there ? dy + row_of(place.u_o, g, u_i) * dy_row + first_column + in_row : dy,
            is_there);
    }
}
#endif

RBGP_KERNEL rbgp_sampled(const Stored *__restrict__ all_dy,     // (batch, rows, n)
                         const Stored *__restrict__ all_x,      // (batch, cols, n)
                         Stored *__restrict__ results,          // (rows, row_degree)
                         const int *__restrict__ outer_columns, // (|U_o|, d_o)
                         const int *__restrict__ outer_tables,  // (|U_o|, d_o)
                         const int *__restrict__ inner_columns, // (tables, |U_i|, d_i)
                         int n, int batches, long long dy_row, long long x_row,
                         long long dy_matrix, long long x_matrix) {
    const Place place = place_of_block();
    const int lane_k = thread_index() % RBGP_LK;
    const int lane_r = thread_index() / RBGP_LK % RBGP_LR;
    const int group = thread_index() / (RBGP_LK * RBGP_LR);
    const int u_i = place.first_u_i + group, first_g = place.first_g + lane_r;
    const int edge = place.u_o * RBGP_DO + place.pair / RBGP_VR;
    const long long first_row =
        first_row_of_slab(outer_columns[edge], place.pair % RBGP_VR);
    // Values k, k + LK, k + 2 LK, ... so that lanes beside each other write beside each other.
    int rows[RBGP_KT];
#pragma unroll
    for (int t = 0; t < RBGP_KT; ++t) {
        const int k = smaller(place.first_k + lane_k + t * RBGP_LK, RBGP_PAIR - 1);
        const int at = (outer_tables[edge] * RBGP_UI + smaller(u_i, RBGP_UI - 1)) * RBGP_DI;
        rows[t] = inner_columns[at + k / RBGP_VB] * RBGP_VB + k % RBGP_VB;
    }
    Sum sums[RBGP_RT][RBGP_KT] = {};
    const int steps = rounds(n, RBGP_BN), stages = steps * batches;
#if RBGP_STAGED
#pragma unroll
    for (int s = 0; s < RBGP_BUFFERS - 1; ++s) {
        if (s < stages) {
            const int batch = s / steps;
            fill_stage(shared_memory() + s * RBGP_STAGE_BYTES, s % steps * RBGP_BN, place,
                       all_dy + batch * dy_matrix, all_x + batch * x_matrix + first_row * x_row,
                       n, dy_row, x_row);
        }
        commit_copies();
    }
#endif
    for (int s = 0; s < stages; ++s) {
#if RBGP_STAGED
        wait_copies<RBGP_BUFFERS - 2>();
        barrier();
        const int next = s + RBGP_BUFFERS - 1;
        if (next < stages) {
            const int batch = next / steps;
            fill_stage(shared_memory() + next % RBGP_BUFFERS * RBGP_STAGE_BYTES,
                       next % steps * RBGP_BN, place, all_dy + batch * dy_matrix,
                       all_x + batch * x_matrix + first_row * x_row, n, dy_row, x_row);
        }
        commit_copies();
        const unsigned char *stage = shared_memory() + s % RBGP_BUFFERS * RBGP_STAGE_BYTES;
        const Stored *columns = reinterpret_cast<const Stored *>(stage);
        const Stored *gradients = reinterpret_cast<const Stored *>(stage + RBGP_DY_OFFSET) +
                                  (group * RBGP_GS + lane_r) * RBGP_ROW_STRIDE;
#else
        const int first_column = s % steps * RBGP_BN;
        const Stored *dy = all_dy + s / steps * dy_matrix;
        const Stored *slab = all_x + s / steps * x_matrix + first_row * x_row;
#endif
#pragma unroll 2
        for (int at = 0; at < RBGP_BN; at += RBGP_XV) {
            Pack<Stored, RBGP_XV> left[RBGP_RT], right[RBGP_KT];
#pragma unroll
            for (int j = 0; j < RBGP_RT; ++j) {
#if RBGP_STAGED
                left[j] = *reinterpret_cast<const Pack<Stored, RBGP_XV> *>(
                    gradients + j * RBGP_LR * RBGP_ROW_STRIDE + at);
#else
                const int g = smaller(first_g + j * RBGP_LR, RBGP_GROUP - 1);
                left[j] = read_row<RBGP_XV, RBGP_GV>(
                    dy + row_of(place.u_o, g, smaller(u_i, RBGP_UI - 1)) * dy_row,
                    first_column + at, n);
#endif
            }
#pragma unroll
            for (int t = 0; t < RBGP_KT; ++t) {
#if RBGP_STAGED
                right[t] = *reinterpret_cast<const Pack<Stored, RBGP_XV> *>(
                    columns + rows[t] * RBGP_ROW_STRIDE + at);
#else
                right[t] =
                    read_row<RBGP_XV, RBGP_GV>(slab + rows[t] * x_row, first_column + at, n);
#endif
            }
#pragma unroll
            for (int e = 0; e < RBGP_XV; ++e) {
                Sum entries[RBGP_KT];
#pragma unroll
                for (int t = 0; t < RBGP_KT; ++t) {
                    entries[t] = to_sum(right[t].at[e]);
                }
#pragma unroll
                for (int j = 0; j < RBGP_RT; ++j) {
                    const Sum factor = to_sum(left[j].at[e]);
#pragma unroll
                    for (int t = 0; t < RBGP_KT; ++t) {
                        sums[j][t] += factor * entries[t];
                    }
                }
            }
        }
    }
    if (u_i < RBGP_UI) {
#pragma unroll
        for (int j = 0; j < RBGP_RT; ++j) {
            const int g = first_g + j * RBGP_LR;
            if (g < RBGP_GROUP) {
                Stored *row = results +
                              row_of(place.u_o, g, u_i) *
                                  (RBGP_PAIRS * static_cast<long long>(RBGP_PAIR)) +
                              place.pair * static_cast<long long>(RBGP_PAIR);
#pragma unroll
                for (int t = 0; t < RBGP_KT; ++t) {
                    const int k = place.first_k + lane_k + t * RBGP_LK;
                    if (k < RBGP_PAIR) {
                        from_sum(sums[j][t], row[k]);
                    }
                }
            }
        }
    }
}
