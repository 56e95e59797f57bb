// Y = f(A X + b), for a batch of X, in float16 or bfloat16 with sums in float32, on sm_90a.
//
// X is seen as the tensor (V_o, V_r, V_i, V_b, N). The rows of X that a pair of neighbours
// (k_o, k_i) meets are the box [v_o, :, v_i, :, 64 columns], which one copy of the tensor memory
// accelerator brings. The values of a group's rows come as boxes of KC neighbours in a row. Both
// lie in shared memory as wgmma reads them. With RBGP_GROUPS > 1 a block computes that many u_i of
// one u_o: then the box is [v_o, :, :, :, 64 columns], and each u_i picks its rows where they lie.
//
// One warp fills a ring of stages: SP units each, pairs (k_o, k_i), or neighbours k_o with several
// u_i. The warpgroups multiply: with RBGP_SWAPPED the transposed product, 64 BLOCKS columns of X
// times NB rows of the group, else 64 rows of the group times NB columns. A block stays for many
// tiles, and the ring runs on between them. The blocks of a cluster work on the same rows and
// neighbouring columns (RBGP_ALONG_COLUMNS), or on neighbouring rows and the same columns. What
// they have in common, values or X, each of them brings a part of for all.
#define RBGP_WARPGROUPS (RBGP_WR * RBGP_WC)
#include "hopper_ring.cuh"
#include "hopper_tiles.cuh"

// Rows of X that one pair of neighbours (k_o, k_i) meets.
#define RBGP_PAIR_ROWS (RBGP_VR * RBGP_VB)
// Units of a row of the matrix, rows of X in one, and sums in one.
#if RBGP_GROUPS > 1
#define RBGP_UNITS RBGP_DO
#define RBGP_UNIT_ROWS (RBGP_VI * RBGP_PAIR_ROWS)
#define RBGP_UNIT_SUMS (RBGP_DI * RBGP_PAIR_ROWS)
#else
#define RBGP_UNITS (RBGP_DO * RBGP_DI)
#define RBGP_UNIT_ROWS RBGP_PAIR_ROWS
#define RBGP_UNIT_SUMS RBGP_PAIR_ROWS
#endif
// Rows of X and sums of a stage.
#define RBGP_KX (RBGP_SP * RBGP_UNIT_ROWS)
#define RBGP_KS (RBGP_SP * RBGP_UNIT_SUMS)
#define RBGP_SLABS (RBGP_BN / 64)
#define RBGP_NUMBER_BYTES static_cast<int>(sizeof(Stored))
#define RBGP_SHARES_X (RBGP_CLUSTER > 1 && !RBGP_ALONG_COLUMNS)
#define RBGP_SHARES_VALUES (RBGP_CLUSTER > 1 && RBGP_ALONG_COLUMNS)

// Blocks along the columns; those of a cluster may lie past the last column.
RBGP_DEVICE int slices_of_columns(int n) {
    const int together = RBGP_ALONG_COLUMNS ? RBGP_CLUSTER : 1;
    return rounds(n, RBGP_BN * together) * together;
}

RBGP_DEVICE long long count_places(int n, int batches) {
    return count_rows_of_tiles() * slices_of_columns(n) * batches;
}

RBGP_DEVICE Place place_at(long long index, int n) {
    // Neighbouring blocks are those of a cluster.
    const int together = RBGP_ALONG_COLUMNS ? RBGP_CLUSTER : 1;
    const unsigned columns = slices_of_columns(n) / together;
    const int in_cluster = static_cast<int>(index % together);
    index /= together;
    Place place;
    find_rows(place, index);
    // What is left counts pieces of X, which no memory holds more than 32 bits of.
    const unsigned piece = static_cast<unsigned>(index);
    place.first_column = (static_cast<int>(piece % columns) * together + in_cluster) * RBGP_BN;
    place.batch = static_cast<int>(piece / columns);
    return place;
}

RBGP_DEVICE unsigned char *values_of(int stage) {
    return stage_memory(stage) + RBGP_SLABS * RBGP_KX * 128;
}

// Where the 16 rows of X of each product lie, for each of several u_i.
RBGP_DEVICE unsigned *steps_of(int stage) {
    return reinterpret_cast<unsigned *>(values_of(stage) + RBGP_GROUPS * RBGP_KS *
                                                               RBGP_PADDED_ROWS *
                                                               RBGP_NUMBER_BYTES);
}

