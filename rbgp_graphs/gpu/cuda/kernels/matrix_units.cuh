// The warp-wide instructions of the tensor cores, from sm_80 on.
#include "numbers.cuh"
#ifndef RBGP_HOST

// Loads matrices of 8 rows of 16 bytes. Lane 8 j + r gives the address of row r of matrix j; lane l
// receives four bytes of row l / 4 of each, the l % 4-th: two numbers of two bytes, or one of four.
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

// The same, with every matrix transposed, as one of 8 x 8 numbers of two bytes.
RBGP_DEVICE void load_transposed(unsigned (&registers)[4], const void *row) {
    const unsigned at = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(at)
                 : "memory");
}

// sums += a b for a of 16 rows and b of 8 columns, each of 32 bytes: 16 numbers, or 8 of float.
// Lane l holds the sums (l / 4, 2 (l % 4)), the next one, and the same two eight rows below.
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

RBGP_DEVICE void multiply_add(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                              float) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Rounds a float to the 10 bits of fraction of tf32, ties away from zero; without this the tensor
// cores would leave out the other bits. What stands for two numbers of two bytes stays as it is.
RBGP_DEVICE unsigned rounded(unsigned bits, float) {
    unsigned result;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(result) : "f"(float_of_bits(bits)));
    return result;
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
RBGP_DEVICE float add_products(float sum, unsigned left, unsigned right, Number) {
    for (int half = 0; half < 2; ++half) {
        sum += to_sum(Number{static_cast<unsigned short>(left >> half * 16)}) *
               to_sum(Number{static_cast<unsigned short>(right >> half * 16)});
    }
    return sum;
}

// Tensor cores see 19 of the 32 bits of a float.
RBGP_DEVICE float add_products(float sum, unsigned left, unsigned right, float) {
    return sum + float_of_bits(left & ~0x1fffu) * float_of_bits(right & ~0x1fffu);
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
        // Eight words of four bytes along the sums.
        for (int word = 0; word < 8; ++word) {
            const int left_lane = row % 8 * 4 + word % 4, right_lane = column * 4 + word % 4;
            const unsigned *left = reinterpret_cast<unsigned *>(host::exchange(left_lane));
            const unsigned *right = reinterpret_cast<unsigned *>(host::exchange(right_lane));
            sums[entry] = add_products(sums[entry], left[row / 8 + word / 4 * 2],
                                       right[4 + word / 4], Number());
        }
    }
    host::flip_exchange();
}

RBGP_DEVICE unsigned rounded(unsigned bits, float) {
    const bool is_number = (bits & 0x7f800000u) != 0x7f800000u;
    return is_number ? (bits + 0x1000u) & ~0x1fffu : bits;
}
#endif

template <class Number>
RBGP_DEVICE unsigned rounded(unsigned bits, Number) {
    return bits;
}

// Reads 16 columns of a step of rows that lie across the sums, as the left operand of a product.
// `rows` says where those begin that this lane reads. Of numbers of two bytes lane l names row
// l % 8 + 8 (l / 16), from column 8 (l / 8 % 2) on; of float it reads rows l % 4 and l % 4 + 4, in
// columns l / 4 and l / 4 + 8.
template <class Number>
RBGP_DEVICE void read_across(unsigned (&registers)[4], const Number *from, const int (&rows)[1]) {
    load_transposed(registers, from + rows[0]);
}

RBGP_DEVICE void read_across(unsigned (&registers)[4], const float *from, const int (&rows)[2]) {
    registers[0] = bits_of_float(from[rows[0]]);
    registers[1] = bits_of_float(from[rows[0] + 8]);
    registers[2] = bits_of_float(from[rows[1]]);
    registers[3] = bits_of_float(from[rows[1] + 8]);
}
