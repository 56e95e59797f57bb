// Y = f(A X + b), for a batch of X, in float16 or bfloat16 with sums in float32, on sm_90a.
//
// X is seen as the tensor (V_o, V_r, V_i, V_b, N). The rows of X that a pair of neighbours
// (k_o, k_i) meets are the box [v_o, :, v_i, :, 64 columns], which one copy of the tensor memory
// accelerator brings. The values of a group's rows come as boxes of KC neighbours in a row. Both
// lie in shared memory as wgmma reads them.
//
// One warp fills a ring of stages, SP pairs each. The warpgroups multiply: with RBGP_SWAPPED the
// transposed product, 64 BLOCKS columns of X times NB rows of the group, else 64 rows of the group
// times NB columns. A block stays for many tiles, and the ring runs on between them.
#include "activation.cuh"
#include "hopper_units.cuh"
#include "pattern.cuh"

// Pairs of neighbours (k_o, k_i), and rows of X under one.
#define RBGP_NEIGHBOURS (RBGP_DO * RBGP_DI)
#define RBGP_PAIR_ROWS (RBGP_VR * RBGP_VB)
// Sums of a stage, and columns and rows of a block.
#define RBGP_KS (RBGP_SP * RBGP_PAIR_ROWS)
#define RBGP_SLABS (RBGP_BN / 64)
#define RBGP_ROWS (RBGP_BOX_R * RBGP_BOX_B)
#define RBGP_WARPGROUPS (RBGP_WR * RBGP_WC)
#if RBGP_SWAPPED
#define RBGP_PADDED_ROWS RBGP_NB
#define RBGP_RESULT_ROWS RBGP_NB
#define RBGP_RESULT_PARTS RBGP_BLOCKS
#else
#define RBGP_PADDED_ROWS (64 * RBGP_WR)
#define RBGP_RESULT_ROWS 64
#define RBGP_RESULT_PARTS (RBGP_NB / 64)
#endif
// Odd multiples of 16 bytes send neighbouring rows to different banks.
#define RBGP_RESULT_STRIDE 72

struct Place {
    int u_o;
    int u_i;
    int first_r;
    int first_b;
    int first_column;
    int batch;
};

RBGP_DEVICE int slices_of_rows() { return rounds(RBGP_UR, RBGP_BOX_R) * rounds(RBGP_UB, RBGP_BOX_B); }

RBGP_DEVICE long long count_places(int n, int batches) {
    return static_cast<long long>(RBGP_UO) * RBGP_UI * slices_of_rows() * rounds(n, RBGP_BN) *
           batches;
}

RBGP_DEVICE Place place_at(long long index, int n) {
    const int slices_b = rounds(RBGP_UB, RBGP_BOX_B), slices = slices_of_rows();
    Place place;
    place.first_b = static_cast<int>(index % slices % slices_b) * RBGP_BOX_B;
    place.first_r = static_cast<int>(index % slices / slices_b) * RBGP_BOX_R;
    index /= slices;
    place.u_i = static_cast<int>(index % RBGP_UI);
    index /= RBGP_UI;
    place.u_o = static_cast<int>(index % RBGP_UO);
    index /= RBGP_UO;
    place.first_column = static_cast<int>(index % rounds(n, RBGP_BN)) * RBGP_BN;
    place.batch = static_cast<int>(index / rounds(n, RBGP_BN));
    return place;
}

// Row of the matrix that is row `local` of the boxes, or -1 if the group has no such row.
RBGP_DEVICE long long row_at(const Place &place, int local) {
    const int u_r = place.first_r + local / RBGP_BOX_B, u_b = place.first_b + local % RBGP_BOX_B;
    const bool is_there = local < RBGP_ROWS && u_r < RBGP_UR && u_b < RBGP_UB;
    return is_there ? row_of(place.u_o, u_r * RBGP_UB + u_b, place.u_i) : -1;
}

// The ring of stages, and which of its rounds this thread is in.
struct Ring {
    int stage = 0;
    int parity = 0;
};

RBGP_DEVICE void advance(Ring &ring) {
    if (++ring.stage == RBGP_BUFFERS) {
        ring.stage = 0;
        ring.parity ^= 1;
    }
}

RBGP_DEVICE unsigned char *operand_of(int stage) {
    return tile_memory() + stage * RBGP_STAGE_BYTES;
}

RBGP_DEVICE unsigned char *values_of(int stage) {
    return operand_of(stage) + RBGP_SLABS * RBGP_KS * 128;
}

RBGP_DEVICE TransferBarrier *filled(int stage) {
    return reinterpret_cast<TransferBarrier *>(tile_memory() + RBGP_BARRIER_OFFSET) + stage;
}

RBGP_DEVICE TransferBarrier *emptied(int stage) { return filled(stage) + RBGP_BUFFERS; }

