// Y = f(A X + b), for a batch of X.
//
// A block computes the columns [first, first + BN) of the row groups u_i of some inner vertices of
// one outer row u_o. It walks over the pairs (k_o, v_r) of that row, so tiles that G_o leaves out
// cost nothing. A stage holds the slabs of X of a few pairs, the values that meet them and the
// list of the rows that each group needs. A thread sums RT rows of one group times NV vectors of
// columns: it reads an index once and an entry of X once, and uses both for RT rows.
//
// Without stages (RBGP_STAGED 0, for slabs that do not fit) threads read all from global memory.
#include "activation.cuh"
#include "pattern.cuh"

#define RBGP_BN (RBGP_TN * RBGP_NV * RBGP_XV)
// Rows of a group in one block.
#define RBGP_GS (RBGP_LR * RBGP_RT)

#include "block_place.cuh"

#if RBGP_STAGED
// Starts to fill a stage with the pairs [first, first + count).
RBGP_DEVICE void fill_stage(unsigned char *stage, int first, int count, const Place &place,
                            const Stored *values, const Stored *x, const int *outer_columns,
                            const int *outer_tables, const int *inner_columns, int n,
                            long long x_row) {
    Stored *slabs = reinterpret_cast<Stored *>(stage);
    const int vectors = RBGP_BN / RBGP_GV;
#pragma unroll 1
    for (int pair = 0; pair < count; ++pair) {
        const int k_o = (first + pair) / RBGP_VR, v_r = (first + pair) % RBGP_VR;
        const Stored *from =
            x + first_row_of_slab(outer_columns[place.u_o * RBGP_DO + k_o], v_r) * x_row;
        for (int i = thread_index(); i < RBGP_SLAB * vectors; i += RBGP_THREADS) {
            const int row = i / vectors, in_row = i % vectors * RBGP_GV;
            const int column = place.first_column + in_row;
            const bool is_there = column < n;
            copy_to_shared<RBGP_GV * sizeof(Stored)>(
                slabs + (pair * RBGP_SLAB + row) * RBGP_BN + in_row,
                is_there ? from + row * x_row + column : x, is_there);
        }
    }
    Stored *weights = reinterpret_cast<Stored *>(stage + RBGP_W_OFFSET);
    const int pieces = count * RBGP_PAIR / RBGP_KV;
#pragma unroll 2
    for (int i = thread_index(); i < RBGP_TG * RBGP_GS * pieces; i += RBGP_THREADS) {
        const int row = i / pieces, k = i % pieces * RBGP_KV;
        const int g = place.first_g + row % RBGP_GS, u_i = place.first_u_i + row / RBGP_GS;
        const bool is_there = g < RBGP_GROUP && u_i < RBGP_UI;
        const long long at =
            is_there ? row_of(place.u_o, g, u_i) * (RBGP_PAIRS * static_cast<long long>(RBGP_PAIR)) +
                           first * static_cast<long long>(RBGP_PAIR) + k
                     : 0;
        copy_to_shared<RBGP_KV * sizeof(Stored)>(weights + row * RBGP_W_STRIDE + k, values + at,
                                                 is_there);
    }
    int *index = reinterpret_cast<int *>(stage + RBGP_INDEX_OFFSET);
#pragma unroll 1
    for (int i = thread_index(); i < RBGP_TG * count * RBGP_DI; i += RBGP_THREADS) {
        const int group = i / (count * RBGP_DI), entry = i % (count * RBGP_DI);
        const int pair = entry / RBGP_DI, k_i = entry % RBGP_DI;
        const int u_i = smaller(place.first_u_i + group, RBGP_UI - 1);
        const int edge = place.u_o * RBGP_DO + (first + pair) / RBGP_VR;
        const int v_i = inner_columns[(outer_tables[edge] * RBGP_UI + u_i) * RBGP_DI + k_i];
        index[group * RBGP_INDEX_STRIDE + entry] = (pair * RBGP_VI + v_i) * RBGP_VB * RBGP_BN;
    }
}
#endif

