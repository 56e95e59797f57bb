// What happens to a finished sum.
#include "numbers.cuh"

// 0 none, 1 relu, 2 gelu in its exact form, 3 silu. NaN passes through all of them.
RBGP_DEVICE Sum activate(Sum x) {
    if (RBGP_ACTIVATION == 1) {
        return x < Sum(0) ? Sum(0) : x;
    }
    if (RBGP_ACTIVATION == 2) {
        return Sum(0.5) * x * complementary_error(x * Sum(-0.70710678118654752440));
    }
    if (RBGP_ACTIVATION == 3) {
        return x / (Sum(1) + exponential(-x));
    }
    return x;
}
