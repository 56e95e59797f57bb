// Y = f(A X + b), for a batch of X, with sums in float32, from sm_80 on. The numbers are float16 or
// bfloat16; or float32, rounded to tf32 before they are multiplied.
//
// The operands change places: the tensor cores compute the transposed product of a group,
// columns of X times rows of W, so a group of G rows costs ceil(G / 8) and not ceil(G / 16) steps.
// Each lane names the row that it loads from shared memory, so the rows that a group needs are
// gathered from the slabs at no cost.
//
// A block computes BN columns of the rows of TG groups of one outer row u_o; a warp computes
// 8 MR rows of one group times 16 MC columns. A stage holds the slabs of a few pairs (k_o, v_r),
// one row of zeros for values beyond the last, the values, and for each group the places of its
// rows. With RBGP_COMPACT it holds copies of just the rows that each group needs instead, and the
// RBGP_CHUNK values of a row in a stage may begin inside of a pair.
#include "activation.cuh"
#include "warp_sums.cuh"

#define RBGP_BN (16 * RBGP_MC * RBGP_WN)
// Rows of a group in one block.
#define RBGP_GS (8 * RBGP_MR * RBGP_WR)
#define RBGP_DEGREE (RBGP_PAIRS * RBGP_PAIR)

#include "block_place.cuh"

// v_i of the neighbour that a value of a row meets, on an edge of its outer row.
RBGP_DEVICE int inner_column(const Pattern &pattern, int edge, int u_i, int value) {
    const int at = (pattern.outer_tables[edge] * RBGP_UI + smaller(u_i, RBGP_UI - 1)) * RBGP_DI;
    return pattern.inner_columns[at + value % RBGP_PAIR / RBGP_VB];
}

// Here and below: values [first, first + count) of each row.
RBGP_DEVICE void fill_operand(Stored *rows, int first, int count, const Place &place,
                              const Stored *x, const Pattern &pattern, int n, long long x_row) {
    const int vectors = RBGP_BN / RBGP_GV;
#if RBGP_COMPACT
#pragma unroll 1
    for (int i = thread_index(); i < RBGP_TG * RBGP_KS * vectors; i += RBGP_THREADS) {
        const int row = i / vectors, in_row = i % vectors * RBGP_GV, k = row % RBGP_KS;
        const int column = place.first_column + in_row;
        const Stored *from = x;
        const bool is_there = k < count && column < n;
        if (is_there) {
            const int value = first + k, pair = value / RBGP_PAIR;
            const int edge = place.u_o * RBGP_DO + pair / RBGP_VR;
            const int v_i = inner_column(pattern, edge, place.first_u_i + row / RBGP_KS, value);
            from = x + column +
                   (first_row_of_slab(pattern.outer_columns[edge], pair % RBGP_VR) +
                    v_i * static_cast<long long>(RBGP_VB) + value % RBGP_VB) *
                       x_row;
        }
        copy_to_shared<RBGP_GV * sizeof(Stored)>(rows + row * RBGP_ROW_STRIDE + in_row, from,
                                                 is_there);
    }
#else
#pragma unroll 1
    for (int j = 0; j < count / RBGP_PAIR; ++j) {
        const int pair = first / RBGP_PAIR + j, edge = place.u_o * RBGP_DO + pair / RBGP_VR;
        const Stored *slab =
            x + first_row_of_slab(pattern.outer_columns[edge], pair % RBGP_VR) * x_row;
#pragma unroll 2
        for (int i = thread_index(); i < RBGP_SLAB * vectors; i += RBGP_THREADS) {
            const int row = i / vectors, in_row = i % vectors * RBGP_GV;
            const int column = place.first_column + in_row;
            const bool is_there = column < n;
            copy_to_shared<RBGP_GV * sizeof(Stored)>(
                rows + (j * RBGP_SLAB + row) * RBGP_ROW_STRIDE + in_row,
                is_there ? slab + row * x_row + column : x, is_there);
        }
    }
#endif
}

