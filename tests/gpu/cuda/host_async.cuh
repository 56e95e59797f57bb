// The asynchronous units of Hopper on the CPU. Boxes are loaded when the scheduler comes to them,
// and stored at the wait for them; products are computed at theirs. So all come as late as they can
// on a device.
#pragma once

#include <cstring>
#include <utility>
#include <vector>

#define RBGP_GRID_CONSTANT
#define RBGP_ALONE extern "C" void

// What stands behind a tensor map: sizes and strides of the tensor, without the first stride.
struct TensorMap {
    unsigned char *base;
    long long extents[5];
    long long strides[4];
    int box[5];
    int rank;
    int swizzle_bytes;
};

// Sixty-four bits, as on the device. `mark` tells a barrier that others may use from other memory.
struct TransferBarrier {
    int bytes;
    unsigned char phase, arrivals, missing, mark;
};

namespace host {
constexpr unsigned char kMark = 0x5b;

// Rows of `a` lie in shared memory, or in registers of all lanes.
struct Product {
    float *sums;
    int columns;
    unsigned long long a;
    const unsigned *rows;
    unsigned long long b;
    int a_major, b_major;
    bool accumulate;
    float (*number)(unsigned short);
};

static std::vector<std::vector<Product>> products[2048];
// Whether a thread has ordered its accesses since it waited for products.
static bool has_begun[2048];
static std::vector<TransferBarrier *> unpublished;

inline void check(const TransferBarrier *at) {
    if (at->mark != kMark || reinterpret_cast<size_t>(at) % 8) {
        fail("no barrier here, or one that was not published");
    }
}

inline void end_phase(TransferBarrier *at) {
    if (at->missing == 0 && at->bytes < 0) {
        fail("more bytes come to a barrier than it was told to expect");
    }
    if (at->missing == 0 && at->bytes == 0) {
        at->phase ^= 1;
        at->missing = at->arrivals;
    }
}

// 16 bytes of each row of 128 change places, depending on the row; less with smaller spans.
inline unsigned swizzled(unsigned address, int span) {
    return address ^ ((address >> 7 & (span / 16 - 1)) << 4);
}

// A box in shared memory, from `start` on, and where it lies in its tensor.
struct Box {
    unsigned char *memory;
    unsigned start;
    TensorMap map;
    std::vector<long long> first;
    TransferBarrier *done;

