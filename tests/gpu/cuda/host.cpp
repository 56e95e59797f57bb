// The scheduler behind host.cuh, on ucontext. It knows AddressSanitizer's rules for fibres.
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "host.cuh"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

namespace host {
namespace {

constexpr int kLanes = 32, kTeams = 16, kExchangeBytes = 64;
constexpr size_t kStackBytes = 128 * 1024;

struct Copy {
    void *to;
    const void *from;
    int bytes;
    bool is_there;
};

struct Gate {
    int members = 0, arrived = 0, publishing = 0, published = 0;
    long generation = 0;
};

struct Fibre {
    Thread thread;
    ucontext_t context;
    void *fake_stack = nullptr;
    bool is_done = false;
    Gate *gate = nullptr;
    long generation = 0;
    const unsigned char *byte = nullptr;
    unsigned char value = 0;
    std::vector<std::vector<Copy>> groups;
    std::deque<std::pair<void (*)(void *), void *>> stores;
    int parity = 0;
    Gate *team = nullptr;
    bool has_published = false;
};

std::vector<Fibre *> fibres;
std::vector<std::vector<unsigned char>> stacks;
std::vector<Gate> warps, teams, whole_blocks;
std::vector<std::pair<void (*)(void *), void *>> tasks;
std::vector<unsigned char> exchanges;
std::vector<unsigned char *> memories;
std::vector<int> threads_left;
Gate all_threads;
int first_block, warps_of_block;
ucontext_t scheduler;
[[maybe_unused]] void *scheduler_fake_stack = nullptr;
[[maybe_unused]] const void *scheduler_stack = nullptr;
[[maybe_unused]] size_t scheduler_stack_size = 0;
void (*running_kernel)(void **);
void **running_arguments;

Fibre *fibre() { return reinterpret_cast<Fibre *>(current); }

void to_scheduler([[maybe_unused]] bool is_last) {
    Fibre *self = fibre();
#if SANITIZED
    __sanitizer_start_switch_fiber(is_last ? nullptr : &self->fake_stack, scheduler_stack,
                                   scheduler_stack_size);
#endif
    swapcontext(&self->context, &scheduler);
#if SANITIZED
    __sanitizer_finish_switch_fiber(self->fake_stack, nullptr, nullptr);
#endif
}

void enter() {
#if SANITIZED
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_size);
#endif
    running_kernel(running_arguments);
    Fibre *self = fibre();
    if (!self->stores.empty()) {
        fail("a box is stored from shared memory that the block has given back");
    }
    // Copies that nobody waited for have an effect on the device too, at any time.
    finish_copies(0);
    self->is_done = true;
    to_scheduler(true);
}

void wait_at(Gate *gate) {
    Fibre *self = fibre();
    if (++gate->arrived == gate->members) {
        gate->arrived = 0;
        ++gate->generation;
        return;
    }
    self->gate = gate;
    self->generation = gate->generation;
    to_scheduler(false);
    self->gate = nullptr;
}

void resume(int i) {
    current = &fibres[i]->thread;
    block = first_block + current->block;
    shared = memories[current->block];
#if SANITIZED
    __sanitizer_start_switch_fiber(&scheduler_fake_stack, stacks[i].data(), kStackBytes);
#endif
    swapcontext(&scheduler, &fibres[i]->context);
#if SANITIZED
    __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
#endif
}

void run_tasks() {
    std::vector<std::pair<void (*)(void *), void *>> now;
    now.swap(tasks);
    for (const auto &task : now) {
        task.first(task.second);
    }
}

void run_cluster(int threads_of_block, int order) {
    const int threads = threads_of_block * cluster;
    all_threads = Gate();
    all_threads.members = threads;
    whole_blocks.assign(cluster, Gate());
    threads_left.assign(cluster, threads_of_block);
    warps_of_block = (threads_of_block + kLanes - 1) / kLanes;
    warps.assign(warps_of_block * cluster, Gate());
    teams.assign(kTeams * cluster, Gate());
    exchanges.assign(2 * kExchangeBytes * kLanes * warps.size(), 0);
    while (static_cast<int>(fibres.size()) < threads) {
        fibres.push_back(nullptr);
        stacks.emplace_back(kStackBytes);
    }
    for (int i = 0; i < threads; ++i) {
        delete fibres[i];
        fibres[i] = new Fibre();
        const int index = i % threads_of_block, of_cluster = i / threads_of_block;
        fibres[i]->thread = {index, of_cluster, i};
        fibres[i]->groups.emplace_back();
        ++warps[warps_of_block * of_cluster + index / kLanes].members;
        ++whole_blocks[of_cluster].members;
        getcontext(&fibres[i]->context);
        fibres[i]->context.uc_stack.ss_sp = stacks[i].data();
        fibres[i]->context.uc_stack.ss_size = kStackBytes;
        fibres[i]->context.uc_link = nullptr;
        makecontext(&fibres[i]->context, enter, 0);
    }
    for (int left = threads; left > 0;) {
        bool is_stuck = true;
        for (int turn = 0; turn < threads; ++turn) {
            const int i = order ? threads - 1 - turn : turn;
            Fibre *next = fibres[i];
            if (next->is_done || (next->gate && next->gate->generation == next->generation) ||
                (next->byte && *next->byte == next->value)) {
                continue;
            }
            is_stuck = false;
            resume(i);
            left -= next->is_done;
            threads_left[next->thread.block] -= next->is_done;
        }
        if (is_stuck && tasks.empty()) {
            fail("some threads wait at a barrier that others never reach");
        }
        if (is_stuck || !order) {
            run_tasks();
        }
    }
    if (!tasks.empty()) {
        fail("a copy is under way when its block ends");
    }
}

}  // namespace

