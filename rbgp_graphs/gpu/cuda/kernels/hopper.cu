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
#include "activation.cuh"
#include "hopper_units.cuh"
#include "pattern.cuh"

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
// Rows of X and sums of a stage, and columns and rows of a block.
#define RBGP_KX (RBGP_SP * RBGP_UNIT_ROWS)
#define RBGP_KS (RBGP_SP * RBGP_UNIT_SUMS)
#define RBGP_SLABS (RBGP_BN / 64)
#define RBGP_ROWS (RBGP_BOX_R * RBGP_BOX_B)
#define RBGP_WARPGROUPS (RBGP_WR * RBGP_WC)
#if RBGP_SWAPPED
#define RBGP_PADDED_ROWS RBGP_NB
#define RBGP_RESULT_PARTS RBGP_BLOCKS
#else
#define RBGP_PADDED_ROWS (64 * RBGP_WR)
#define RBGP_RESULT_PARTS (RBGP_NB / 64)
#endif
// Registers of a thread that loads and of one that multiplies. A thread of three warpgroups begins
// with 168; those of two have enough from the start.
#define RBGP_FEW_REGISTERS 40
#define RBGP_MANY_REGISTERS 232
#define RBGP_NUMBER_BYTES static_cast<int>(sizeof(Stored))
#define RBGP_SHARES_X (RBGP_CLUSTER > 1 && !RBGP_ALONG_COLUMNS)
#define RBGP_SHARES_VALUES (RBGP_CLUSTER > 1 && RBGP_ALONG_COLUMNS)

#if RBGP_BOXED
typedef const TensorMap &Result;
#else
typedef Stored *Result;
#endif
typedef float Sums[RBGP_GROUPS * RBGP_BLOCKS][RBGP_NB / 2];

struct Place {
    int u_o;
    int u_i;
    int first_r;
    int first_b;
    int first_column;
    int batch;
};

RBGP_DEVICE int slices_of_rows() { return rounds(RBGP_UR, RBGP_BOX_R) * rounds(RBGP_UB, RBGP_BOX_B); }

// Blocks along the columns; those of a cluster may lie past the last column.
RBGP_DEVICE int slices_of_columns(int n) {
    const int together = RBGP_ALONG_COLUMNS ? RBGP_CLUSTER : 1;
    return rounds(n, RBGP_BN * together) * together;
}

RBGP_DEVICE long long count_places(int n, int batches) {
    return static_cast<long long>(RBGP_UO) * (RBGP_UI / RBGP_GROUPS) * slices_of_rows() *
           slices_of_columns(n) * batches;
}

RBGP_DEVICE Place place_at(long long index, int n) {
    const int slices_b = rounds(RBGP_UB, RBGP_BOX_B), slices = slices_of_rows();
    // Neighbouring blocks are those of a cluster.
    const int together = RBGP_ALONG_COLUMNS ? RBGP_CLUSTER : 1;
    const unsigned columns = slices_of_columns(n) / together;
    const int in_cluster = static_cast<int>(index % together);
    index /= together;
    Place place;
    place.first_b = static_cast<int>(index % slices % slices_b) * RBGP_BOX_B;
    place.first_r = static_cast<int>(index % slices / slices_b) * RBGP_BOX_R;
    index /= slices;
    place.u_i = static_cast<int>(index % (RBGP_UI / RBGP_GROUPS)) * RBGP_GROUPS;
    index /= RBGP_UI / RBGP_GROUPS;
    place.u_o = static_cast<int>(index % RBGP_UO);
    index /= RBGP_UO;
    // What is left counts pieces of X, which no memory holds more than 32 bits of.
    const unsigned piece = static_cast<unsigned>(index);
    place.first_column = (static_cast<int>(piece % columns) * together + in_cluster) * RBGP_BN;
    place.batch = static_cast<int>(piece / columns);
    return place;
}

