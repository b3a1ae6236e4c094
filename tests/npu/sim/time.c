/* The cycle model: what a command has moved and computed, over what the hardware is said to do in a
 * second. Nothing here was measured.
 *
 * Memory: 47 GB/s for XDNA, 70 GB/s for XDNA2, which are the ends of the range that is reported for
 * reads through the shims; reads and writes run at the same time. Channels: streams are 32 bits
 * wide, one word a cycle (AM020, "AIE-ML memory tile"). Cycles: 1.25 GHz for XDNA, between 1.0 GHz
 * (10 TOPS of int8, Phoenix) and 1.6 GHz (16 TOPS, Hawk Point), and 1.5 GHz for XDNA2 (50 TOPS).
 * Work: one matrix instruction of the kernel, 128 products of 16 x 8 bits, in each cycle on each
 * compute tile of the partition; unpacking is assumed to cost no further time. Filling and draining
 * the pipeline, locks, and the time of control code itself are left out. */
#include "tests/npu/sim/sim_parts.h"

static double bytes_per_ns(uint32_t generation) { return generation == NPU_XDNA2 ? 70.0 : 47.0; }
static double cycles_per_ns(uint32_t generation) { return generation == NPU_XDNA2 ? 1.5 : 1.25; }
enum { MACS_PER_CYCLE = 128 };

static double larger(double a, double b) { return a > b ? a : b; }

void sim_time_begin(struct sim_array *a) {
    a->bytes_read = a->bytes_written = a->macs = 0;
    for (uint32_t c = 0; c < a->columns; c++)
        for (uint32_t r = 0; r < ARRAY_ROWS; r++)
            for (uint32_t i = 0; i < sim_channels(r); i++)
                a->tile[c][r].to_memory[i].moved = a->tile[c][r].to_stream[i].moved = 0;
}

static uint64_t busiest_channel(const struct sim_array *a) {
    uint64_t most = 0;
    for (uint32_t c = 0; c < a->columns; c++)
        for (uint32_t r = 0; r < ARRAY_ROWS; r++)
            for (uint32_t i = 0; i < sim_channels(r); i++) {
                const struct sim_tile *t = &a->tile[c][r];
                if (t->to_memory[i].moved > most) most = t->to_memory[i].moved;
                if (t->to_stream[i].moved > most) most = t->to_stream[i].moved;
            }
    return most;
}

struct sim_time sim_time(const struct sim_array *a) {
    double cycles = cycles_per_ns(a->generation);
    return (struct sim_time){
        .memory_ns =
            larger((double)a->bytes_read, (double)a->bytes_written) / bytes_per_ns(a->generation),
        .channel_ns = (double)busiest_channel(a) / cycles,
        .work_ns = (double)a->macs / (MACS_PER_CYCLE * CORE_ROWS * a->columns * cycles),
    };
}

uint64_t sim_time_ns(const struct sim_array *a) {
    struct sim_time t = sim_time(a);
    return (uint64_t)larger(t.memory_ns, larger(t.channel_ns, t.work_ns));
}
