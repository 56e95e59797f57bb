// The place of a tile, and the way of its sums to memory. The sums of a thread are those of
// products side by side, RBGP_BLOCKS for each of RBGP_GROUPS groups; RBGP_SWAPPED says that the
// rows of a group lie along their second side. Included after RBGP_WR and RBGP_WC, the warpgroups
// along rows and columns, are defined.
#include "activation.cuh"
#include "hopper_units.cuh"
#include "pattern.cuh"

#define RBGP_ROWS (RBGP_BOX_R * RBGP_BOX_B)
#if RBGP_SWAPPED
#define RBGP_PADDED_ROWS RBGP_NB
#define RBGP_RESULT_PARTS RBGP_BLOCKS
#else
#define RBGP_PADDED_ROWS (64 * RBGP_WR)
#define RBGP_RESULT_PARTS (RBGP_NB / 64)
#endif

#if RBGP_BOXED
typedef const TensorMap &Result;
#else
typedef Stored *Result;
#endif
typedef float Sums[RBGP_GROUPS * RBGP_BLOCKS][RBGP_NB / 2];

// Keeps the compiler from moving accesses to sums across this point.
RBGP_DEVICE void settle_all(Sums &sums) {
#pragma unroll
    for (int p = 0; p < RBGP_GROUPS * RBGP_BLOCKS; ++p) {
        settle(sums[p]);
    }
}

struct Place {
    int u_o;
    int u_i;
    int first_r;
    int first_b;
    int first_column;
    int batch;
};

RBGP_DEVICE int slices_of_rows() { return rounds(RBGP_UR, RBGP_BOX_R) * rounds(RBGP_UB, RBGP_BOX_B); }

// Tiles that lie above each other.
RBGP_DEVICE long long count_rows_of_tiles() {
    return static_cast<long long>(RBGP_UO) * (RBGP_UI / RBGP_GROUPS) * slices_of_rows();
}

// Finds the rows of a tile, and takes what says which from its number.
RBGP_DEVICE void find_rows(Place &place, long long &index) {
    const int slices_b = rounds(RBGP_UB, RBGP_BOX_B), slices = slices_of_rows();
    place.first_b = static_cast<int>(index % slices % slices_b) * RBGP_BOX_B;
    place.first_r = static_cast<int>(index % slices / slices_b) * RBGP_BOX_R;
    index /= slices;
    place.u_i = static_cast<int>(index % (RBGP_UI / RBGP_GROUPS)) * RBGP_GROUPS;
    index /= RBGP_UI / RBGP_GROUPS;
    place.u_o = static_cast<int>(index % RBGP_UO);
    index /= RBGP_UO;
}

// Row of the matrix that is row `local` of the boxes of a u_i, or -1 if it has no such row.
RBGP_DEVICE long long row_at(const Place &place, int u_i, int local) {
    const int u_r = place.first_r + local / RBGP_BOX_B, u_b = place.first_b + local % RBGP_BOX_B;
    const bool is_there = local < RBGP_ROWS && u_r < RBGP_UR && u_b < RBGP_UB;
    return is_there ? row_of(place.u_o, u_r * RBGP_UB + u_b, u_i) : -1;
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
