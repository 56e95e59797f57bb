// The four storage types, and the type their sums have.
#include "device.cuh"

struct Half {
    unsigned short bits;
};

struct BFloat16 {
    unsigned short bits;
};

typedef RBGP_STORED Stored;
typedef RBGP_SUM Sum;

// A few numbers that are loaded and stored in one piece.
template <class T, int count>
struct alignas(sizeof(T) * count) Pack {
    T at[count];
};

RBGP_DEVICE double to_sum(double number) { return number; }
RBGP_DEVICE float to_sum(float number) { return number; }
RBGP_DEVICE float to_sum(Half number) { return half_to_float(number.bits); }
RBGP_DEVICE float to_sum(BFloat16 number) {
    return float_of_bits(static_cast<unsigned>(number.bits) << 16);
}

RBGP_DEVICE void from_sum(double sum, double &stored) { stored = sum; }
RBGP_DEVICE void from_sum(float sum, float &stored) { stored = sum; }
RBGP_DEVICE void from_sum(float sum, Half &stored) { stored.bits = float_to_half(sum); }

// To the nearest, ties to even. A carry out of the fraction moves on to the exponent.
RBGP_DEVICE void from_sum(float sum, BFloat16 &stored) {
    const unsigned bits = bits_of_float(sum);
    const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    const unsigned rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
    stored.bits = static_cast<unsigned short>(is_nan ? (bits >> 16) | 0x40u : rounded >> 16);
}
