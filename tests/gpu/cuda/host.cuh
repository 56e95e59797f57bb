// The machine of the kernels on the CPU: one fibre for each thread of a cluster of blocks, which
// switches where a CUDA thread waits for others. Copies to shared memory take place at their wait,
// not before.
#pragma once

#define RBGP_DEVICE static inline
#define RBGP_KERNEL extern "C" void

namespace host {
// Its number in its block, that of the block in its cluster, and its number in the cluster.
struct Thread {
    int index, block, place;
};
// The thread that runs, its block, and the numbers that stand for macros of the device build.
extern Thread *current;
extern int block, blocks, cluster, batch, batches;
// Shared memory of the block that runs.
extern unsigned char *shared;
extern const int *constants;
void wait_for_block();
void wait_for_warp();
void wait_for_team(int team, int threads);
void wait_for_cluster();
// Where this block's shared memory lies in another block of the cluster, which must not have ended.
unsigned char *shared_of(int other);
// Waits as long as a byte of memory has a value.
void wait_while(const unsigned char *byte, unsigned char value);
// Puts off a task to any later time; backwards it is put off until no thread can go on.
void defer(void (*task)(void *), void *data);
// Two places for each lane of each warp, which collectives take in turn.
unsigned char *exchange(int lane);
void flip_exchange();
void load_matrices(unsigned *registers, int count, const void *row, bool is_transposed);
void store_matrices(void *row, const unsigned *registers, int count, bool is_transposed);
void add_copy(void *to, const void *from, int bytes, bool is_there);
void close_copies();
void finish_copies(int pending);
// Puts off a task of this thread until it waits for it, or ends; tasks are done in turn.
void add_store(void (*task)(void *), void *data);
void finish_stores(int pending);
// Units that copy from shared memory see what a thread has published before its last barrier.
void publish();
void check_published();
void fail(const char *why);
float half_to_float(unsigned short bits);
unsigned short float_to_half(float number);
void run(void (*kernel)(void **), void **arguments, const int *shape, const int *constants,
         int order);
}  // namespace host

RBGP_DEVICE int thread_index() { return host::current->index; }
RBGP_DEVICE int block_index() { return host::block; }
RBGP_DEVICE int batch_index() { return host::batch; }
RBGP_DEVICE int batch_step() { return host::batches; }
RBGP_DEVICE void barrier() { host::wait_for_block(); }
RBGP_DEVICE unsigned char *shared_memory() { return host::shared; }

template <int bytes>
RBGP_DEVICE void copy_to_shared(void *shared, const void *global, bool is_there) {
    static_assert(bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16, "no such copy");
    host::add_copy(shared, global, bytes, is_there);
}
RBGP_DEVICE void commit_copies() { host::close_copies(); }
template <int pending>
RBGP_DEVICE void wait_copies() {
    host::finish_copies(pending);
}

RBGP_DEVICE float half_to_float(unsigned short bits) { return host::half_to_float(bits); }
RBGP_DEVICE unsigned short float_to_half(float number) { return host::float_to_half(number); }
RBGP_DEVICE float float_of_bits(unsigned bits) {
    float number;
    __builtin_memcpy(&number, &bits, sizeof number);
    return number;
}
RBGP_DEVICE unsigned bits_of_float(float number) {
    unsigned bits;
    __builtin_memcpy(&bits, &number, sizeof bits);
    return bits;
}
RBGP_DEVICE float complementary_error(float x) { return __builtin_erfcf(x); }
RBGP_DEVICE double complementary_error(double x) { return __builtin_erfc(x); }
RBGP_DEVICE float exponential(float x) { return __builtin_expf(x); }
RBGP_DEVICE double exponential(double x) { return __builtin_exp(x); }

// Entry for any kernel: every argument is given by its address.
namespace host {
template <int...>
struct Places {};
template <int count, int... rest>
struct PlacesTo : PlacesTo<count - 1, count - 1, rest...> {};
template <int... all>
struct PlacesTo<0, all...> {
    typedef Places<all...> Type;
};
template <class T>
struct Plain {
    typedef T Type;
};
template <class T>
struct Plain<T *__restrict__> {
    typedef T *Type;
};
template <class... Types, int... at>
void apply(void (*kernel)(Types...), void **arguments, Places<at...>) {
    kernel(*static_cast<typename Plain<Types>::Type *>(arguments[at])...);
}
template <class... Types>
void call(void (*kernel)(Types...), void **arguments) {
    apply(kernel, arguments, typename PlacesTo<sizeof...(Types)>::Type());
}
}  // namespace host