RBGP_DEVICE void multiply(Sum (&sums)[RBGP_RT][RBGP_NV][RBGP_XV], const Sum (&weights)[RBGP_RT],
                          const Pack<Stored, RBGP_XV> (&x)[RBGP_NV]) {
#pragma unroll
    for (int v = 0; v < RBGP_NV; ++v) {
#pragma unroll
        for (int e = 0; e < RBGP_XV; ++e) {
            const Sum entry = to_sum(x[v].at[e]);
#pragma unroll
            for (int j = 0; j < RBGP_RT; ++j) {
                sums[j][v][e] += weights[j] * entry;
            }
        }
    }
}

RBGP_KERNEL rbgp_forward(const Stored *__restrict__ values,     // (rows, row_degree)
                         const Stored *__restrict__ all_x,      // (batch, cols, n)
                         Stored *__restrict__ all_y,            // (batch, rows, n)
                         const Sum *__restrict__ bias,          // (rows,) or null
                         const int *__restrict__ outer_columns, // (|U_o|, d_o)
                         const int *__restrict__ outer_tables,  // (|U_o|, d_o)
                         const int *__restrict__ inner_columns, // (tables, |U_i|, d_i)
                         int n, int batches, long long x_row, long long y_row,
                         long long x_matrix, long long y_matrix) {
    const Place place = place_of_block();
    // Lanes go along the columns first, then along the rows of a group: lanes of the same columns
    // read the same words of shared memory.
    const int lane_n = thread_index() % RBGP_TN;
    const int lane_r = thread_index() / RBGP_TN % RBGP_LR;
    const int group = thread_index() / (RBGP_TN * RBGP_LR);
    const int u_i = place.first_u_i + group, first_g = place.first_g + lane_r;

    for (int batch = batch_index(); batch < batches; batch += batch_step()) {
        const Stored *x = all_x + batch * x_matrix;
        Sum sums[RBGP_RT][RBGP_NV][RBGP_XV] = {};
#if RBGP_STAGED
        const int stages = rounds(RBGP_PAIRS, RBGP_SV);
#pragma unroll
        for (int s = 0; s < RBGP_BUFFERS - 1; ++s) {
            if (s < stages) {
                fill_stage(shared_memory() + s * RBGP_STAGE_BYTES, s * RBGP_SV,
                           smaller(RBGP_SV, RBGP_PAIRS - s * RBGP_SV), place, values, x,
                           outer_columns, outer_tables, inner_columns, n, x_row);
            }
            commit_copies();
        }
        for (int s = 0; s < stages; ++s) {
            wait_copies<RBGP_BUFFERS - 2>();
            barrier();
            // The barrier also ends the use of the stage that is filled now.
            const int next = s + RBGP_BUFFERS - 1;
            if (next < stages) {
                fill_stage(shared_memory() + next % RBGP_BUFFERS * RBGP_STAGE_BYTES,
                           next * RBGP_SV, smaller(RBGP_SV, RBGP_PAIRS - next * RBGP_SV), place,
                           values, x, outer_columns, outer_tables, inner_columns, n, x_row);
            }
            commit_copies();
            const unsigned char *stage = shared_memory() + s % RBGP_BUFFERS * RBGP_STAGE_BYTES;
            const Stored *slabs = reinterpret_cast<const Stored *>(stage) + lane_n * RBGP_XV;
            const Stored *rows = reinterpret_cast<const Stored *>(stage + RBGP_W_OFFSET) +
                                 (group * RBGP_GS + lane_r) * RBGP_W_STRIDE;
            const int *index = reinterpret_cast<const int *>(stage + RBGP_INDEX_OFFSET) +
                               group * RBGP_INDEX_STRIDE;
            const int count = smaller(RBGP_SV, RBGP_PAIRS - s * RBGP_SV) * RBGP_PAIR;
#pragma unroll 1
            for (int k = 0; k < count; k += RBGP_KV) {
                Pack<Stored, RBGP_KV> weights[RBGP_RT];
#pragma unroll
                for (int j = 0; j < RBGP_RT; ++j) {
                    weights[j] = *reinterpret_cast<const Pack<Stored, RBGP_KV> *>(
                        rows + j * RBGP_LR * RBGP_W_STRIDE + k);
                }
#pragma unroll
                for (int q = 0; q < RBGP_KV; ++q) {
                    const Stored *row =
                        slabs + index[(k + q) / RBGP_VB] + (k + q) % RBGP_VB * RBGP_BN;
                    Pack<Stored, RBGP_XV> entries[RBGP_NV];
                    Sum factors[RBGP_RT];
#pragma unroll
                    for (int v = 0; v < RBGP_NV; ++v) {
                        entries[v] = *reinterpret_cast<const Pack<Stored, RBGP_XV> *>(
                            row + v * (RBGP_TN * RBGP_XV));
                    }
#pragma unroll
                    for (int j = 0; j < RBGP_RT; ++j) {
                        factors[j] = to_sum(weights[j].at[q]);
                    }
                    multiply(sums, factors, entries);
                }
            }
        }
        barrier();
#else
        const int last_u_i = smaller(u_i, RBGP_UI - 1);
        for (int pair = 0; pair < RBGP_PAIRS; ++pair) {
            const int edge = place.u_o * RBGP_DO + pair / RBGP_VR;
            const Stored *slab =
                x + first_row_of_slab(outer_columns[edge], pair % RBGP_VR) * x_row;
            const int *index =
                inner_columns + (outer_tables[edge] * RBGP_UI + last_u_i) * RBGP_DI;
            for (int k = 0; k < RBGP_PAIR; ++k) {
                const Stored *row =
                    slab + (index[k / RBGP_VB] * static_cast<long long>(RBGP_VB) + k % RBGP_VB) *
                               x_row;
                Pack<Stored, RBGP_XV> entries[RBGP_NV];
                Sum factors[RBGP_RT];
#pragma unroll
                for (int v = 0; v < RBGP_NV; ++v) {
                    entries[v] = read_row<RBGP_XV, RBGP_GV>(
                        row, place.first_column + (v * RBGP_TN + lane_n) * RBGP_XV, n);
                }
#pragma unroll
                for (int j = 0; j < RBGP_RT; ++j) {
                    const int g = smaller(first_g + j * RBGP_LR, RBGP_GROUP - 1);
                    factors[j] = to_sum(values[row_of(place.u_o, g, last_u_i) *
                                                   (RBGP_PAIRS * static_cast<long long>(RBGP_PAIR)) +
                                               pair * static_cast<long long>(RBGP_PAIR) + k]);
                }
                multiply(sums, factors, entries);
            }
        }
#endif
        if (u_i < RBGP_UI) {
#pragma unroll
            for (int j = 0; j < RBGP_RT; ++j) {
                const int g = first_g + j * RBGP_LR;
                if (g < RBGP_GROUP) {
                    const long long row = row_of(place.u_o, g, u_i);
                    const Sum offset = bias == nullptr ? Sum(0) : bias[row];
#pragma unroll
                    for (int v = 0; v < RBGP_NV; ++v) {
                        Pack<Stored, RBGP_XV> finished;
#pragma unroll
                        for (int e = 0; e < RBGP_XV; ++e) {
                            from_sum(activate(sums[j][v][e] + offset), finished.at[e]);
                        }
                        write_row<RBGP_XV, RBGP_GV>(
                            all_y + batch * y_matrix + row * y_row,
                            place.first_column + (v * RBGP_TN + lane_n) * RBGP_XV, n, finished);
                    }
                }
            }
        }
    }
}
