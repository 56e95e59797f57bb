// The rows of the matrix. A group is the G = |U_r| |U_b| rows that share (u_o, u_i); row g of a
// group has the digits u_r = g / |U_b| and u_b = g % |U_b|.
#include "numbers.cuh"

#define RBGP_GROUP (RBGP_UR * RBGP_UB)
// The part of a row that one pair (k_o, v_r) fills, and the number of pairs.
#define RBGP_PAIR (RBGP_DI * RBGP_VB)
#define RBGP_PAIRS (RBGP_DO * RBGP_VR)
// Rows of the dense operand under one pair. They lie next to each other.
#define RBGP_SLAB (RBGP_VI * RBGP_VB)

RBGP_DEVICE long long row_of(int u_o, int g, int u_i) {
    const long long u_r = g / RBGP_UB;
    return ((u_o * static_cast<long long>(RBGP_UR) + u_r) * RBGP_UI + u_i) * RBGP_UB +
           g % RBGP_UB;
}

RBGP_DEVICE long long first_row_of_slab(int v_o, int v_r) {
    return (static_cast<long long>(v_o) * RBGP_VR + v_r) * RBGP_SLAB;
}

RBGP_DEVICE int smaller(int a, int b) { return a < b ? a : b; }
RBGP_DEVICE int rounds(int a, int b) { return (a + b - 1) / b; }

// Reads `count` numbers of a row of length n from column `at` on; zeros where it has ended.
template <int count, int vector>
RBGP_DEVICE Pack<Stored, count> read_row(const Stored *row, int at, int n) {
    Pack<Stored, count> numbers = {};
    if (vector == count && at + count <= n) {
        numbers = *reinterpret_cast<const Pack<Stored, count> *>(row + at);
    } else {
#pragma unroll
        for (int e = 0; e < count; ++e) {
            if (at + e < n) {
                numbers.at[e] = row[at + e];
            }
        }
    }
    return numbers;
}

template <int count, int vector>
RBGP_DEVICE void write_row(Stored *row, int at, int n, const Pack<Stored, count> &numbers) {
    if (vector == count && at + count <= n) {
        *reinterpret_cast<Pack<Stored, count> *>(row + at) = numbers;
    } else {
#pragma unroll
        for (int e = 0; e < count; ++e) {
            if (at + e < n) {
                row[at + e] = numbers.at[e];
            }
        }
    }
}
