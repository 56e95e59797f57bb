// The warp-wide instructions of the tensor cores, from sm_80 on.
#include "numbers.cuh"
#ifndef RBGP_HOST

// Loads matrices of 8 x 8 numbers of two bytes. Lane 8 j + r gives the address of row r of matrix
// j, 16 bytes; lane l receives the entries (l / 4, 2 (l % 4)) and the next one of each matrix.
RBGP_DEVICE void load_matrices(unsigned (&registers)[4], const void *row) {
    const unsigned at = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(at)
                 : "memory");
}

RBGP_DEVICE void load_matrices(unsigned (&registers)[2], const void *row) {
    const unsigned at = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(registers[0]), "=r"(registers[1])
                 : "r"(at)
                 : "memory");
}

// The same, with every matrix transposed.
RBGP_DEVICE void load_transposed(unsigned (&registers)[4], const void *row) {
    const unsigned at = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(at)
                 : "memory");
}

// sums += a b for a of 16 x 16 and b of 16 x 8 numbers. Lane l holds the sums (l / 4, 2 (l % 4)),
// the next one, and the same two eight rows below.
RBGP_DEVICE void multiply_add(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                              Half) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

RBGP_DEVICE void multiply_add(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                              BFloat16) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#else

RBGP_DEVICE void load_matrices(unsigned (&registers)[4], const void *row) {
    host::load_matrices(registers, 4, row, false);
}

RBGP_DEVICE void load_matrices(unsigned (&registers)[2], const void *row) {
    host::load_matrices(registers, 2, row, false);
}

RBGP_DEVICE void load_transposed(unsigned (&registers)[4], const void *row) {
    host::load_matrices(registers, 4, row, true);
}

template <class Number>
RBGP_DEVICE void multiply_add(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                              Number) {
    // Every lane shows its registers to the others: four of a, then two of b.
    unsigned *own = reinterpret_cast<unsigned *>(host::exchange(thread_index() % 32));
    for (int i = 0; i < 4; ++i) {
        own[i] = a[i];
    }
    own[4] = b0;
    own[5] = b1;
    host::wait_for_warp();
    const int lane = thread_index() % 32;
    for (int entry = 0; entry < 4; ++entry) {
        const int row = lane / 4 + entry / 2 * 8, column = lane % 4 * 2 + entry % 2;
        for (int k = 0; k < 16; ++k) {
            const int left_lane = row % 8 * 4 + k % 8 / 2, right_lane = column * 4 + k % 8 / 2;
            const unsigned *left = reinterpret_cast<unsigned *>(host::exchange(left_lane));
            const unsigned *right = reinterpret_cast<unsigned *>(host::exchange(right_lane));
            const unsigned x = left[row / 8 + k / 8 * 2] >> (k % 2 * 16);
            const unsigned y = right[4 + k / 8] >> (k % 2 * 16);
            sums[entry] += to_sum(Number{static_cast<unsigned short>(x)}) *
                           to_sum(Number{static_cast<unsigned short>(y)});
        }
    }
    host::flip_exchange();
}
#endif
