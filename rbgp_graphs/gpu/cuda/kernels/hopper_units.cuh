// The asynchronous units of Hopper, sm_90a: copies of boxes by the tensor memory accelerator,
// barriers in shared memory that count their bytes, and products of whole tiles (wgmma).
#include "numbers.cuh"
#ifdef RBGP_HOST
#include "host_async.cuh"
#else

#define RBGP_GRID_CONSTANT __grid_constant__
// One block for each multiprocessor: its threads share all registers. Blocks of a cluster run at
// the same time and reach each other's shared memory.
#if RBGP_CLUSTER > 1
#define RBGP_ALONE                                                                                 \
    extern "C" __global__ void __cluster_dims__(RBGP_CLUSTER, 1, 1)                                \
        __launch_bounds__(RBGP_THREADS, 1)
#else
#define RBGP_ALONE extern "C" __global__ void __launch_bounds__(RBGP_THREADS, 1)
#endif

// What the driver encodes: where a tensor lies, its extents and strides, the box, the swizzle.
struct alignas(64) TensorMap {
    unsigned char bytes[128];
};
typedef unsigned long long TransferBarrier;

RBGP_DEVICE int grid_blocks() { return gridDim.x; }
RBGP_DEVICE void warp_barrier() { __syncwarp(); }

// Tells the compiler that all threads of a warp have this number.
RBGP_DEVICE int uniform(int number) { return __shfl_sync(0xffffffff, number, 0); }

// Changes how many registers each thread of this warpgroup has: first some warpgroup gives what
// another one waits to take.
template <int count>
RBGP_DEVICE void give_registers() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count));
}

template <int count>
RBGP_DEVICE void take_registers() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count));
}

// The swizzle of 128 bytes repeats after 1024.
RBGP_DEVICE unsigned char *tile_memory() {
    extern __shared__ __align__(1024) unsigned char rbgp_tiles[];
    return rbgp_tiles;
}

RBGP_DEVICE unsigned shared_address(const void *shared) {
    return static_cast<unsigned>(__cvta_generic_to_shared(shared));
}

// A barrier for `threads` threads, one of several with different numbers.
RBGP_DEVICE void team_barrier(int team, int threads) {
    asm volatile("bar.sync %0, %1;" ::"r"(1 + team), "r"(threads) : "memory");
}

// A barrier for all threads of a cluster. What they did before is seen by all of them after it.
RBGP_DEVICE void cluster_barrier() {
    asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
}

RBGP_DEVICE void create_barrier(TransferBarrier *of, int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(of)),
                 "r"(arrivals)
                 : "memory");
}

RBGP_DEVICE void publish_barriers() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

RBGP_DEVICE void arrive(TransferBarrier *at) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(at)) : "memory");
}

// Arrives at the barrier that lies at the same place in another block of the cluster. It says that
// products are over, which have no writes that the other block would have to see.
RBGP_DEVICE void arrive(TransferBarrier *at, int block_of_cluster) {
    asm volatile("{\n"
                 ".reg .b32 there;\n"
                 "mapa.shared::cluster.u32 there, %0, %1;\n"
                 "mbarrier.arrive.shared::cluster.b64 _, [there];\n"
                 "}\n" ::"r"(shared_address(at)),
                 "r"(block_of_cluster)
                 : "memory");
}

// Arrives, and makes the phase wait for this many bytes too.
RBGP_DEVICE void arrive_expecting(TransferBarrier *at, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(
                     shared_address(at)),
                 "r"(bytes)
                 : "memory");
}

RBGP_DEVICE bool is_over(TransferBarrier *at, int parity) {
    unsigned found;
    asm volatile("{\n"
                 ".reg .pred p;\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
                 "selp.u32 %0, 1, 0, p;\n"
                 "}\n"
                 : "=r"(found)
                 : "r"(shared_address(at)), "r"(parity)
                 : "memory");
    return found;
}