Thread *current;
int block, blocks, cluster, batch, batches;
unsigned char *shared;
const int *constants;

void fail(const char *why) {
    std::fprintf(stderr, "host execution: %s\n", why);
    std::abort();
}

static int own_warp() { return warps_of_block * current->block + current->index / kLanes; }

void wait_for_block() { wait_at(&whole_blocks[current->block]); }
void wait_for_warp() { wait_at(&warps[own_warp()]); }
void wait_for_cluster() { wait_at(&all_threads); }

void wait_for_team(int team, int threads) {
    Fibre *self = fibre();
    // Number 0 is the barrier of all threads of a block.
    if (team < 0 || team + 1 >= kTeams || threads % kLanes) {
        fail("there is no barrier of this number, or for part of a warp");
    }
    Gate *gate = self->team = &teams[kTeams * current->block + team];
    gate->members = threads;
    gate->publishing += self->has_published;
    self->has_published = false;
    if (gate->arrived == threads - 1) {
        gate->published = gate->publishing;
        gate->publishing = 0;
    }
    wait_at(gate);
}

void publish() { fibre()->has_published = true; }

void check_published() {
    const Gate *team = fibre()->team;
    if (!team || team->published != team->members) {
        fail("a box is stored that was not published before a barrier");
    }
}

unsigned char *shared_of(int other) {
    if (threads_left[other] == 0) {
        fail("a block reaches for the shared memory of one that has ended");
    }
    return memories[other];
}

void wait_while(const unsigned char *byte, unsigned char value) {
    Fibre *self = fibre();
    while (*byte == value) {
        self->byte = byte;
        self->value = value;
        to_scheduler(false);
    }
    self->byte = nullptr;
}

void defer(void (*task)(void *), void *data) { tasks.emplace_back(task, data); }

unsigned char *exchange(int lane) {
    const size_t warp = own_warp();
    return exchanges.data() +
           ((warp * 2 + fibre()->parity) * kLanes + lane) * kExchangeBytes;
}

void flip_exchange() { fibre()->parity ^= 1; }

// Lane 8 j + r gives row r of matrix j; the lanes beyond the last matrix give any.
void load_matrices(unsigned *registers, int count, const void *row, bool is_transposed) {
    const int lane = current->index % kLanes;
    if (lane < 8 * count && reinterpret_cast<size_t>(row) % 16) {
        fail("a row of a matrix is not aligned");
    }
    std::memcpy(exchange(lane), &row, sizeof row);
    wait_for_warp();
    for (int j = 0; j < count; ++j) {
        unsigned short entries[2];
        for (int e = 0; e < 2; ++e) {
            const int first = lane / 4, second = lane % 4 * 2 + e;
            const int from_row = is_transposed ? second : first;
            const unsigned short *start;
            std::memcpy(&start, exchange(8 * j + from_row), sizeof start);
            entries[e] = start[is_transposed ? first : second];
        }
        registers[j] = entries[0] | static_cast<unsigned>(entries[1]) << 16;
    }
    flip_exchange();
}

