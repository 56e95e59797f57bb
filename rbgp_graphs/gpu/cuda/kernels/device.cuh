// What the kernels use of the machine, behind thin functions. The tests put their own version of
// this part in place, which runs a kernel on the CPU with one fibre for each thread.
#ifdef RBGP_HOST
#include "host.cuh"
#else

#define RBGP_DEVICE __device__ __forceinline__
#if RBGP_FEW_BLOCKS
// A multiprocessor has shared memory for few blocks, so registers need not be saved for more.
#define RBGP_KERNEL extern "C" __global__ void __launch_bounds__(RBGP_THREADS, 1)
#else
#define RBGP_KERNEL extern "C" __global__ void __launch_bounds__(RBGP_THREADS)
#endif

RBGP_DEVICE int thread_index() { return threadIdx.x; }
RBGP_DEVICE int block_index() { return blockIdx.x; }
RBGP_DEVICE int batch_index() { return blockIdx.z; }
RBGP_DEVICE int batch_step() { return gridDim.z; }
RBGP_DEVICE void barrier() { __syncthreads(); }

RBGP_DEVICE unsigned char *shared_memory() {
    extern __shared__ __align__(128) unsigned char rbgp_shared[];
    return rbgp_shared;
}

// Copies a piece of 2, 4, 8 or 16 bytes to shared memory, or zeros instead. From sm_80 on the
// copy runs in the background until `wait_copies`; two bytes are always copied at once.
template <int bytes>
RBGP_DEVICE void copy_to_shared(void *shared, const void *global, bool is_there) {
#if __CUDA_ARCH__ >= 800
    if constexpr (bytes >= 4) {
        const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
        const int size = is_there ? bytes : 0;
        if constexpr (bytes == 16) {
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global),
                         "r"(size)
                         : "memory");
        } else {
            asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(global),
                         "n"(bytes), "r"(size)
                         : "memory");
        }
        return;
    }
#endif
    if constexpr (bytes == 16) {
        *static_cast<uint4 *>(shared) =
            is_there ? *static_cast<const uint4 *>(global) : make_uint4(0, 0, 0, 0);
    } else if constexpr (bytes == 8) {
        *static_cast<uint2 *>(shared) =
            is_there ? *static_cast<const uint2 *>(global) : make_uint2(0, 0);
    } else if constexpr (bytes == 4) {
        *static_cast<unsigned *>(shared) = is_there ? *static_cast<const unsigned *>(global) : 0;
    } else {
        *static_cast<unsigned short *>(shared) =
            is_there ? *static_cast<const unsigned short *>(global) : 0;
    }
}

// Closes a group of copies; an empty group counts too.
RBGP_DEVICE void commit_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most `pending` of the newest groups of this thread are under way.
template <int pending>
RBGP_DEVICE void wait_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
#endif
}

RBGP_DEVICE float half_to_float(unsigned short bits) {
    float number;
    asm("cvt.f32.f16 %0, %1;" : "=f"(number) : "h"(bits));
    return number;
}

RBGP_DEVICE unsigned short float_to_half(float number) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(number));
    return bits;
}

RBGP_DEVICE float float_of_bits(unsigned bits) { return __uint_as_float(bits); }
RBGP_DEVICE unsigned bits_of_float(float number) { return __float_as_uint(number); }
RBGP_DEVICE float complementary_error(float x) { return erfcf(x); }
RBGP_DEVICE double complementary_error(double x) { return erfc(x); }
RBGP_DEVICE float exponential(float x) { return expf(x); }
RBGP_DEVICE double exponential(double x) { return exp(x); }
#endif
