// The products dY X^T at the nonzeros of A, summed over n and over the batch, in float16 or
// bfloat16 with sums in float32, on sm_90a.
//
// Both operands are seen as tensors of five axes, dY as (U_o, U_r, U_i, U_b, N) and X as
// (V_o, V_r, V_i, V_b, N). A stage holds 64 SLABS columns of them: of the rows of a group in one
// box of dY, and of the rows of X that the values of the tile meet. A unit of these is the box
// [v_o, v_r, v_i, :, 64 columns] of a triple (k_o, v_r, k_i); with RBGP_WHOLE it is the whole slab
// [v_o, v_r, :, :, 64 columns] of a pair (k_o, v_r), which serves RBGP_GROUPS u_i of one u_o.
//
// A product of a warpgroup is that of 64 rows of X, one for each of 64 neighbouring values of a
// row, with NB rows of a group. Those of dY lie in shared memory as wgmma reads them. Those of X
// come to registers first: each lane of `ldmatrix` names the row that it loads, so that the rows
// which the values meet are gathered at no cost, in any order of values.
//
// One warp fills a ring of stages. A block stays for many tiles, and the ring runs on between them.
// The blocks of a cluster work on the same rows and neighbouring values (RBGP_ALONG_VALUES), or on
// neighbouring rows and the same values; of what they have in common, dY or X, each brings a part
// for all. With RBGP_SPLIT a tile has a PARTS-th of the stages, and its sums are added later.
#define RBGP_SWAPPED 1
#define RBGP_ACTIVATION 0
#define RBGP_WR 1
#define RBGP_WARPGROUPS RBGP_WC
#include "hopper_ring.cuh"
#include "hopper_tiles.cuh"
#include "matrix_units.cuh"

#define RBGP_DEGREE (RBGP_PAIRS * RBGP_PAIR)
// Values of a row that one unit meets, units that a row meets, and rows of X in one.
#if RBGP_WHOLE
#define RBGP_UNIT RBGP_PAIR
#define RBGP_UNITS RBGP_PAIRS
#define RBGP_UNIT_ROWS RBGP_SLAB
#else
#define RBGP_UNIT RBGP_VB
#define RBGP_UNITS (RBGP_PAIRS * RBGP_DI)
#define RBGP_UNIT_ROWS RBGP_VB
#endif
// Rows from one unit to the next: the swizzle repeats after eight. Rows of X in a stage.
#define RBGP_UNIT_STRIDE (rounds(RBGP_UNIT_ROWS, 8) * 8)
#define RBGP_KX (RBGP_SU * RBGP_UNIT_STRIDE)
#define RBGP_PRODUCTS (RBGP_GROUPS * RBGP_BLOCKS)
#define RBGP_SHARES_X (RBGP_CLUSTER > 1 && !RBGP_ALONG_VALUES)
#define RBGP_SHARES_DY (RBGP_CLUSTER > 1 && RBGP_ALONG_VALUES)
// Products whose registers wait for them at a time.
#define RBGP_WAITING 4

RBGP_DEVICE long long count_places() {
    return count_rows_of_tiles() * rounds(RBGP_DEGREE, RBGP_BN) * RBGP_PARTS;
}

// The column of a place is its first value, and the batch its part of the stages.
RBGP_DEVICE Place place_at(long long index) {
    // Neighbouring blocks are those of a cluster.
    const int together = RBGP_ALONG_VALUES ? RBGP_CLUSTER : 1;
    const int pieces = rounds(RBGP_DEGREE, RBGP_BN) / together;
    const int in_cluster = static_cast<int>(index % together);
    index /= together;
    Place place;
    find_rows(place, index);
    place.first_column = (static_cast<int>(index % pieces) * together + in_cluster) * RBGP_BN;
    place.batch = static_cast<int>(index / pieces);
    return place;
}

RBGP_DEVICE int steps_along(int n) { return rounds(n, 64 * RBGP_SLABS); }

// The first stage of a part; the last part ends where another one would begin.
RBGP_DEVICE int first_stage(int part, int n, int batches) {
    const long long stages = static_cast<long long>(steps_along(n)) * batches;
    return static_cast<int>(stages * part / RBGP_PARTS);
}

RBGP_DEVICE unsigned char *gradient_of(int stage) {
    return stage_memory(stage) + RBGP_SLABS * RBGP_KX * 128;
}