RBGP_DEVICE void fill_stage(int stage, int first, const Place &place, const TensorMap &values,
                            const TensorMap &x, const int *outer_columns, const int *outer_tables,
                            const int *inner_columns) {
    const int lane = thread_index() % 32;
    const int count = smaller(RBGP_SP, RBGP_NEIGHBOURS - first);
    const int boxes = count * RBGP_SLABS, chunks = rounds(count * RBGP_PAIR_ROWS, RBGP_KC);
    if (lane == 0) {
        // Boxes count in full, with what they have outside of their tensors.
        arrive_expecting(filled(stage), boxes * RBGP_PAIR_ROWS * 128 +
                                            chunks * RBGP_KC * RBGP_ROWS *
                                                static_cast<int>(sizeof(Stored)));
    }
    warp_barrier();
    for (int i = lane; i < boxes; i += 32) {
        const int slab = i % RBGP_SLABS, pair = i / RBGP_SLABS, in_row = first + pair;
        const int edge = place.u_o * RBGP_DO + in_row / RBGP_DI;
        const int v_i = inner_columns[(outer_tables[edge] * RBGP_UI + place.u_i) * RBGP_DI +
                                      in_row % RBGP_DI];
        load_box(operand_of(stage) + (slab * RBGP_KS + pair * RBGP_PAIR_ROWS) * 128, x,
                 filled(stage), place.first_column + 64 * slab, 0, v_i, 0,
                 outer_columns[edge] + place.batch * RBGP_VO);
    }
    for (int i = lane; i < chunks; i += 32) {
        // With |V_r| = 1 the values of neighbouring pairs are neighbours, and boxes span pairs.
        const int k = i * RBGP_KC, in_row = first + k / RBGP_PAIR_ROWS;
        const int v_r = k % RBGP_PAIR_ROWS / RBGP_VB;
        const int column = ((in_row / RBGP_DI * RBGP_VR + v_r) * RBGP_DI + in_row % RBGP_DI) *
                               RBGP_VB +
                           k % RBGP_VB;
        load_box(values_of(stage) + k * RBGP_PADDED_ROWS * static_cast<int>(sizeof(Stored)),
                 values, filled(stage), column, place.first_b, place.u_i,
                 place.u_o * RBGP_UR + place.first_r);
    }
}

// Adds the products of one stage.
RBGP_DEVICE void multiply_stage(float (&sums)[RBGP_BLOCKS][RBGP_NB / 2], int stage, int first,
                                int warpgroup) {
    const int wr = warpgroup % RBGP_WR, wc = warpgroup / RBGP_WR;
    const unsigned operand =
        shared_address(operand_of(stage)) + wc * (RBGP_SLABS / RBGP_WC) * RBGP_KS * 128;
    const unsigned weights = shared_address(values_of(stage)) + 64 * wr * (RBGP_KC * 2);
    const int sums_here = smaller(RBGP_SP, RBGP_NEIGHBOURS - first) * RBGP_PAIR_ROWS;
#pragma unroll 1
    for (int k = 0; k < sums_here; k += 16) {
        const int in_chunks = k / RBGP_KC * (RBGP_KC * RBGP_PADDED_ROWS) + k % RBGP_KC;
        const unsigned long long w =
            tile_descriptor(weights + in_chunks * 2, 16, 8 * RBGP_KC * 2, RBGP_KC * 2);
#pragma unroll
        for (int block = 0; block < RBGP_BLOCKS; ++block) {
            const unsigned long long x =
                tile_descriptor(operand + (block * RBGP_KS + k) * 128, RBGP_KS * 128, 1024, 128);
#if RBGP_SWAPPED
            multiply_tiles<RBGP_ACROSS, RBGP_ALONG>(sums[block], x, w, first + k > 0, Stored());
#else
            multiply_tiles<RBGP_ALONG, RBGP_ACROSS>(sums[block], w, x, first + k > 0, Stored());
#endif
        }
    }
}

// Sends 64 columns at a time through shared memory, to store along rows.
RBGP_DEVICE void store_results(const float (&sums)[RBGP_BLOCKS][RBGP_NB / 2], const Place &place,
                               Stored *y, const Sum *bias, int n, long long y_row,
                               int warpgroup) {
    const int lane = thread_index() % 32, warp = thread_index() / 32 % 4;
    const int wr = warpgroup % RBGP_WR, wc = warpgroup / RBGP_WR;
    const int first_row = 64 * wr, first_column = wc * (RBGP_BN / RBGP_WC);
    Stored *results = reinterpret_cast<Stored *>(tile_memory() + RBGP_RESULT_OFFSET) +
                      warpgroup * (RBGP_RESULT_ROWS * RBGP_RESULT_STRIDE);
#pragma unroll
    for (int part = 0; part < RBGP_RESULT_PARTS; ++part) {
#if RBGP_SWAPPED
#pragma unroll
        for (int j = 0; j < RBGP_NB / 8; ++j) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                const int local = 8 * j + lane % 4 * 2 + e;
                const long long row = row_at(place, local);
                const float offset = bias == nullptr || row < 0 ? 0.0f : bias[row];
                Stored *at = results + local * RBGP_RESULT_STRIDE + 16 * warp + lane / 4;
                from_sum(activate(sums[part][4 * j + e] + offset), at[0]);
                from_sum(activate(sums[part][4 * j + e + 2] + offset), at[8]);
            }
        }