// The same the other way. A lane writes the row that it has the place of.
void store_matrices(void *row, const unsigned *registers, int count, bool is_transposed) {
    const int lane = current->index % kLanes, matrix = lane / 8, own = lane % 8;
    std::memcpy(exchange(lane), registers, count * sizeof *registers);
    wait_for_warp();
    if (matrix < count) {
        if (reinterpret_cast<size_t>(row) % 16) {
            fail("a row of a matrix is not aligned");
        }
        for (int i = 0; i < 8; ++i) {
            const int from_row = is_transposed ? i : own, column = is_transposed ? own : i;
            std::memcpy(static_cast<unsigned char *>(row) + 2 * i,
                        exchange(4 * from_row + column / 2) + 4 * matrix + 2 * (column % 2), 2);
        }
    }
    flip_exchange();
}

void add_copy(void *to, const void *from, int bytes, bool is_there) {
    if (reinterpret_cast<size_t>(to) % bytes || (is_there && reinterpret_cast<size_t>(from) % bytes)) {
        fail("a copy to shared memory is not aligned");
    }
    fibre()->groups.back().push_back({to, from, bytes, is_there});
}

void close_copies() { fibre()->groups.emplace_back(); }

void finish_copies(int pending) {
    auto &groups = fibre()->groups;
    // The last group is still open.
    while (static_cast<int>(groups.size()) - 1 > pending) {
        for (const Copy &copy : groups.front()) {
            if (copy.is_there) {
                std::memcpy(copy.to, copy.from, copy.bytes);
            } else {
                std::memset(copy.to, 0, copy.bytes);
            }
        }
        groups.erase(groups.begin());
    }
}

void add_store(void (*task)(void *), void *data) { fibre()->stores.emplace_back(task, data); }

void finish_stores(int pending) {
    auto &stores = fibre()->stores;
    while (static_cast<int>(stores.size()) > pending) {
        stores.front().first(stores.front().second);
        stores.pop_front();
    }
}

float half_to_float(unsigned short bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float number;
    if (exponent == 31) {
        number = fraction ? NAN : INFINITY;
    } else {
        number = std::ldexp(static_cast<float>(exponent ? 1024 + fraction : fraction),
                            (exponent ? exponent : 1) - 25);
    }
    return bits & 0x8000 ? -number : number;
}

unsigned short float_to_half(float number) {
    const unsigned sign = std::signbit(number) ? 0x8000 : 0;
    const double size = std::fabs(static_cast<double>(number));
    if (std::isnan(number)) {
        return static_cast<unsigned short>(sign | 0x7e00);
    }
    if (size >= 65520) {
        return static_cast<unsigned short>(sign | 0x7c00);
    }
    const int exponent = size > 0 ? std::max(std::ilogb(size), -14) : -14;
    // A fraction that rounds up to 2048 carries into the exponent by itself.
    const int fraction = static_cast<int>(std::nearbyint(std::ldexp(size, 10 - exponent)));
    const int bits = ((exponent + 14) << 10) + fraction;
    return static_cast<unsigned short>(sign | bits);
}

// `shape` holds: blocks, batches of the grid, threads, bytes of shared memory, blocks of a cluster.
void run(void (*kernel)(void **), void **arguments, const int *shape, const int *numbers,
         int order) {
    running_kernel = kernel;
    running_arguments = arguments;
    constants = numbers;
    blocks = shape[0];
    batches = shape[1];
    cluster = shape[4];
    if (blocks % cluster) {
        fail("the grid does not consist of whole clusters");
    }
    for (batch = 0; batch < shape[1]; ++batch) {
        for (first_block = 0; first_block < shape[0]; first_block += cluster) {
            // Aligned as on the device and full of NaN. AddressSanitizer guards the end; without
            // it a margin does.
            const int margin = SANITIZED ? 0 : 128;
            memories.clear();
            for (int i = 0; i < cluster; ++i) {
                void *memory = nullptr;
                if (posix_memalign(&memory, 128, std::max(1, shape[3] + margin))) {
                    fail("no memory");
                }
                std::memset(memory, 0xff, shape[3] + margin);
                memories.push_back(static_cast<unsigned char *>(memory));
            }
            run_cluster(shape[2], order);
            for (unsigned char *memory : memories) {
                for (int i = shape[3]; i < shape[3] + margin; ++i) {
                    if (memory[i] != 0xff) {
                        fail("a kernel wrote past the end of its shared memory");
                    }
                }
                std::free(memory);
            }
        }
    }
}

}  // namespace host