RBGP_DEVICE void fill_values(Stored *rows, int first, int count, const Place &place,
                             const Stored *values) {
    const int pieces = RBGP_KS / RBGP_KV;
#pragma unroll 1
    for (int i = thread_index(); i < RBGP_TG * RBGP_GS * pieces; i += RBGP_THREADS) {
        const int row = i / pieces, k = i % pieces * RBGP_KV;
        const int g = place.first_g + row % RBGP_GS, u_i = place.first_u_i + row / RBGP_GS;
        const bool is_there = k < count && g < RBGP_GROUP && u_i < RBGP_UI;
        const long long at =
            is_there ? row_of(place.u_o, g, u_i) * RBGP_DEGREE + first + k : 0;
        copy_to_shared<RBGP_KV * sizeof(Stored)>(rows + row * RBGP_W_STRIDE + k, values + at,
                                                 is_there);
    }
}

#if !RBGP_COMPACT
// For each group and each value of the stage: where its row of the operand begins.
RBGP_DEVICE void fill_index(int *index, Stored *rows, int first, int count, const Place &place,
                            const Pattern &pattern) {
    const int zeros = RBGP_SV * RBGP_SLAB * RBGP_ROW_STRIDE;
#pragma unroll 1
    for (int i = thread_index(); i < RBGP_TG * RBGP_KS; i += RBGP_THREADS) {
        const int k = i % RBGP_KS, pair = k / RBGP_PAIR;
        int start = zeros;
        if (k < count) {
            const int edge = place.u_o * RBGP_DO + (first / RBGP_PAIR + pair) / RBGP_VR;
            const int v_i = inner_column(pattern, edge, place.first_u_i + i / RBGP_KS, k);
            start = ((pair * RBGP_VI + v_i) * RBGP_VB + k % RBGP_VB) * RBGP_ROW_STRIDE;
        }
        index[i] = start;
    }
    for (int i = thread_index(); i < RBGP_BN; i += RBGP_THREADS) {
        from_sum(0.0f, rows[zeros + i]);
    }
}
#endif

RBGP_DEVICE void fill_stage(int s, const Place &place, const Stored *values, const Stored *x,
                            const Pattern &pattern, int n, long long x_row) {
    unsigned char *stage = shared_memory() + s % RBGP_BUFFERS * RBGP_STAGE_BYTES;
    Stored *rows = reinterpret_cast<Stored *>(stage);
    const int first = s * RBGP_CHUNK, count = smaller(RBGP_CHUNK, RBGP_DEGREE - first);
    fill_operand(rows, first, count, place, x, pattern, n, x_row);
    fill_values(reinterpret_cast<Stored *>(stage + RBGP_W_OFFSET), first, count, place, values);
#if !RBGP_COMPACT
    // Whole stages of a plain pattern at whole rows of pairs all have the same index.
    if (RBGP_TWISTED || s < RBGP_BUFFERS || count < RBGP_CHUNK) {
        fill_index(reinterpret_cast<int *>(stage + RBGP_INDEX_OFFSET), rows, first, count, place,
                   pattern);
    }
#endif
}

