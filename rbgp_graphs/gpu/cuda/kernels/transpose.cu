// The values of the transposed matrix, each of its rows in ascending column order.
//
// The dimensions are those of the transposed pattern: here U is the side that was V. Every outer
// edge and every inner edge says at which place of the untransposed pattern it stands.
#include "pattern.cuh"

RBGP_KERNEL rbgp_transpose(const Stored *__restrict__ values,      // (cols, col_degree)
                           Stored *__restrict__ transposed,        // (rows, row_degree)
                           const int *__restrict__ outer_tables,   // (|U_o|, d_o)
                           const int *__restrict__ outer_sources,  // (|U_o|, d_o)
                           const int *__restrict__ inner_sources,  // (tables, |U_i|, d_i)
                           int degree, int inner_degree, long long count) {
    // One thread for each nonzero. `degree` and `inner_degree` are those of the columns.
    const long long i = static_cast<long long>(block_index()) * RBGP_THREADS + thread_index();
    if (i < count) {
        long long rest = i;
        const int v_b = rest % RBGP_VB;
        const int k_i = (rest /= RBGP_VB) % RBGP_DI;
        const int v_r = (rest /= RBGP_DI) % RBGP_VR;
        const int k_o = (rest /= RBGP_VR) % RBGP_DO;
        const int u_b = (rest /= RBGP_DO) % RBGP_UB;
        const int u_i = (rest /= RBGP_UB) % RBGP_UI;
        const int u_r = (rest /= RBGP_UI) % RBGP_UR;
        const int edge = static_cast<int>(rest / RBGP_UR) * RBGP_DO + k_o;
        const int outer = outer_sources[edge];
        const int inner = inner_sources[(outer_tables[edge] * RBGP_UI + u_i) * RBGP_DI + k_i];
        const long long row =
            ((outer / degree * static_cast<long long>(RBGP_VR) + v_r) * RBGP_VI +
             inner / inner_degree) *
                RBGP_VB +
            v_b;
        const long long place =
            ((outer % degree * static_cast<long long>(RBGP_UR) + u_r) * inner_degree +
             inner % inner_degree) *
                RBGP_UB +
            u_b;
        const long long length =
            static_cast<long long>(degree) * RBGP_UR * inner_degree * RBGP_UB;
        transposed[i] = values[row * length + place];
    }
}