#else
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int local = 16 * warp + 8 * half + lane / 4;
            const long long row = row_at(place, first_row + local);
            const float offset = bias == nullptr || row < 0 ? 0.0f : bias[row];
#pragma unroll
            for (int j = 0; j < 8; ++j) {
                Pack<Stored, 2> two;
                from_sum(activate(sums[0][32 * part + 4 * j + 2 * half] + offset), two.at[0]);
                from_sum(activate(sums[0][32 * part + 4 * j + 2 * half + 1] + offset), two.at[1]);
                *reinterpret_cast<Pack<Stored, 2> *>(results + local * RBGP_RESULT_STRIDE + 8 * j +
                                                     lane % 4 * 2) = two;
            }
        }
#endif
        warpgroup_barrier(warpgroup);
#pragma unroll 1
        for (int i = thread_index() % 128; i < RBGP_RESULT_ROWS * 8; i += 128) {
            const int local = i / 8, in_row = i % 8 * 8;
            const long long row = row_at(place, first_row + local);
            if (row >= 0) {
                write_row<8, 8>(y + row * y_row, place.first_column + first_column + 64 * part + in_row,
                                n,
                                *reinterpret_cast<const Pack<Stored, 8> *>(
                                    results + local * RBGP_RESULT_STRIDE + in_row));
            }
        }
        warpgroup_barrier(warpgroup);
    }
}

RBGP_ALONE rbgp_hopper(const RBGP_GRID_CONSTANT TensorMap values,  // (U_o U_r, U_i, U_b, degree)
                        const RBGP_GRID_CONSTANT TensorMap x,      // (batch V_o, V_r, V_i, V_b, n)
                        Stored *__restrict__ all_y,                // (batch, rows, n)
                        const Sum *__restrict__ bias,              // (rows,) or null
                        const int *__restrict__ outer_columns,     // (|U_o|, d_o)
                        const int *__restrict__ outer_tables,      // (|U_o|, d_o)
                        const int *__restrict__ inner_columns,     // (tables, |U_i|, d_i)
                        int n, int batches, long long y_row, long long y_matrix) {
    if (thread_index() == 0) {
        for (int stage = 0; stage < RBGP_BUFFERS; ++stage) {
            create_barrier(filled(stage), 1);
            create_barrier(emptied(stage), 4 * RBGP_WARPGROUPS);
        }
        publish_barriers();
    }
    barrier();
    const int warpgroup = uniform(thread_index() / 128);
    const long long places = count_places(n, batches);
    Ring ring;
    if (warpgroup == RBGP_WARPGROUPS) {
        for (long long at = block_index(); at < places; at += grid_blocks()) {
            const Place place = place_at(at, n);
#pragma unroll 1
            for (int first = 0; first < RBGP_NEIGHBOURS; first += RBGP_SP) {
                wait_for_phase(emptied(ring.stage), ring.parity ^ 1);
                fill_stage(ring.stage, first, place, values, x, outer_columns, outer_tables,
                           inner_columns);
                advance(ring);
            }
        }
        return;
    }
    const bool speaks = thread_index() % 32 == 0;
    for (long long at = block_index(); at < places; at += grid_blocks()) {
        const Place place = place_at(at, n);
        float sums[RBGP_BLOCKS][RBGP_NB / 2];
        int before = -1;
#pragma unroll 1
        for (int first = 0; first < RBGP_NEIGHBOURS; first += RBGP_SP) {
            wait_for_phase(filled(ring.stage), ring.parity);
#pragma unroll
            for (int block = 0; block < RBGP_BLOCKS; ++block) {
                settle(sums[block]);
            }
            begin_products();
            multiply_stage(sums, ring.stage, first, warpgroup);
            close_products();
            // The stage before is done with when only the products of this one are under way.
            wait_products<1>();
            if (speaks && before >= 0) {
                arrive(emptied(before));
            }
            before = ring.stage;
            advance(ring);
        }
        wait_products<0>();
#pragma unroll
        for (int block = 0; block < RBGP_BLOCKS; ++block) {
            settle(sums[block]);
        }
        if (speaks) {
            arrive(emptied(before));
        }
        store_results(sums, place, all_y + place.batch * y_matrix, bias, n, y_row, warpgroup);
    }
}