RBGP_KERNEL rbgp_tensor_core(const Stored *__restrict__ values,     // (rows, row_degree)
                             const Stored *__restrict__ all_x,      // (batch, cols, n)
                             Stored *__restrict__ all_y,            // (batch, rows, n)
                             const Sum *__restrict__ bias,          // (rows,) or null
                             const int *__restrict__ outer_columns, // (|U_o|, d_o)
                             const int *__restrict__ outer_tables,  // (|U_o|, d_o)
                             const int *__restrict__ inner_columns, // (tables, |U_i|, d_i)
                             int n, int batches, long long x_row,
                             long long y_row, long long x_matrix, long long y_matrix) {
    const Place place = place_of_block();
    const Pattern pattern = {outer_columns, outer_tables, inner_columns};
    const int lane = thread_index() % 32, warp = thread_index() / 32;
    const int warp_n = warp % RBGP_WN, warp_r = warp / RBGP_WN % RBGP_WR;
    const int group = warp / (RBGP_WN * RBGP_WR);
    const int stages = rounds(RBGP_DEGREE, RBGP_CHUNK);
    // Which rows of a step this lane reads, from which of 16 columns on (see `read_across`).
    const bool is_transposed = sizeof(Stored) == 2;
    const int lane_k = is_transposed ? lane / 16 * 8 + lane % 8 : lane % 4;
    const int lane_n = is_transposed ? lane / 8 % 2 * 8 : lane / 4;
    const int lane_rows = sizeof(Stored) / 2;

    for (int batch = batch_index(); batch < batches; batch += batch_step()) {
        const Stored *x = all_x + batch * x_matrix;
        float sums[RBGP_MC][RBGP_MR][4] = {};
#pragma unroll
        for (int s = 0; s < RBGP_BUFFERS - 1; ++s) {
            if (s < stages) {
                fill_stage(s, place, values, x, pattern, n, x_row);
            }
            commit_copies();
        }
#pragma unroll 1
        for (int s = 0; s < stages; ++s) {
            wait_copies<RBGP_BUFFERS - 2>();
            barrier();
            // The barrier also ends the use of the stage that is filled now.
            if (s + RBGP_BUFFERS - 1 < stages) {
                fill_stage(s + RBGP_BUFFERS - 1, place, values, x, pattern, n, x_row);
            }
            commit_copies();
            const unsigned char *stage = shared_memory() + s % RBGP_BUFFERS * RBGP_STAGE_BYTES;
            const Stored *operand = reinterpret_cast<const Stored *>(stage) + lane_n +
                                    warp_n * (16 * RBGP_MC);
            const Stored *weights = reinterpret_cast<const Stored *>(stage + RBGP_W_OFFSET) +
                                    (group * RBGP_GS + warp_r * (8 * RBGP_MR) + lane_row()) *
                                        RBGP_W_STRIDE +
                                    lane / 8 % 2 * RBGP_PIECE;
#if !RBGP_COMPACT
            const int *index =
                reinterpret_cast<const int *>(stage + RBGP_INDEX_OFFSET) + group * RBGP_KS;
#endif
#pragma unroll 1
            for (int k = 0; k < RBGP_KS; k += RBGP_STEP) {
                int rows[lane_rows];
#pragma unroll
                for (int i = 0; i < lane_rows; ++i) {
                    const int at = k + lane_k + 4 * i;
#if RBGP_COMPACT
                    rows[i] = (group * RBGP_KS + at) * RBGP_ROW_STRIDE;
#else
                    rows[i] = index[at];
#endif
                }
                unsigned left[RBGP_MC][4];
#pragma unroll
                for (int c = 0; c < RBGP_MC; ++c) {
                    read_across(left[c], operand + 16 * c, rows);
                }
                multiply_rows(sums, left, weights + k, RBGP_W_STRIDE);
            }
        }
        wait_copies<0>();
        barrier();
        // The sums lie across the rows. They pass through shared memory to be stored along them.
        Stored *results = reinterpret_cast<Stored *>(shared_memory());
#pragma unroll
        for (int r = 0; r < RBGP_MR; ++r) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                const int in_group = warp_r * (8 * RBGP_MR) + 8 * r + lane % 4 * 2 + e;
                const int g = smaller(place.first_g + in_group, RBGP_GROUP - 1);
                const int u_i = smaller(place.first_u_i + group, RBGP_UI - 1);
                const float offset = bias == nullptr ? 0.0f : bias[row_of(place.u_o, g, u_i)];
                Stored *row = results + (group * RBGP_GS + in_group) * RBGP_ROW_STRIDE +
                              warp_n * (16 * RBGP_MC) + lane / 4;
#pragma unroll
                for (int c = 0; c < RBGP_MC; ++c) {
                    from_sum(activate(sums[c][r][e] + offset), row[16 * c]);
                    from_sum(activate(sums[c][r][e + 2] + offset), row[16 * c + 8]);
                }
            }
        }
        barrier();
        const int vectors = RBGP_BN / RBGP_PIECE;
#pragma unroll 1
        for (int i = thread_index(); i < RBGP_TG * RBGP_GS * vectors; i += RBGP_THREADS) {
            const int row = i / vectors, in_row = i % vectors * RBGP_PIECE;
            const int g = place.first_g + row % RBGP_GS, u_i = place.first_u_i + row / RBGP_GS;
            if (g < RBGP_GROUP && u_i < RBGP_UI) {
                write_row<RBGP_PIECE, RBGP_GV>(
                    all_y + batch * y_matrix + row_of(place.u_o, g, u_i) * y_row,
                    place.first_column + in_row, n,
                    *reinterpret_cast<const Pack<Stored, RBGP_PIECE> *>(
                        results + row * RBGP_ROW_STRIDE + in_row));
            }
        }
        barrier();
    }
}
