#include "cpu/share.h"

static uint64_t pack(struct share_run r) { return (uint64_t)r.begin << 32 | r.end; }

struct share_run share_stretch(uint32_t units, uint32_t threads, uint32_t t) {
    return (struct share_run){(uint32_t)((uint64_t)units * t / threads), (uint32_t)((uint64_t)units * (t + 1) / threads)};
}

void share_out(struct share *share, uint32_t threads, uint32_t units) {
    for (uint32_t t = 0; t < threads; t++) atomic_store_explicit(&share[t].left, pack(share_stretch(units, threads, t)), memory_order_relaxed);
}

/* Half of what is left, so that runs get shorter and all threads end at about the same time. */
static struct share_run take_from(struct share *share, int back) {
    uint64_t old = atomic_load_explicit(&share->left, memory_order_relaxed);
    for (;;) {
        struct share_run left = {(uint32_t)(old >> 32), (uint32_t)old}, taken = left;
        uint32_t count = (left.end - left.begin + 1) / 2;
        if (!count) return taken;
        if (back) taken.begin = left.end -= count;
        else taken.end = left.begin += count;
        if (atomic_compare_exchange_weak_explicit(&share->left, &old, pack(left), memory_order_relaxed, memory_order_relaxed)) return taken;
    }
}

struct share_run share_take(struct share *share, uint32_t threads, uint32_t t) {
    struct share_run run = {0, 0};
    for (uint32_t i = 0; i < threads && run.begin == run.end; i++) run = take_from(&share[(t + i) % threads], i > 0);
    return run;
}