RBGP_DEVICE void fill_stage(int stage, int step, const Place &place, const TensorMap &dy,
                            const TensorMap &x, const int *outer_columns, const int *outer_tables,
                            const int *inner_columns, int n) {
    const int lane = thread_index() & 31, steps = steps_along(n);
    const int batch = step / steps, column = step % steps * (64 * RBGP_SLABS);
    const int first = place.first_column / RBGP_UNIT;
    const int end = rounds(smaller(place.first_column + RBGP_BN, RBGP_DEGREE), RBGP_UNIT);
    const int boxes = (end - first) * RBGP_SLABS;
    if (lane == 0) {
        // Boxes count in full, with what they have outside of their tensors, and whoever sends
        // for them.
        arrive_expecting(filled(stage),
                         (boxes * RBGP_UNIT_ROWS + RBGP_SLABS * RBGP_GROUPS * RBGP_ROWS) * 128);
    }
    warp_barrier();
    // The warpgroup that loads has few registers.
#pragma unroll 1
    for (int i = lane; i < boxes; i += 32) {
        const int slab = i % RBGP_SLABS, unit = i / RBGP_SLABS;
#if RBGP_WHOLE
        const int pair = first + unit, edge = place.u_o * RBGP_DO + pair / RBGP_VR, v_i = 0;
#else
        const int pair = (first + unit) / RBGP_DI, edge = place.u_o * RBGP_DO + pair / RBGP_VR;
        const int v_i = inner_columns[(outer_tables[edge] * RBGP_UI + place.u_i) * RBGP_DI +
                                      (first + unit) % RBGP_DI];
#endif
        bring_box<RBGP_SHARES_X>(
            i, stage_memory(stage) + (slab * RBGP_KX + unit * RBGP_UNIT_STRIDE) * 128, x,
            filled(stage), column + 64 * slab, 0, v_i, pair % RBGP_VR,
            outer_columns[edge] + batch * RBGP_VO);
    }
#pragma unroll 1
    for (int i = lane; i < RBGP_SLABS * RBGP_GROUPS; i += 32) {
        const int slab = i % RBGP_SLABS, group = i / RBGP_SLABS;
        bring_box<RBGP_SHARES_DY>(
            i, gradient_of(stage) + (slab * RBGP_GROUPS + group) * (RBGP_NB * 128), dy,
            filled(stage), column + 64 * slab, place.first_b, place.u_i + group, place.first_r,
            place.u_o + batch * RBGP_UO);
    }
}

// The row of a stage that value k of the tile meets. Beyond the last value it is any that is there:
// what is computed with it is not stored.
RBGP_DEVICE int row_of_value(const Place &place, int group, int k,
                             [[maybe_unused]] const int *outer_tables,
                             [[maybe_unused]] const int *inner_columns) {
    const int value = smaller(place.first_column + k, RBGP_DEGREE - 1);
    const int unit = value / RBGP_UNIT - place.first_column / RBGP_UNIT;
#if RBGP_WHOLE
    const int edge = place.u_o * RBGP_DO + value / RBGP_PAIR / RBGP_VR;
    const int at = (outer_tables[edge] * RBGP_UI + place.u_i + group) * RBGP_DI;
    const int v_i = inner_columns[at + value % RBGP_PAIR / RBGP_VB];
#else
    const int v_i = 0;
#endif
    return unit * RBGP_UNIT_STRIDE + v_i * RBGP_VB + value % RBGP_VB;
}

// Finds where the rows of X lie that this lane names: of 16 rows for each product, the first or the
// second half of 16 columns, in the swizzled order of the boxes.
RBGP_DEVICE void find_starts(int (&starts)[RBGP_PRODUCTS], const Place &place, int warpgroup,
                             const int *outer_tables, const int *inner_columns) {
    const int lane = thread_index() & 31, warp = thread_index() >> 5 & 3;
#pragma unroll
    for (int p = 0; p < RBGP_PRODUCTS; ++p) {
        const int block = warpgroup * RBGP_BLOCKS + p % RBGP_BLOCKS;
        const int row = row_of_value(place, p / RBGP_BLOCKS, 64 * block + 16 * warp + (lane & 15),
                                     outer_tables, inner_columns);
        starts[p] = row * 128 + (((lane >> 4) ^ (row & 7)) << 4);
    }
}

// Adds the products of one stage. All but the last few of them are over then.
RBGP_DEVICE void multiply_stage(Sums &sums, unsigned (&rows)[RBGP_WAITING][4],
                                const int (&starts)[RBGP_PRODUCTS], int stage) {
    const unsigned gradient = shared_address(gradient_of(stage));
#pragma unroll 1
    for (int slab = 0; slab < RBGP_SLABS; ++slab) {
        const unsigned char *operand = stage_memory(stage) + slab * RBGP_KX * 128;
        const unsigned columns = gradient + slab * (RBGP_GROUPS * RBGP_NB * 128);
#pragma unroll
        for (int i = 0; i < 4 * RBGP_PRODUCTS; ++i) {
            const int step = i / RBGP_PRODUCTS, p = i % RBGP_PRODUCTS;
            // The product before that reads these registers is over.
            wait_products<RBGP_WAITING - 1>();
            load_matrices(rows[i % RBGP_WAITING], operand + (starts[p] ^ (step << 5)));
            begin_products();
            const unsigned group = columns + p / RBGP_BLOCKS * (RBGP_NB * 128);
            multiply_tiles(sums[p], rows[i % RBGP_WAITING],
                           tile_descriptor(group + step * 32, 16, 1024, 128), Stored());
            close_products();
        }
    }
}