// Row of the matrix that is row `local` of the boxes of a u_i, or -1 if it has no such row.
RBGP_DEVICE long long row_at(const Place &place, int u_i, int local) {
    const int u_r = place.first_r + local / RBGP_BOX_B, u_b = place.first_b + local % RBGP_BOX_B;
    const bool is_there = local < RBGP_ROWS && u_r < RBGP_UR && u_b < RBGP_UB;
    return is_there ? row_of(place.u_o, u_r * RBGP_UB + u_b, u_i) : -1;
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

RBGP_DEVICE int before(const Ring &ring) {
    return (ring.stage == 0 ? RBGP_BUFFERS : ring.stage) - 1;
}

RBGP_DEVICE unsigned char *operand_of(int stage) {
    return tile_memory() + stage * RBGP_STAGE_BYTES;
}

RBGP_DEVICE unsigned char *values_of(int stage) {
    return operand_of(stage) + RBGP_SLABS * RBGP_KX * 128;
}

// Where the 16 rows of X of each product lie, for each of several u_i.
RBGP_DEVICE unsigned *steps_of(int stage) {
    return reinterpret_cast<unsigned *>(values_of(stage) + RBGP_GROUPS * RBGP_KS *
                                                               RBGP_PADDED_ROWS *
                                                               RBGP_NUMBER_BYTES);
}

RBGP_DEVICE TransferBarrier *filled(int stage) {
    return reinterpret_cast<TransferBarrier *>(tile_memory() + RBGP_BARRIER_OFFSET) + stage;
}

RBGP_DEVICE TransferBarrier *emptied(int stage) { return filled(stage) + RBGP_BUFFERS; }

// Brings box number i. What the blocks of a cluster have in common they bring in turns.
template <bool is_common, class... Starts>
RBGP_DEVICE void bring_box(int i, unsigned char *to, const TensorMap &from, TransferBarrier *done,
                           Starts... starts) {
    if constexpr (is_common) {
        if (i % RBGP_CLUSTER == block_index() % RBGP_CLUSTER) {
            load_box_everywhere(to, from, done, starts...);
        }
    } else {
        load_box(to, from, done, starts...);
    }
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
        bring_box<RBGP_SHARES_X>(i, operand_of(stage) + (slab * RBGP_KX + unit * RBGP_UNIT_ROWS) * 128,
                                 x, filled(stage), place.first_column + 64 * slab, 0, v_i, 0,
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

// Adds the products of one stage.
RBGP_DEVICE void multiply_stage(Sums &sums, int stage, int first, int warpgroup) {
    const int wr = warpgroup % RBGP_WR, wc = warpgroup / RBGP_WR;
    const unsigned operand =
        shared_address(operand_of(stage)) + wc * (RBGP_SLABS / RBGP_WC) * RBGP_KX * 128;
    const unsigned weights = shared_address(values_of(stage)) + 64 * wr * (RBGP_KC * 2);
    const int sums_here = smaller(RBGP_SP, RBGP_UNITS - first) * RBGP_UNIT_SUMS;
#pragma unroll
    for (int group = 0; group < RBGP_GROUPS; ++group) {
        begin_products();
#pragma unroll 1
        for (int k = 0; k < sums_here; k += 16) {
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

// Says in all blocks that fill this stage that this warp has used it.
RBGP_DEVICE void release(int stage) {
    const int lane = thread_index() & 31;
#if RBGP_GROUPS > 1
    // All lanes have read where the rows lie.
    warp_barrier();
#endif
#if RBGP_CLUSTER > 1
    if (lane < RBGP_CLUSTER) {
        arrive(emptied(stage), lane);
    }
#else
    if (lane == 0) {
        arrive(emptied(stage));
    }
#endif
}

// Where 16 bytes of a row of 64 results wait: in the swizzled order that keeps banks apart and
// that the unit which copies boxes knows.
RBGP_DEVICE unsigned char *piece_of(unsigned char *results, int local, int piece) {
    return results + local * 128 + ((piece ^ (local & 7)) << 4);
}

// Two finished sums beside each other in one register.
RBGP_DEVICE unsigned finished(float first, float second, float first_offset, float second_offset) {
    Stored two[2];
    from_sum(activate(first + first_offset), two[0]);
    from_sum(activate(second + second_offset), two[1]);
    return two[0].bits | static_cast<unsigned>(two[1].bits) << 16;
}

RBGP_DEVICE float offset_of(const Sum *bias, const Place &place, int u_i, int local) {
    const long long row = bias == nullptr ? -1 : row_at(place, u_i, local);
    return row < 0 ? 0.0f : bias[row];
}

// Writes 64 columns of finished sums of one u_i to shared memory, 8 x 8 at a time. A warp has 16
// rows of them, or 16 columns of the transposed product, which are turned on their way.
RBGP_DEVICE void stage_results(const Sums &sums, int group, int part, unsigned char *results,
                               const Place &place, const Sum *bias, int wr) {
    const int lane = thread_index() & 31, warp = thread_index() >> 5 & 3;
    const int u_i = place.u_i + group;
#if RBGP_SWAPPED
    constexpr int count = RBGP_NB / 8;
    const float *own = sums[group * RBGP_BLOCKS + part];
#else
    constexpr int count = 8;
    const float *own = sums[group] + 32 * part;
    const int first_row = 64 * wr + 16 * warp;
    const float upper = offset_of(bias, place, u_i, first_row + (lane >> 2));
    const float lower = offset_of(bias, place, u_i, first_row + 8 + (lane >> 2));
#endif
    // A loop that stays one keeps the compiler from working on so many numbers at a time that
    // registers spill.
    constexpr int turns = count > 1 ? 2 : 1, in_turn = count / turns;
#pragma unroll 1
    for (int turn = 0; turn < turns; ++turn) {
#pragma unroll
        for (int i = 0; i < in_turn; ++i) {
            float four[4];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                four[e] = turn == 0 ? own[4 * i + e] : own[4 * (i + count - in_turn) + e];
            }
            const int j = turn * in_turn + i;
#if RBGP_SWAPPED
            const int local = 8 * j + 2 * (lane & 3);
            const float first = offset_of(bias, place, u_i, local);
            const float second = offset_of(bias, place, u_i, local + 1);
            const unsigned matrices[2] = {finished(four[0], four[1], first, second),
                                          finished(four[2], four[3], first, second)};
            store_matrices<true>(
                piece_of(results, 8 * j + (lane & 7), 2 * warp + (lane >> 3 & 1)), matrices);
#else
            const unsigned matrices[2] = {finished(four[0], four[1], upper, upper),
                                          finished(four[2], four[3], lower, lower)};
            store_matrices<false>(piece_of(results, first_row + (lane & 15), j), matrices);
#endif
        }
    }
}

// Sends 64 columns at a time through one of two places in shared memory. The warpgroups of one
// part of the columns do it together.
RBGP_DEVICE void store_results(const Sums &sums, const Place &place, Result y,
                               const Sum *bias, [[maybe_unused]] int n,
                               [[maybe_unused]] long long y_row, int warpgroup, int &turn) {
    const int wr = warpgroup % RBGP_WR, wc = warpgroup / RBGP_WR, team = 128 * RBGP_WR;
    const int member = thread_index() & (team - 1);
    const int first_column = place.first_column + wc * (RBGP_BN / RBGP_WC);
#pragma unroll
    for (int group = 0; group < RBGP_GROUPS; ++group) {
#pragma unroll
        for (int part = 0; part < RBGP_RESULT_PARTS; ++part) {
            unsigned char *results = tile_memory() + RBGP_RESULT_OFFSET +
                                     (2 * wc + turn) * (RBGP_PADDED_ROWS * 128);
            turn ^= 1;
#if RBGP_BOXED
            // The box before the last one lay here.
            if (member == 0) {
                wait_stores<1>();
            }
#endif
            team_barrier(wc, team);
            stage_results(sums, group, part, results, place, bias, wr);
#if RBGP_BOXED
            publish_writes();
            team_barrier(wc, team);
            if (member == 0) {
                store_box(y, results, first_column + 64 * part, place.first_b, place.u_i + group,
                          place.first_r, place.u_o + place.batch * RBGP_UO);
            }
#else
            team_barrier(wc, team);
#pragma unroll 1
            for (int i = member; i < RBGP_ROWS * 8; i += team) {
                const long long row = row_at(place, place.u_i + group, i / 8);
                if (row >= 0) {
                    write_row<8, 8>(y + row * y_row, first_column + 64 * part + i % 8 * 8, n,
                                    *reinterpret_cast<const Pack<Stored, 8> *>(
                                        piece_of(results, i / 8, i % 8)));
                }
            }
#endif
        }
    }
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
    if (thread_index() == 0) {
        for (int stage = 0; stage < RBGP_BUFFERS; ++stage) {
            create_barrier(filled(stage), 1);
            create_barrier(emptied(stage), 4 * RBGP_WARPGROUPS * RBGP_CLUSTER);
        }
        publish_barriers();
    }
#if RBGP_CLUSTER > 1
    cluster_barrier();
#else
    barrier();
#endif
    const int warpgroup = uniform(thread_index() / 128);
    const long long places = count_places(n, batches);
    Ring ring;
    if (warpgroup == RBGP_WARPGROUPS) {
        if (RBGP_WARPGROUPS > 1) {
            give_registers<RBGP_FEW_REGISTERS>();
        }
        // Of this warpgroup the other warps have nothing to do.
        const bool fills = uniform(thread_index() / 32) == 4 * RBGP_WARPGROUPS;
        for (long long at = fills ? block_index() : places; at < places; at += grid_blocks()) {
            const Place place = place_at(at, n);
#pragma unroll 1
            for (int first = 0; first < RBGP_UNITS; first += RBGP_SP) {
                watch_for_phase(emptied(ring.stage), ring.parity ^ 1);
                fill_stage(ring.stage, first, place, values, x, outer_columns, outer_tables,
                           inner_columns);
                advance(ring);
            }
        }
        for (int stage = 0; fills && stage < RBGP_BUFFERS; ++stage) {
            watch_for_phase(emptied(ring.stage), ring.parity ^ 1);
            advance(ring);
        }
    } else {
        if (RBGP_WARPGROUPS > 1) {
            take_registers<RBGP_MANY_REGISTERS>();
        }
        int turn = 0;
        for (long long at = block_index(); at < places; at += grid_blocks()) {
            Sums sums;
#pragma unroll 1
            for (int first = 0; first < RBGP_UNITS; first += RBGP_SP) {
                wait_for_phase(filled(ring.stage), ring.parity);
#pragma unroll
                for (int block = 0; block < RBGP_GROUPS * RBGP_BLOCKS; ++block) {
                    settle(sums[block]);
                }
                multiply_stage(sums, ring.stage, first, warpgroup);
                close_products();
                // The stage before is done with when only the products of this one are under way.
                wait_products<1>();
                if (first > 0) {
                    release(before(ring));
                }
                advance(ring);
            }
            wait_products<0>();
#pragma unroll
            for (int block = 0; block < RBGP_GROUPS * RBGP_BLOCKS; ++block) {
                settle(sums[block]);
            }
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
#if RBGP_CLUSTER > 1
    // Other blocks still write to this block's memory, and arrive at its barriers.
    cluster_barrier();
#endif
}