// Row of a stage that is the partner of sum k of a unit of u_i.
RBGP_DEVICE int row_of_sum(int k, int u_i, const int *inner_columns) {
    const int v_r = k / (RBGP_DI * RBGP_VB), k_i = k / RBGP_VB % RBGP_DI;
    return (v_r * RBGP_VI + inner_columns[u_i * RBGP_DI + k_i]) * RBGP_VB + k % RBGP_VB;
}

RBGP_DEVICE void fill_stage(int stage, int first, const Place &place, const TensorMap &values,
                            const TensorMap &x, const int *outer_columns, const int *outer_tables,
                            const int *inner_columns) {
    const int lane = thread_index() & 31;
    const int count = smaller(RBGP_SP, RBGP_UNITS - first);
    const int boxes = count * RBGP_SLABS, chunks = rounds(count * RBGP_UNIT_SUMS, RBGP_KC);
#if RBGP_GROUPS > 1
    const int steps = RBGP_KS / 16, steps_of_unit = RBGP_UNIT_SUMS / 16;
    for (int i = lane; i < RBGP_GROUPS * count * steps_of_unit; i += 32) {
        const int group = i / (count * steps_of_unit), step = i % (count * steps_of_unit);
        const int unit = step / steps_of_unit, k = step % steps_of_unit * 16;
        const int *own = inner_columns +
                         outer_tables[place.u_o * RBGP_DO + first + unit] * RBGP_UI * RBGP_DI;
        const int row = row_of_sum(k, place.u_i + group, own);
        // The next eight sums may belong to another neighbour.
        const int apart = row_of_sum(k + 8, place.u_i + group, own) - row;
        steps_of(stage)[group * steps + step] =
            static_cast<unsigned>(unit * RBGP_UNIT_ROWS + row) | static_cast<unsigned>(apart) << 16;
    }
    warp_barrier();
#endif
    if (lane == 0) {
        // Boxes count in full, with what they have outside of their tensors, and whoever sends
        // for them.
        arrive_expecting(filled(stage),
                         boxes * RBGP_UNIT_ROWS * 128 + RBGP_GROUPS * chunks * RBGP_KC * RBGP_ROWS *
                                                            RBGP_NUMBER_BYTES);
    }
    warp_barrier();
    for (int i = lane; i < boxes; i += 32) {
        const int slab = i % RBGP_SLABS, unit = i / RBGP_SLABS, in_row = first + unit;
#if RBGP_GROUPS > 1
        const int edge = place.u_o * RBGP_DO + in_row, v_i = 0;
#else
        const int edge = place.u_o * RBGP_DO + in_row / RBGP_DI;
        const int v_i = inner_columns[(outer_tables[edge] * RBGP_UI + place.u_i) * RBGP_DI +
                                      in_row % RBGP_DI];
#endif
        bring_box<RBGP_SHARES_X>(
            i, stage_memory(stage) + (slab * RBGP_KX + unit * RBGP_UNIT_ROWS) * 128, x,
            filled(stage), place.first_column + 64 * slab, 0, v_i, 0,
            outer_columns[edge] + place.batch * RBGP_VO);
    }
    for (int i = lane; i < RBGP_GROUPS * chunks; i += 32) {
        const int group = i / chunks, k = i % chunks * RBGP_KC;
#if RBGP_GROUPS > 1
        const int column = first * RBGP_UNIT_SUMS + k;
#else
        // With |V_r| = 1 the values of neighbouring pairs are neighbours, and boxes span pairs.
        const int in_row = first + k / RBGP_PAIR_ROWS, v_r = k % RBGP_PAIR_ROWS / RBGP_VB;
        const int column = ((in_row / RBGP_DI * RBGP_VR + v_r) * RBGP_DI + in_row % RBGP_DI) *
                               RBGP_VB +
                           k % RBGP_VB;
#endif
        bring_box<RBGP_SHARES_VALUES>(
            i, values_of(stage) + (group * RBGP_KS + k) * RBGP_PADDED_ROWS * RBGP_NUMBER_BYTES,
            values, filled(stage), column, place.first_b, place.u_i + group,
            place.u_o * RBGP_UR + place.first_r);
    }
}