    // Calls `visit` with each number of the box and the same of the tensor, or null outside of it;
    // returns how many there are.
    template <class Visit>
    int each(const Visit &visit) const {
        int numbers = 1;
        for (int axis = 0; axis < map.rank; ++axis) {
            numbers *= map.box[axis];
        }
        for (int i = 0; i < numbers; ++i) {
            long long rest = i, offset = 0;
            bool is_inside = true;
            for (int axis = 0; axis < map.rank; ++axis) {
                const long long at = first[axis] + rest % map.box[axis];
                rest /= map.box[axis];
                is_inside = is_inside && at >= 0 && at < map.extents[axis];
                offset += at * (axis ? map.strides[axis - 1] : 2);
            }
            visit(memory + swizzled(start + static_cast<unsigned>(2 * i), map.swizzle_bytes),
                  is_inside ? map.base + offset : nullptr);
        }
        return numbers;
    }
};

inline Box *new_box(int block_of_cluster, const void *at, const TensorMap &map,
                    TransferBarrier *done, std::vector<long long> first) {
    const long long start = static_cast<const unsigned char *>(at) - shared;
    if (static_cast<int>(first.size()) != map.rank || start % (8 * map.swizzle_bytes)) {
        fail("a box lies at a place where its swizzle does not begin, or has another rank");
    }
    if (reinterpret_cast<size_t>(map.base) % 16) {
        fail("a tensor does not begin at a multiple of 16 bytes");
    }
    if (map.box[0] * 2 != map.swizzle_bytes) {
        fail("a row of a box has another length than its swizzle");
    }
    unsigned char *memory = shared_of(block_of_cluster);
    if (done) {
        done = reinterpret_cast<TransferBarrier *>(
            memory + (reinterpret_cast<unsigned char *>(done) - shared));
        check(done);
    }
    return new Box{memory, static_cast<unsigned>(start), map, std::move(first), done};
}

inline void load_box(int block_of_cluster, void *to, const TensorMap &map, TransferBarrier *done,
                     std::vector<long long> first) {
    defer(
        [](void *data) {
            const Box *box = static_cast<Box *>(data);
            const int numbers = box->each([](unsigned char *number, unsigned char *from) {
                if (from) {
                    std::memcpy(number, from, 2);
                } else {
                    std::memset(number, 0, 2);
                }
            });
            check(box->done);
            box->done->bytes -= 2 * numbers;
            end_phase(box->done);
            delete box;
        },
        new_box(block_of_cluster, to, map, done, std::move(first)));
}

inline void store_box(const TensorMap &map, const void *from, std::vector<long long> first) {
    check_published();
    add_store(
        [](void *data) {
            const Box *box = static_cast<Box *>(data);
            box->each([](unsigned char *number, unsigned char *to) {
                if (to) {
                    std::memcpy(to, number, 2);
                }
            });
            delete box;
        },
        new_box(current->block, from, map, nullptr, std::move(first)));
}

// Where number k of row i of a tile lies. Bits 62 and 63 name the swizzle.
inline unsigned short number_at(unsigned long long tile, int major, int i, int k) {
    const int span = 256 >> (tile >> 62);
    const unsigned start = (tile & 0x3fff) << 4, slabs = (tile >> 16 & 0x3fff) << 4;
    const unsigned rows = (tile >> 32 & 0x3fff) << 4;
    const unsigned linear = major ? start + i / 64 * slabs + i % 64 * 2 + k / 8 * rows + k % 8 * 128
                                  : start + i / 8 * rows + i % 8 * span + k * 2;
    unsigned short bits;
    std::memcpy(&bits, shared + swizzled(linear, span), 2);
    return bits;
}

// Number k of the row that lane / 4 says, of the upper or the lower eight of a warp. Lane l has the
// numbers 2 (l % 4) and the next one of row l / 4, of four matrices of 8 x 8.
inline unsigned short shown_number(int lane, int half, int k) {
    unsigned word;
    std::memcpy(&word, exchange(lane / 4 * 4 + k % 8 / 2) + 4 * (half + k / 8 * 2), sizeof word);
    return static_cast<unsigned short>(word >> k % 2 * 16);
}

inline void multiply(const Product &product) {
    const int warp = current->index / 32 % 4, lane = current->index % 32;
    if (product.rows) {
        std::memcpy(exchange(lane), product.rows, 4 * sizeof *product.rows);
        wait_for_warp();
    }
    float left[2][16];
    for (int half = 0; half < 2; ++half) {
        for (int k = 0; k < 16; ++k) {
            const int row = 16 * warp + 8 * half + lane / 4;
            left[half][k] =
                product.number(product.rows ? shown_number(lane, half, k)
                                            : number_at(product.a, product.a_major, row, k));
        }
    }
    if (product.rows) {
        flip_exchange();
    }
    for (int i = 0; i < product.columns / 4; ++i) {
        const int column = i / 2 * 8 + lane % 4 * 2 + i % 2;
        float *sums = product.sums + i / 2 * 4 + i % 2;
        float upper = product.accumulate ? sums[0] : 0.0f;
        float lower = product.accumulate ? sums[2] : 0.0f;
        for (int k = 0; k < 16; ++k) {
            const float right = product.number(number_at(product.b, product.b_major, column, k));
            upper += left[0][k] * right;
            lower += left[1][k] * right;
        }
        sums[0] = upper;
        sums[2] = lower;
    }
}

inline std::vector<std::vector<Product>> &own_products() { return products[current->place]; }

// A tile begins in the first row of a swizzle, since descriptors say here that it does, and none of
// its distances reaches into another field.
inline void check_tile(unsigned long long tile) {
    const unsigned span = 256u >> (tile >> 62), start = (tile & 0x3fff) << 4;
    if (span == 256 || start % (8 * span) >= span) {
        fail("a tile begins inside of a swizzle");
    }
    if (tile & 0x3fffc000c000c000ull) {
        fail("a distance is too long for a descriptor");
    }
}

inline void add_product(const Product &product) {
    if (!has_begun[current->place]) {
        fail("products follow accesses that are not ordered before them");
    }
    if (!product.rows) {
        check_tile(product.a);
    }
    check_tile(product.b);
    own_products().back().push_back(product);
}
}  // namespace host

template <int count>
RBGP_DEVICE void give_registers() {}
template <int count>
RBGP_DEVICE void take_registers() {}

