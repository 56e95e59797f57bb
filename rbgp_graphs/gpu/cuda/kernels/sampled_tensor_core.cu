// The products dY X^T at the nonzeros of A, summed over n and over the batch, with sums in float32,
// from sm_80 on. The numbers are float16 or bfloat16; or float32, rounded to tf32 before they are
// multiplied.
//
// Rows of X and of dY both lie along the sums. The tensor cores multiply 16 rows of X, one for
// each of 16 values of a row, with 8 rows of a group. Each lane of `ldmatrix` names the row that
// it loads, so the rows that the values meet are gathered from shared memory at no cost.
//
// A block computes, for TG groups of one outer row u_o, GS rows of each times RBGP_CHUNK
// neighbouring values of a row. It walks along n. A stage holds BN columns of the slabs of X
// under SV pairs (k_o, v_r) and of the rows of dY. With RBGP_COMPACT it holds copies of just the
// rows of X that each group needs, and the values may begin inside of a pair.
#include "warp_sums.cuh"

// Rows of a group in one block, and places for values.
#define RBGP_GS (8 * RBGP_MR * RBGP_WR)
#define RBGP_KS (16 * RBGP_MC * RBGP_WK)
#define RBGP_DEGREE (RBGP_PAIRS * RBGP_PAIR)

struct Place {
    int u_o;
    int first_u_i;
    int first_g;
    int first_value;
};

RBGP_DEVICE Place place_of_block() {
    const int slices = rounds(RBGP_GROUP, RBGP_GS), parts = rounds(RBGP_UI, RBGP_TG);
    const int chunks = rounds(RBGP_DEGREE, RBGP_CHUNK);
    int rest = block_index();
    Place place;
    place.first_value = rest % chunks * RBGP_CHUNK;
    rest /= chunks;
    place.first_g = rest % slices * RBGP_GS;
    rest /= slices;
    place.first_u_i = rest % parts * RBGP_TG;
    place.u_o = rest / parts;
    return place;
}

// The row of X that value k of the block meets, of its slab or of all of X. Beyond the last
// value it is any that is there: what is computed with it is not stored.
RBGP_DEVICE int row_of_value(const Pattern &pattern, const Place &place, int group, int k) {
    const int value =
        smaller(place.first_value + smaller(k, RBGP_CHUNK - 1), RBGP_DEGREE - 1);
    const int pair = value / RBGP_PAIR, edge = place.u_o * RBGP_DO + pair / RBGP_VR;
    const int u_i = smaller(place.first_u_i + group, RBGP_UI - 1);
    const int at = (pattern.outer_tables[edge] * RBGP_UI + u_i) * RBGP_DI;
    const int in_slab =
        pattern.inner_columns[at + value % RBGP_PAIR / RBGP_VB] * RBGP_VB + value % RBGP_VB;
#if RBGP_COMPACT
    return (pattern.outer_columns[edge] * RBGP_VR + pair % RBGP_VR) * RBGP_SLAB + in_slab;
#else
    return (pair - place.first_value / RBGP_PAIR) * RBGP_SLAB + in_slab;
#endif
}

RBGP_DEVICE void fill_operand(Stored *rows, int first_column, const Place &place, const Stored *x,
                              const Pattern &pattern, int n, long long x_row) {
    const int vectors = RBGP_BN / RBGP_GV;
#if RBGP_COMPACT
    const int *index = reinterpret_cast<const int *>(shared_memory() + RBGP_INDEX_OFFSET);
#pragma unroll 2
    for (int i = thread_index(); i < RBGP_TG * RBGP_KS * vectors; i += RBGP_THREADS) {
        const int row = i / vectors, in_row = i % vectors * RBGP_GV;
        const bool is_there = first_column + in_row < n;
        copy_to_shared<RBGP_GV * sizeof(Stored)>(
            rows + row * RBGP_ROW_STRIDE + in_row,
            is_there ? x + index[row] * x_row + first_column + in_row : x, is_there);
    }
#else
    const int first = place.first_value / RBGP_PAIR;
    const int count = smaller(RBGP_SV, RBGP_PAIRS - first);
#pragma unroll 1
    for (int j = 0; j < count; ++j) {
        const int edge = place.u_o * RBGP_DO + (first + j) / RBGP_VR;
        const Stored *slab =
            x + first_row_of_slab(pattern.outer_columns[edge], (first + j) % RBGP_VR) * x_row;
#pragma unroll 2
        for (int i = thread_index(); i < RBGP_SLAB * vectors; i += RBGP_THREADS) {
            const int row = i / vectors, in_row = i % vectors * RBGP_GV;
            const bool is_there = first_column + in_row < n;
            copy_to_shared<RBGP_GV * sizeof(Stored)>(
                rows + (j * RBGP_SLAB + row) * RBGP_ROW_STRIDE + in_row,
                is_there ? slab + row * x_row + first_column + in_row : x, is_there);
        }
    }
#endif
}

RBGP_DEVICE void fill_gradient(Stored *rows, int first_column, const Place &place,
                               const Stored *dy, int n, long long dy_row) {
    const int vectors = RBGP_BN / RBGP_GV;
#pragma unroll 2
    for (int i = thread_index(); i < RBGP_TG * RBGP_GS * vectors; i += RBGP_THREADS) {
        const int row = i / vectors, in_row = i % vectors * RBGP_GV;
        const int g = place.first_g + row % RBGP_GS, u_i = place.first_u_i + row / RBGP_GS;
        const bool is_there = g < RBGP_GROUP && u_i < RBGP_UI && first_column + in_row < n;
        copy_to_shared<RBGP_GV * sizeof(Stored)>(
            rows + row * RBGP_ROW_STRIDE + in_row,
            is_there ? dy + row_of(place.u_o, g, u_i) * dy_row + first_column + in_row : dy,
            is_there);
    }
}