// Stores the sums of a part as they are. Eight lanes write neighbours in a row.
RBGP_DEVICE void store_sums(const Sums &sums, const Place &place, float *results, int warpgroup) {
    const int lane = thread_index() & 31, warp = thread_index() >> 5 & 3;
    const long long rows = static_cast<long long>(RBGP_UO) * RBGP_UR * RBGP_UI * RBGP_UB;
    float *own = results + place.batch * rows * RBGP_DEGREE;
#pragma unroll
    for (int p = 0; p < RBGP_PRODUCTS; ++p) {
        const int value = place.first_column + 64 * (warpgroup * RBGP_BLOCKS + p % RBGP_BLOCKS) +
                          16 * warp + (lane >> 2);
#pragma unroll
        for (int i = 0; i < RBGP_NB / 4; ++i) {
            const long long row =
                row_at(place, place.u_i + p / RBGP_BLOCKS, i / 2 * 8 + 2 * (lane & 3) + i % 2);
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const float sum = sums[p][i / 2 * 4 + i % 2 + 2 * half];
                if (row >= 0 && value + 8 * half < RBGP_DEGREE) {
                    own[row * RBGP_DEGREE + value + 8 * half] = sum;
                }
            }
        }
    }
}

RBGP_ALONE rbgp_sampled_hopper(
    const RBGP_GRID_CONSTANT TensorMap dy, // (batch U_o, U_r, U_i, U_b, n)
    const RBGP_GRID_CONSTANT TensorMap x,  // (batch V_o, V_r, V_i, V_b, n)
#if RBGP_SPLIT
    float *__restrict__ results, // (parts, rows, degree)
#elif RBGP_BOXED
    const RBGP_GRID_CONSTANT TensorMap results, // (U_o, U_r, U_i, U_b, degree)
#else
    Stored *__restrict__ results, // (rows, degree)
#endif
    const int *__restrict__ outer_columns, // (|U_o|, d_o)
    const int *__restrict__ outer_tables,  // (|U_o|, d_o)
    const int *__restrict__ inner_columns, // (tables, |U_i|, d_i)
    int n, int batches) {
    begin_ring();
    const int warpgroup = uniform(thread_index() / 128);
    const long long places = count_places();
    if (warpgroup == RBGP_WARPGROUPS) {
        fill_ring(places, [&](long long at, Ring &ring) {
            const Place place = place_at(at);
            const int end = first_stage(place.batch + 1, n, batches);
#pragma unroll 1
            for (int step = first_stage(place.batch, n, batches); step < end; ++step) {
                watch_for_phase(emptied(ring.stage), ring.parity ^ 1);
                fill_stage(ring.stage, step, place, dy, x, outer_columns, outer_tables,
                           inner_columns, n);
                advance(ring);
            }
        });
    } else {
        Ring ring;
        if (RBGP_WARPGROUPS > 1) {
            take_registers<RBGP_MANY_REGISTERS>();
        }
        [[maybe_unused]] int turn = 0;
        unsigned rows[RBGP_WAITING][4];
        for (long long at = block_index(); at < places; at += grid_blocks()) {
            const Place place = place_at(at);
            const int first = first_stage(place.batch, n, batches);
            const int end = first_stage(place.batch + 1, n, batches);
            int starts[RBGP_PRODUCTS];
            find_starts(starts, place, warpgroup, outer_tables, inner_columns);
            Sums sums = {};
#pragma unroll 1
            for (int step = first; step < end; ++step) {
                wait_for_phase(filled(ring.stage), ring.parity);
                settle_all(sums);
                multiply_stage(sums, rows, starts, ring.stage);
                // Only products of this stage are under way.
                if (step > first) {
                    release(before(ring));
                }
                advance(ring);
            }
            wait_products<0>();
            settle_all(sums);
            if (end > first) {
                release(before(ring));
            }
#if RBGP_SPLIT
            store_sums(sums, place, results, warpgroup);
#else
            store_results(sums, place, results, nullptr, RBGP_DEGREE, RBGP_DEGREE, warpgroup, turn);
#endif
        }
#if RBGP_BOXED && !RBGP_SPLIT
        // Shared memory is given back when the block ends.
        wait_stores<0>();
#endif
    }
    end_ring();
}