// Waits until the phase of this parity is over. The phase before the first one has parity 1.
RBGP_DEVICE void wait_for_phase(TransferBarrier *at, int parity) {
    while (!is_over(at, parity)) {
    }
}

RBGP_DEVICE unsigned long long nanoseconds() {
    unsigned long long now;
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
    return now;
}

// The same with an end: after 20 seconds the kernel stops with an error, so that a mistake that
// shows on some device does not occupy it forever. Of the time between two looks at the clock at
// most a millisecond counts: a device that rests, or works for others, is no mistake.
RBGP_DEVICE void watch_for_phase(TransferBarrier *at, int parity) {
    unsigned long long waited = 0, before = nanoseconds();
    while (!is_over(at, parity)) {
        const unsigned long long now = nanoseconds(), passed = now - before;
        waited += passed < 1000000 ? passed : 1000000;
        before = now;
        if (waited > 20000000000ull) {
            asm volatile("trap;");
        }
    }
}

// Copies the box that begins at these coordinates; what lies outside the tensor becomes zero.
RBGP_DEVICE void load_box(void *to, const TensorMap &from, TransferBarrier *done, int c0, int c1,
                          int c2, int c3) {
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3, %4, %5}], [%6];" ::"r"(shared_address(to)),
                 "l"(&from), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(shared_address(done))
                 : "memory");
}

RBGP_DEVICE void load_box(void *to, const TensorMap &from, TransferBarrier *done, int c0, int c1,
                          int c2, int c3, int c4) {
    asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3, %4, %5, %6}], [%7];" ::"r"(shared_address(to)),
                 "l"(&from), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4),
                 "r"(shared_address(done))
                 : "memory");
}

// The same, to the same place in all blocks of the cluster. Each one's own barrier counts the
// bytes that come to it.
#define RBGP_EVERY_BLOCK static_cast<unsigned short>((1 << RBGP_CLUSTER) - 1)
RBGP_DEVICE void load_box_everywhere(void *to, const TensorMap &from, TransferBarrier *done, int c0,
                                     int c1, int c2, int c3) {
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
                 ".multicast::cluster [%0], [%1, {%2, %3, %4, %5}], [%6], %7;" ::"r"(
                     shared_address(to)),
                 "l"(&from), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(shared_address(done)),
                 "h"(RBGP_EVERY_BLOCK)
                 : "memory");
}

RBGP_DEVICE void load_box_everywhere(void *to, const TensorMap &from, TransferBarrier *done, int c0,
                                     int c1, int c2, int c3, int c4) {
    asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
                 ".multicast::cluster [%0], [%1, {%2, %3, %4, %5, %6}], [%7], %8;" ::"r"(
                     shared_address(to)),
                 "l"(&from), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4),
                 "r"(shared_address(done)), "h"(RBGP_EVERY_BLOCK)
                 : "memory");
}

// Stores two matrices of 8 x 8 numbers of 16 bits. Lane l has the numbers (l / 4, 2 (l % 4)) and the
// next one of each, and lane 8 j + r says where row r of matrix j goes; if transposed, column r.
template <bool transposed>
RBGP_DEVICE void store_matrices(void *row, const unsigned (&matrices)[2]) {
    if constexpr (transposed) {
        asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};" ::"r"(
                         shared_address(row)),
                     "r"(matrices[0]), "r"(matrices[1])
                     : "memory");
    } else {
        asm volatile("stmatrix.sync.aligned.m8n8.x2.shared.b16 [%0], {%1, %2};" ::"r"(
                         shared_address(row)),
                     "r"(matrices[0]), "r"(matrices[1])
                     : "memory");
    }
}