RBGP_DEVICE int grid_blocks() { return host::blocks; }
RBGP_DEVICE int uniform(int number) { return number; }
RBGP_DEVICE void warp_barrier() { host::wait_for_warp(); }
RBGP_DEVICE void team_barrier(int team, int threads) { host::wait_for_team(team, threads); }
RBGP_DEVICE void cluster_barrier() { host::wait_for_cluster(); }
RBGP_DEVICE unsigned char *tile_memory() { return host::shared; }
RBGP_DEVICE unsigned shared_address(const void *shared) {
    return static_cast<unsigned>(static_cast<const unsigned char *>(shared) - host::shared);
}

RBGP_DEVICE void create_barrier(TransferBarrier *of, int arrivals) {
    const unsigned char count = static_cast<unsigned char>(arrivals);
    *of = {0, 0, count, count, 0};
    host::unpublished.push_back(of);
}
RBGP_DEVICE void publish_barriers() {
    for (TransferBarrier *barrier : host::unpublished) {
        barrier->mark = host::kMark;
    }
    host::unpublished.clear();
}

RBGP_DEVICE void arrive_expecting(TransferBarrier *at, int bytes) {
    host::check(at);
    if (at->missing == 0) {
        host::fail("more threads arrive at a barrier than it waits for");
    }
    at->bytes += bytes;
    --at->missing;
    host::end_phase(at);
}
RBGP_DEVICE void arrive(TransferBarrier *at) { arrive_expecting(at, 0); }
RBGP_DEVICE void arrive(TransferBarrier *at, int block_of_cluster) {
    const long long offset = reinterpret_cast<unsigned char *>(at) - host::shared;
    arrive(reinterpret_cast<TransferBarrier *>(host::shared_of(block_of_cluster) + offset));
}

RBGP_DEVICE void wait_for_phase(TransferBarrier *at, int parity) {
    host::check(at);
    host::wait_while(&at->phase, static_cast<unsigned char>(parity));
}
RBGP_DEVICE void watch_for_phase(TransferBarrier *at, int parity) { wait_for_phase(at, parity); }

template <class... Starts>
RBGP_DEVICE void load_box(void *to, const TensorMap &from, TransferBarrier *done, Starts... starts) {
    host::load_box(host::current->block, to, from, done, {starts...});
}
template <class... Starts>
RBGP_DEVICE void load_box_everywhere(void *to, const TensorMap &from, TransferBarrier *done,
                                     Starts... starts) {
    for (int block = 0; block < host::cluster; ++block) {
        host::load_box(block, to, from, done, {starts...});
    }
}

template <bool transposed>
RBGP_DEVICE void store_matrices(void *row, const unsigned (&matrices)[2]) {
    host::store_matrices(row, matrices, 2, transposed);
}
RBGP_DEVICE void publish_writes() { host::publish(); }
template <class... Starts>
RBGP_DEVICE void store_box(const TensorMap &to, const void *from, Starts... starts) {
    host::store_box(to, from, {starts...});
}
template <int pending>
RBGP_DEVICE void wait_stores() {
    host::finish_stores(pending);
}

RBGP_DEVICE void begin_products() {
    host::has_begun[host::current->place] = true;
    // The last group is still open.
    if (host::own_products().empty()) {
        host::own_products().emplace_back();
    }
}
RBGP_DEVICE void close_products() { host::own_products().emplace_back(); }

template <int pending>
RBGP_DEVICE void wait_products() {
    auto &groups = host::own_products();
    host::has_begun[host::current->place] = false;
    while (static_cast<int>(groups.size()) - 1 > pending) {
        for (const host::Product &product : groups.front()) {
            host::multiply(product);
        }
        groups.erase(groups.begin());
    }
}

template <int count>
RBGP_DEVICE void settle(float (&)[count]) {}

template <int a_major, int b_major, int count, class Number>
RBGP_DEVICE void multiply_tiles(float (&sums)[count], unsigned long long a, unsigned long long b,
                                int accumulate, Number) {
    host::add_product({sums, 2 * count, a, nullptr, b, a_major, b_major, accumulate != 0,
                       [](unsigned short bits) { return to_sum(Number{bits}); }});
}

template <int count, class Number>
RBGP_DEVICE void multiply_tiles(float (&sums)[count], const unsigned (&rows)[4],
                                unsigned long long b, Number) {
    host::add_product({sums, 2 * count, 0, rows, b, 0, 0, true,
                       [](unsigned short bits) { return to_sum(Number{bits}); }});
}
