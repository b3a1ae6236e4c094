#include "checker.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { CANARY = 0xA5, PAGE = 4096 };

struct guarded guard_take(size_t bytes, size_t align, enum side side) {
    struct guarded g = {.bytes = bytes};
    size_t body = (bytes + PAGE - 1) / PAGE * PAGE;
    if (body == 0) body = PAGE;
    g.map_bytes = body + 2 * PAGE;
    g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.map != MAP_FAILED);
    memset(g.map + PAGE, CANARY, body);
    g.data = side == FRONT ? g.map + PAGE : g.map + PAGE + (body - bytes) / align * align;
    memset(g.data, 0, bytes);
    assert_int_equal(mprotect(g.map, PAGE, PROT_NONE), 0);
    assert_int_equal(mprotect(g.map + PAGE + body, PAGE, PROT_NONE), 0);
    return g;
}

void guard_give(struct guarded *g) {
    for (uint8_t *p = g->map + PAGE; p < g->map + g->map_bytes - PAGE; p++) {
        if (p == g->data) p += g->bytes;
        if (p < g->map + g->map_bytes - PAGE && *p != CANARY)
            fail_msg("byte %td of a buffer of %zu was written", p - g->data, g->bytes);
    }
    munmap(g->map, g->map_bytes);
}

uint32_t dice_roll(struct dice *d) {
    d->state ^= d->state >> 12;
    d->state ^= d->state << 25;
    d->state ^= d->state >> 27;
    return (uint32_t)(d->state * 0x2545F4914F6CDD1Du >> 32);
}

uint32_t dice_below(struct dice *d, uint32_t n) {
    return (uint32_t)((uint64_t)dice_roll(d) * n >> 32);
}

float dice_float(struct dice *d, int low, int high) {
    uint32_t exponent = (uint32_t)(low + (int)dice_below(d, (uint32_t)(high - low)) + 127);
    uint32_t r = dice_roll(d);
    return bits_float((r & 0x807fffffu) | exponent << 23);
}

void dice_fill(struct dice *d, void *data, size_t bytes) {
    uint8_t *p = data;
    for (; bytes >= 4; bytes -= 4, p += 4) {
        uint32_t r = dice_roll(d);
        memcpy(p, &r, 4);
    }
    for (; bytes > 0; bytes--) *p++ = (uint8_t)(dice_roll(d) >> 13);
}

int has_mask(apus_cpu mask) {
    static uint32_t asked, has;
    if (!(asked >> mask & 1)) has |= (uint32_t)apus_cpu_has(mask) << mask, asked |= 1u << mask;
    return has >> mask & 1;
}

struct cpu_kernels table_of(apus_cpu mask) {
    static struct cpu_kernels table[APUS_CPU_NEON + 1];
    struct cpu_kernels *t = &table[mask];
    if (t->cpu == APUS_CPU_BEST) assert_int_equal(cpu_kernels_fill(t, mask), APUS_OK);
    assert_int_equal(t->cpu, mask);
    for (uint32_t type = 1; type < WEIGHT_TYPES; type++)
        assert_int_equal(t->gemv[type] != NULL,
                         (weight_traits(type)->engines & WEIGHT_ON_CPU) != 0);
    assert_true(t->norm && t->quant && t->head && t->embed);
    for (uint32_t kind = 0; kind < sizeof t->act / sizeof t->act[0]; kind++)
        assert_non_null(t->act[kind]);
    for (uint32_t type = 0; type < KV_TYPES; type++) assert_non_null(t->attend[type]);
    return *t;
}

/* Where the machine has AVX-512 it has the 256-bit vpdpbusd (VL and VNNI). */
int has_evex(void) { return has_mask(APUS_CPU_AVX512); }

uint32_t gemvs_here(struct gemvs all[APUS_CPU_NEON + 1]) {
    uint32_t count = 0;
    EACH_MASK(mask) {
        struct cpu_kernels t = table_of(mask);
        struct gemvs *g = &all[count++];
        g->name = apus_cpu_name(mask);
        memcpy(g->of, t.gemv, sizeof g->of);
    }
    if (has_evex())
        all[count++] = (struct gemvs){"avxvnni as evex",
                                      {[WEIGHT_W8] = evex_gemv_w8,
                                       [WEIGHT_W4] = evex_gemv_w4,
                                       [WEIGHT_W4T] = evex_gemv_w4t,
                                       [WEIGHT_W5] = evex_gemv_w5,
                                       [WEIGHT_W6] = evex_gemv_w6,
                                       [WEIGHT_W4S] = evex_gemv_w4s,
                                       [WEIGHT_W8S] = evex_gemv_w8s}};
    return count;
}

void same_bytes(const char *what, const void *expected, const void *got, size_t bytes,
                const char *detail) {
    const uint8_t *e = expected, *g = got;
    if (memcmp(e, g, bytes) == 0) return;
    size_t i = 0;
    while (e[i] == g[i]) i++;
    i = i / 4 * 4;
    fail_msg("%s: byte %zu of %zu: expected %02x %02x %02x %02x, got %02x %02x %02x %02x (%s)",
             what, i, bytes, e[i], e[i + 1], e[i + 2], e[i + 3], g[i], g[i + 1], g[i + 2], g[i + 3],
             detail);
}

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* other programs' time slices do not count */
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double time_ns(void (*fn)(void *user), void *user) {
    double sample[9];
    unsigned repeats = 1;
    for (;;) {
        double begin = now_ns();
        for (unsigned i = 0; i < repeats; i++) fn(user);
        if (now_ns() - begin > 1e6) break;
        repeats *= 2;
    }
    for (unsigned s = 0; s < 9; s++) {
        double begin = now_ns();
        for (unsigned i = 0; i < repeats; i++) fn(user);
        sample[s] = (now_ns() - begin) / repeats;
    }
    qsort(sample, 9, sizeof *sample, compare_doubles);
    return sample[4];
}

void say_time(const char *set, const char *what, double ns, double bytes) {
    printf("%-15s %-40s %12.0f ns %8.2f GB/s\n", set, what, ns, bytes / ns);
}