// Makes what this thread wrote to shared memory visible to the unit that copies boxes. A barrier
// has to stand between this and the copy.
RBGP_DEVICE void publish_writes() {
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Stores the box that begins at these coordinates; what lies outside the tensor is left out.
RBGP_DEVICE void store_box(const TensorMap &to, const void *from, int c0, int c1, int c2, int c3,
                           int c4) {
    asm volatile("cp.async.bulk.tensor.5d.global.shared::cta.tile.bulk_group "
                 "[%0, {%1, %2, %3, %4, %5}], [%6];" ::"l"(&to),
                 "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4), "r"(shared_address(from))
                 : "memory");
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

// Waits until at most `pending` of the newest boxes that this thread stores are still being read.
template <int pending>
RBGP_DEVICE void wait_stores() {
    asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(pending) : "memory");
}

// Orders register and shared memory accesses before the products that follow.
RBGP_DEVICE void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
RBGP_DEVICE void close_products() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

template <int pending>
RBGP_DEVICE void wait_products() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
}

// Keeps the compiler from moving accesses to sums across this point.
template <int count>
RBGP_DEVICE void settle(float (&sums)[count]) {
#pragma unroll
    for (int i = 0; i < count; ++i) {
        asm volatile("" : "+f"(sums[i])::"memory");
    }
}

// sums (+)= a b for a of 64 x 16 and b of 16 x N numbers in shared memory, summed by the four
// warps of a warpgroup. Lane l of warp w holds the sums (16 w + l / 4, 2 (l % 4)), the next one,
// the same two eight rows below, then the same of the next eight columns. Rows of `a` may also lie
// in registers, as load_matrices brings the four matrices of 16 x 16 numbers to each warp; these
// must not change before the product is over. Then both lie along the sums, and sums go on.
#define RBGP_NAMES(p)                                                                              \
    "%" #p "0, %" #p "1, %" #p "2, %" #p "3, %" #p "4, %" #p "5, %" #p "6, %" #p "7, %" #p         \
    "8, %" #p "9, "