RBGP_KERNEL rbgp_sampled_tensor_core(
    const Stored *__restrict__ all_dy,     // (batch, rows, n)
    const Stored *__restrict__ all_x,      // (batch, cols, n)
    Stored *__restrict__ results,          // (rows, row_degree)
    const int *__restrict__ outer_columns, // (|U_o|, d_o)
    const int *__restrict__ outer_tables,  // (|U_o|, d_o)
    const int *__restrict__ inner_columns, // (tables, |U_i|, d_i)
    int n, int batches, long long dy_row, long long x_row, long long dy_matrix,
    long long x_matrix) {
    const Place place = place_of_block();
    const Pattern pattern = {outer_columns, outer_tables, inner_columns};
    const int lane = thread_index() % 32, warp = thread_index() / 32;
    const int warp_k = warp % RBGP_WK, warp_r = warp / RBGP_WK % RBGP_WR;
    const int group = warp / (RBGP_WK * RBGP_WR);
    // Where this lane's rows of X lie in a stage: lanes name 16 rows, twice for two halves.
    int starts[RBGP_MC];
#pragma unroll
    for (int c = 0; c < RBGP_MC; ++c) {
        const int k = (warp_k * RBGP_MC + c) * 16 + lane % 16;
#if RBGP_COMPACT
        starts[c] = (group * RBGP_KS + k) * RBGP_ROW_STRIDE + lane / 16 * RBGP_PIECE;
#else
        starts[c] =
            row_of_value(pattern, place, group, k) * RBGP_ROW_STRIDE + lane / 16 * RBGP_PIECE;
#endif
    }
#if RBGP_COMPACT
    int *index = reinterpret_cast<int *>(shared_memory() + RBGP_INDEX_OFFSET);
    for (int i = thread_index(); i < RBGP_TG * RBGP_KS; i += RBGP_THREADS) {
        index[i] = row_of_value(pattern, place, i / RBGP_KS, i % RBGP_KS);
    }
    barrier();
#endif
    const int first_row = group * RBGP_GS + warp_r * (8 * RBGP_MR);
    const int steps = rounds(n, RBGP_BN), stages = steps * batches;
    float sums[RBGP_MC][RBGP_MR][4] = {};
#pragma unroll 1
    for (int s = 1 - RBGP_BUFFERS; s < stages; ++s) {
        if (s >= 0) {
            wait_copies<RBGP_BUFFERS - 2>();
            barrier();
        }
        // The barrier also ends the use of the stage that is filled now.
        const int next = s + RBGP_BUFFERS - 1;
        if (next < stages) {
            unsigned char *stage = shared_memory() + next % RBGP_BUFFERS * RBGP_STAGE_BYTES;
            const int batch = next / steps, first_column = next % steps * RBGP_BN;
            fill_operand(reinterpret_cast<Stored *>(stage), first_column, place,
                         all_x + batch * x_matrix, pattern, n, x_row);
            fill_gradient(reinterpret_cast<Stored *>(stage + RBGP_DY_OFFSET), first_column, place,
                          all_dy + batch * dy_matrix, n, dy_row);
        }
        commit_copies();
        if (s < 0) {
            continue;
        }
        const unsigned char *stage = shared_memory() + s % RBGP_BUFFERS * RBGP_STAGE_BYTES;
        const Stored *operand = reinterpret_cast<const Stored *>(stage);
        const Stored *gradient = reinterpret_cast<const Stored *>(stage + RBGP_DY_OFFSET) +
                                 (first_row + lane_row()) * RBGP_ROW_STRIDE +
                                 lane / 8 % 2 * RBGP_PIECE;
#pragma unroll 1
        for (int at = 0; at < RBGP_BN; at += RBGP_STEP) {
            unsigned left[RBGP_MC][4];
#pragma unroll
            for (int c = 0; c < RBGP_MC; ++c) {
                load_matrices(left[c], operand + starts[c] + at);
            }
            multiply_rows(sums, left, gradient + at, RBGP_ROW_STRIDE);
        }
    }
    wait_copies<0>();
    barrier();
    // The sums lie across the rows. They pass through shared memory to be stored along them.
    Stored *finished = reinterpret_cast<Stored *>(shared_memory());
#pragma unroll
    for (int r = 0; r < RBGP_MR; ++r) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
            Stored *row = finished + (first_row + 8 * r + lane % 4 * 2 + e) * RBGP_RESULT_STRIDE +
                          warp_k * (16 * RBGP_MC) + lane / 4;
#pragma unroll
            for (int c = 0; c < RBGP_MC; ++c) {
                from_sum(sums[c][r][e], row[16 * c]);
                from_sum(sums[c][r][e + 2], row[16 * c + 8]);
            }
        }
    }
    barrier();
    const int pieces = RBGP_CHUNK / RBGP_KV;
#pragma unroll 1
    for (int i = thread_index(); i < RBGP_TG * RBGP_GS * pieces; i += RBGP_THREADS) {
        const int row = i / pieces, k = i % pieces * RBGP_KV;
        const int g = place.first_g + row % RBGP_GS, u_i = place.first_u_i + row / RBGP_GS;
        if (g < RBGP_GROUP && u_i < RBGP_UI && place.first_value + k < RBGP_DEGREE) {
            *reinterpret_cast<Pack<Stored, RBGP_KV> *>(
                results +
                row_of(place.u_o, g, u_i) * static_cast<long long>(RBGP_DEGREE) +
                place.first_value + k) =
                *reinterpret_cast<const Pack<Stored, RBGP_KV> *>(
                    finished + row * RBGP_RESULT_STRIDE + k);
        }
    }
}