// Adds the products of a stage of so many units. Their number has to be known to the compiler:
// between products in a loop it puts a wait for all of them.
RBGP_DEVICE void multiply_stage(Sums &sums, int stage, int first, int units, int warpgroup) {
    const int wr = warpgroup % RBGP_WR, wc = warpgroup / RBGP_WR;
    const unsigned operand =
        shared_address(stage_memory(stage)) + wc * (RBGP_SLABS / RBGP_WC) * RBGP_KX * 128;
    const unsigned weights = shared_address(values_of(stage)) + 64 * wr * (RBGP_KC * 2);
    begin_products();
#pragma unroll
    for (int group = 0; group < RBGP_GROUPS; ++group) {
#pragma unroll
        for (int k = 0; k < units * RBGP_UNIT_SUMS; k += 16) {
            const int in_chunks = group * RBGP_KS * RBGP_PADDED_ROWS +
                                  k / RBGP_KC * (RBGP_KC * RBGP_PADDED_ROWS) + k % RBGP_KC;
            const unsigned long long w =
                tile_descriptor(weights + in_chunks * 2, 16, 8 * RBGP_KC * 2, RBGP_KC * 2);
#if RBGP_GROUPS > 1
            const unsigned step = steps_of(stage)[group * (RBGP_KS / 16) + k / 16];
            const int row = static_cast<int>(step & 0xffff), apart = static_cast<int>(step >> 16);
#else
            const int row = k, apart = 8;
#endif
#pragma unroll
            for (int block = 0; block < RBGP_BLOCKS; ++block) {
                const unsigned long long x = tile_descriptor(
                    operand + (block * RBGP_KX + row) * 128, RBGP_KX * 128, apart * 128, 128);
                float(&own)[RBGP_NB / 2] = sums[group * RBGP_BLOCKS + block];
#if RBGP_SWAPPED
                multiply_tiles<RBGP_ACROSS, RBGP_ALONG>(own, x, w, first + k > 0, Stored());
#else
                multiply_tiles<RBGP_ALONG, RBGP_ACROSS>(own, w, x, first + k > 0, Stored());
#endif
            }
        }
    }
}

RBGP_DEVICE void use_stage(Sums &sums, Ring &ring, int first, int units, int warpgroup) {
    wait_for_phase(filled(ring.stage), ring.parity);
    settle_all(sums);
    multiply_stage(sums, ring.stage, first, units, warpgroup);
    close_products();
    // The stage before is done with when only the products of this one are under way.
    wait_products<1>();
    if (first > 0) {
        release(before(ring));
    }
    advance(ring);
}

RBGP_ALONE rbgp_hopper(const RBGP_GRID_CONSTANT TensorMap values,  // (U_o U_r, U_i, U_b, degree)
                        const RBGP_GRID_CONSTANT TensorMap x,      // (batch V_o, V_r, V_i, V_b, n)
#if RBGP_BOXED
                        const RBGP_GRID_CONSTANT TensorMap all_y,  // (batch U_o, U_r, U_i, U_b, n)
#else
                        Stored *__restrict__ all_y,                // (batch, rows, n)
#endif
                        const Sum *__restrict__ bias,              // (rows,) or null
                        const int *__restrict__ outer_columns,     // (|U_o|, d_o)
                        const int *__restrict__ outer_tables,      // (|U_o|, d_o)
                        const int *__restrict__ inner_columns,     // (tables, |U_i|, d_i)
                        int n, int batches, long long y_row, long long y_matrix) {
    begin_ring();
    const int warpgroup = uniform(thread_index() / 128);
    const long long places = count_places(n, batches);
    if (warpgroup == RBGP_WARPGROUPS) {
        fill_ring(places, [&](long long at, Ring &ring) {
            const Place place = place_at(at, n);
#pragma unroll 1
            for (int first = 0; first < RBGP_UNITS; first += RBGP_SP) {
                watch_for_phase(emptied(ring.stage), ring.parity ^ 1);
                fill_stage(ring.stage, first, place, values, x, outer_columns, outer_tables,
                           inner_columns);
                advance(ring);
            }
        });
    } else {
        Ring ring;
        if (RBGP_WARPGROUPS > 1) {
            take_registers<RBGP_MANY_REGISTERS>();
        }
        int turn = 0;
        for (long long at = block_index(); at < places; at += grid_blocks()) {
            Sums sums;
            int first = 0;
#pragma unroll 1
            for (; first + RBGP_SP <= RBGP_UNITS; first += RBGP_SP) {
                use_stage(sums, ring, first, RBGP_SP, warpgroup);
            }
            if (RBGP_UNITS % RBGP_SP != 0) {
                use_stage(sums, ring, first, RBGP_UNITS % RBGP_SP, warpgroup);
            }
            wait_products<0>();
            settle_all(sums);
            release(before(ring));
            const Place place = place_at(at, n);
#if RBGP_BOXED
            store_results(sums, place, all_y, bias, n, y_row, warpgroup, turn);
#else
            store_results(sums, place, all_y + place.batch * y_matrix, bias, n, y_row, warpgroup,
                          turn);
#endif
        }
#if RBGP_BOXED
        // Shared memory is given back when the block ends.
        wait_stores<0>();
#endif
    }
    end_ring();
}