#define RBGP_SUMS(p)                                                                               \
    "+f"(d[p##0]), "+f"(d[p##1]), "+f"(d[p##2]), "+f"(d[p##3]), "+f"(d[p##4]), "+f"(d[p##5]),      \
        "+f"(d[p##6]), "+f"(d[p##7]), "+f"(d[p##8]), "+f"(d[p##9])
#define RBGP_MULTIPLY(TYPE, NUMBER, N, NAMES, A, B, ACCUMULATE, A_MAJOR, B_MAJOR, ...)             \
    template <int a_major, int b_major>                                                            \
    RBGP_DEVICE void multiply_tiles(float (&d)[N / 2], unsigned long long a,                       \
                                    unsigned long long b, int accumulate, NUMBER) {                \
        asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #ACCUMULATE ", 0;\n"                     \
                     "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." TYPE "." TYPE " {" NAMES    \
                     "}, %" #A ", %" #B ", p, 1, 1, %" #A_MAJOR ", %" #B_MAJOR ";\n}\n"            \
                     : __VA_ARGS__                                                                 \
                     : "l"(a), "l"(b), "r"(accumulate), "n"(a_major), "n"(b_major));               \
    }                                                                                              \
    RBGP_DEVICE void multiply_tiles(float (&d)[N / 2], const unsigned (&a)[4],                     \
                                    unsigned long long b, NUMBER) {                                \
        asm volatile("{\n.reg .pred p;\nsetp.eq.u32 p, 0, 0;\n"                                    \
                     "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." TYPE "." TYPE " {" NAMES    \
                     "}, {%" #A ", %" #B ", %" #ACCUMULATE ", %" #A_MAJOR "}, %" #B_MAJOR          \
                     ", p, 1, 1, 0;\n}\n"                                                          \
                     : __VA_ARGS__                                                                 \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                        \
    }
#define RBGP_MULTIPLY_ALL(TYPE, NUMBER)                                                            \
    RBGP_MULTIPLY(TYPE, NUMBER, 8, "%0, %1, %2, %3", 4, 5, 6, 7, 8, "+f"(d[0]), "+f"(d[1]),        \
                  "+f"(d[2]), "+f"(d[3]))                                                          \
    RBGP_MULTIPLY(TYPE, NUMBER, 16, "%0, %1, %2, %3, %4, %5, %6, %7", 8, 9, 10, 11, 12,            \
                  "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]),          \
                  "+f"(d[6]), "+f"(d[7]))                                                          \
    RBGP_MULTIPLY(TYPE, NUMBER, 32, RBGP_NAMES() "%10, %11, %12, %13, %14, %15", 16, 17, 18, 19,   \
                  20, RBGP_SUMS(), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]),             \
                  "+f"(d[14]), "+f"(d[15]))                                                        \
    RBGP_MULTIPLY(TYPE, NUMBER, 64, RBGP_NAMES() RBGP_NAMES(1) RBGP_NAMES(2) "%30, %31", 32, 33,   \
                  34, 35, 36, RBGP_SUMS(), RBGP_SUMS(1), RBGP_SUMS(2), "+f"(d[30]), "+f"(d[31]))   \
    RBGP_MULTIPLY(TYPE, NUMBER, 128,                                                               \
                  RBGP_NAMES() RBGP_NAMES(1) RBGP_NAMES(2) RBGP_NAMES(3) RBGP_NAMES(4)             \
                      RBGP_NAMES(5) "%60, %61, %62, %63",                                          \
                  64, 65, 66, 67, 68, RBGP_SUMS(), RBGP_SUMS(1), RBGP_SUMS(2), RBGP_SUMS(3),       \
                  RBGP_SUMS(4), RBGP_SUMS(5), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]),               \
                  "+f"(d[63]))                                                                     \
    RBGP_MULTIPLY(TYPE, NUMBER, 256,                                                               \
                  RBGP_NAMES() RBGP_NAMES(1) RBGP_NAMES(2) RBGP_NAMES(3) RBGP_NAMES(4)             \
                      RBGP_NAMES(5) RBGP_NAMES(6) RBGP_NAMES(7) RBGP_NAMES(8) RBGP_NAMES(9)        \
                          RBGP_NAMES(10) RBGP_NAMES(11)                                            \
                              "%120, %121, %122, %123, %124, %125, %126, %127",                    \
                  128, 129, 130, 131, 132, RBGP_SUMS(), RBGP_SUMS(1), RBGP_SUMS(2),                \
                  RBGP_SUMS(3), RBGP_SUMS(4), RBGP_SUMS(5), RBGP_SUMS(6), RBGP_SUMS(7),            \
                  RBGP_SUMS(8), RBGP_SUMS(9), RBGP_SUMS(10), RBGP_SUMS(11), "+f"(d[120]),          \
                  "+f"(d[121]), "+f"(d[122]), "+f"(d[123]), "+f"(d[124]), "+f"(d[125]),            \
                  "+f"(d[126]), "+f"(d[127]))
RBGP_MULTIPLY_ALL("f16", Half)
RBGP_MULTIPLY_ALL("bf16", BFloat16)
#endif

// Numbers along the sums lie next to each other in memory (0), or numbers across them (1).
#define RBGP_ALONG 0
#define RBGP_ACROSS 1

// How the tensor cores find a tile in shared memory, which begins in the first row of a swizzle.
// `rows` is the distance of eight rows of a tile along the sums, or of eight sums of one across
// them; `slabs` is the distance of 64 rows of a tile across them. A swizzle spans 32, 64 or 128
// bytes. No distance in shared memory is too long for the 14 bits that each number has.
RBGP_DEVICE unsigned long long tile_descriptor(unsigned address, int slabs, int rows, int span) {
    const unsigned long long swizzle = span == 128 ? 1 : span == 64 ? 2 : 3;
    return swizzle << 62 | static_cast<unsigned long long>(rows >> 4) << 32 |
           static_cast<unsigned long long>(slabs >> 4) << 16 | address >> 4;
}
