// The ring of stages in shared memory that one warp fills and the warpgroups of a block use. It
// runs on from tile to tile. Included after RBGP_WARPGROUPS, the number of warpgroups that
// multiply, is defined.
#include "hopper_units.cuh"
#include "pattern.cuh"

// Registers of a thread that loads and of one that multiplies. A thread of three warpgroups begins
// with 168; those of two have enough from the start.
#define RBGP_FEW_REGISTERS 40
#define RBGP_MANY_REGISTERS 232

// A stage of the ring, and which of its rounds this thread is in.
struct Ring {
    int stage = 0;
    int parity = 0;
};

RBGP_DEVICE void advance(Ring &ring) {
    if (++ring.stage == RBGP_BUFFERS) {
        ring.stage = 0;
        ring.parity ^= 1;
    }
}

RBGP_DEVICE int before(const Ring &ring) {
    return (ring.stage == 0 ? RBGP_BUFFERS : ring.stage) - 1;
}

RBGP_DEVICE unsigned char *stage_memory(int stage) {
    return tile_memory() + stage * RBGP_STAGE_BYTES;
}

RBGP_DEVICE TransferBarrier *filled(int stage) {
    return reinterpret_cast<TransferBarrier *>(tile_memory() + RBGP_BARRIER_OFFSET) + stage;
}

RBGP_DEVICE TransferBarrier *emptied(int stage) { return filled(stage) + RBGP_BUFFERS; }

// Creates the barriers, before any thread goes on.
RBGP_DEVICE void begin_ring() {
    if (thread_index() == 0) {
        for (int stage = 0; stage < RBGP_BUFFERS; ++stage) {
            create_barrier(filled(stage), 1);
            create_barrier(emptied(stage), 4 * RBGP_WARPGROUPS * RBGP_CLUSTER);
        }
        publish_barriers();
    }
#if RBGP_CLUSTER > 1
    cluster_barrier();
#else
    barrier();
#endif
}

RBGP_DEVICE void end_ring() {
#if RBGP_CLUSTER > 1
    // Other blocks still write to this block's memory, and arrive at its barriers.
    cluster_barrier();
#endif
}

// What the last warpgroup does: one warp of it fills stages for the tiles of this block, as
// `fill_tile` does for one, and waits until all of them have been used.
template <class FillTile>
RBGP_DEVICE void fill_ring(long long tiles, const FillTile &fill_tile) {
    if (RBGP_WARPGROUPS > 1) {
        give_registers<RBGP_FEW_REGISTERS>();
    }
    // Of this warpgroup the other warps have nothing to do.
    if (uniform(thread_index() / 32) == 4 * RBGP_WARPGROUPS) {
        Ring ring;
        for (long long at = block_index(); at < tiles; at += grid_blocks()) {
            fill_tile(at, ring);
        }
        for (int stage = 0; stage < RBGP_BUFFERS; ++stage) {
            watch_for_phase(emptied(ring.stage), ring.parity ^ 1);
            advance(ring);
        }
    }
}

// Brings box number i. What the blocks of a cluster have in common they bring in turns.
template <bool is_common, class... Starts>
RBGP_DEVICE void bring_box(int i, unsigned char *to, const TensorMap &from, TransferBarrier *done,
                           Starts... starts) {
    if constexpr (is_common) {
        if (i % RBGP_CLUSTER == block_index() % RBGP_CLUSTER) {
            load_box_everywhere(to, from, done, starts...);
        }
    } else {
        load_box(to, from, done, starts...);
    }
}

// Says in all blocks that fill this stage that this warp has used it.
RBGP_DEVICE void release(int stage) {
    const int lane = thread_index() & 31;
#if RBGP_GROUPS > 1
    // All lanes have read where the rows lie.
    warp_barrier();
#endif
#if RBGP_CLUSTER > 1
    if (lane < RBGP_CLUSTER) {
        arrive(emptied(stage), lane);
    }
#else
    if (lane == 0) {
        arrive(emptied(stage));
    }
#endif
}
