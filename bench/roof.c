#include "bench/roof.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

struct roof_member {
    struct roof_team *team;
    unsigned index;
    pthread_t thread;
    double seconds; /* of the last job */
};

struct roof_team {
    double share;              /* roof_share */
    pthread_barrier_t barrier; /* before and after every job */
    roof_fn *fn;               /* NULL: the threads end */
    void *user;
    unsigned threads;
    struct roof_member member[64];
};

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double roof_median(double *values, size_t count) {
    qsort(values, count, sizeof *values, by_size);
    return 0.5 * (values[(count - 1) / 2] + values[count / 2]);
}

uint64_t roof_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double thread_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void work(struct roof_member *m) {
    double begin = thread_seconds();
    m->team->fn(m->team->user, m->index, m->team->threads);
    m->seconds = thread_seconds() - begin;
}

static void *serve(void *user) {
    struct roof_member *m = user;
    for (;;) {
        pthread_barrier_wait(&m->team->barrier);
        if (!m->team->fn) return NULL;
        work(m);
        pthread_barrier_wait(&m->team->barrier);
    }
}

struct roof_team *roof_open(unsigned threads) {
    struct roof_team *t = calloc(1, sizeof *t);
    if (!t || threads < 1 || threads > 64 || pthread_barrier_init(&t->barrier, NULL, threads)) {
        free(t);
        return NULL;
    }
    t->threads = threads;
    t->member[0].team = t;
    for (unsigned i = 1; i < threads; i++) {
        t->member[i].team = t;
        t->member[i].index = i;
        /* this is a benchmark, so the threads that were started are left alone */
        if (pthread_create(&t->member[i].thread, NULL, serve, &t->member[i])) return NULL;
    }
    return t;
}

void roof_close(struct roof_team *team) {
    team->fn = NULL;
    pthread_barrier_wait(&team->barrier);
    for (unsigned i = 1; i < team->threads; i++) pthread_join(team->member[i].thread, NULL);
    pthread_barrier_destroy(&team->barrier);
    free(team);
}

unsigned roof_threads(const struct roof_team *team) { return team->threads; }

double roof_run(struct roof_team *team, roof_fn *fn, void *user) {
    team->fn = fn;
    team->user = user;
    uint64_t begin = roof_now();
    pthread_barrier_wait(&team->barrier);
    work(&team->member[0]);
    pthread_barrier_wait(&team->barrier);
    double longest = 0;
    for (unsigned i = 0; i < team->threads; i++)
        if (team->member[i].seconds > longest) longest = team->member[i].seconds;
    double passed = (double)(roof_now() - begin) * 1e-9;
    team->share = passed > longest ? longest / passed : 1;
    return longest;
}

double roof_share(const struct roof_team *team) { return team->share; }

/* ----------------------------------------------------------------------------------- reading -- */

struct read_job {
    const uint8_t *data;
    size_t bytes;
    unsigned repeats, prefetch;
};

static volatile uint64_t sink; /* so that the compiler does not remove the loops */

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static uint64_t read_avx512(const uint8_t *p, size_t bytes,
                                                               unsigned prefetch) {
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (size_t i = 0; i + 256 <= bytes; i += 256) {
        if (prefetch)
            for (unsigned j = 0; j < 256; j += 64)
                _mm_prefetch((const char *)p + i + prefetch + j, _MM_HINT_T0);
        a = _mm512_xor_si512(a, _mm512_load_si512(p + i));
        b = _mm512_xor_si512(b, _mm512_load_si512(p + i + 64));
        c = _mm512_xor_si512(c, _mm512_load_si512(p + i + 128));
        d = _mm512_xor_si512(d, _mm512_load_si512(p + i + 192));
    }
    return (uint64_t)_mm512_reduce_add_epi64(
        _mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d)));
}
#endif

static uint64_t read_plain(const uint8_t *p, size_t bytes, unsigned prefetch) {
    const uint64_t *w = (const uint64_t *)(const void *)p;
    uint64_t x[8] = {0};
    for (size_t i = 0; i + 64 <= bytes; i += 64, w += 8) {
        if (prefetch) __builtin_prefetch((const char *)w + prefetch);
        for (unsigned j = 0; j < 8; j++) x[j] ^= w[j];
    }
    return x[0] ^ x[1] ^ x[2] ^ x[3] ^ x[4] ^ x[5] ^ x[6] ^ x[7];
}

static void read_part(void *user, unsigned thread, unsigned threads) {
    const struct read_job *job = user;
    size_t part = job->bytes / threads / 256 * 256;
    uint64_t (*fn)(const uint8_t *, size_t, unsigned) = read_plain;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) fn = read_avx512;
#endif
    for (unsigned i = 0; i < job->repeats; i++)
        sink = sink + fn(job->data + thread * part, part, job->prefetch);
}

double roof_read(struct roof_team *team, const void *data, size_t bytes, unsigned repeats,
                 unsigned prefetch) {
    struct read_job job = {data, bytes, repeats, prefetch};
    double seconds = roof_run(team, read_part, &job);
    return (double)(bytes / team->threads / 256 * 256 * team->threads) * repeats / seconds;
}

unsigned roof_read_prefetch(struct roof_team *team, const void *data, size_t bytes) {
    unsigned best = 0;
    double rate = 0;
    for (unsigned round = 0; round < 3; round++)
        for (unsigned d = 0; d <= 4096; d = d ? d * 2 : 512) {
            double r = roof_read(team, data, bytes, 1, d);
            if (r > rate) {
                rate = r;
                best = d;
            }
        }
    return best;
}

/* ----------------------------------------------------------------------------- multiply-adds -- */

enum { DOT_ROUNDS = 1 << 21 };

#if defined(__x86_64__)
/* 16 independent sums hide the latency of the instruction. */
__attribute__((target("avx512f,avx512vnni"))) static void dot_avx512(void) {
    __m512i a[16], x = _mm512_set1_epi32(0x01020304), y = _mm512_set1_epi32(0x7f818283);
#pragma GCC unroll 16
    for (int j = 0; j < 16; j++) a[j] = _mm512_setzero_si512();
    for (int i = 0; i < DOT_ROUNDS; i++) {
#pragma GCC unroll 16
        for (int j = 0; j < 16; j++) {
            a[j] = _mm512_dpbusd_epi32(a[j], x, y);
            __asm__ volatile("" : "+v"(a[j]));
        }
    }
}

__attribute__((target("avx2"))) static void dot_avx2(void) {
    __m256i a[8], x = _mm256_set1_epi32(0x01020304), y = _mm256_set1_epi32(0x7f818283),
                  one = _mm256_set1_epi16(1);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) a[j] = _mm256_setzero_si256();
    for (int i = 0; i < DOT_ROUNDS; i++) {
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            __asm__ volatile("" : "+x"(x));
            a[j] = _mm256_add_epi32(a[j], _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), one));
            __asm__ volatile("" : "+x"(a[j]));
        }
    }
}

/* Two instructions start in a cycle and take 5 cycles on some processors, so there are 12
 * independent sums. */
__attribute__((target("avx2"))) static void dot_avxvnni(void) {
    __m256i a[12], x = _mm256_set1_epi32(0x01020304), y = _mm256_set1_epi32(0x7f818283);
#pragma GCC unroll 12
    for (int j = 0; j < 12; j++) a[j] = _mm256_setzero_si256();
    for (int i = 0; i < DOT_ROUNDS; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < 12; j++)
            __asm__ volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(a[j]) : "x"(x), "x"(y));
    }
}

static int has_avxvnni(void) { /* clang 14 does not know the name of this feature */
    uint32_t a, b, c, d;
    return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && a >= 1 &&
           __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & 1 << 4;
}

struct dot {
    void (*fn)(void);
    int per_round; /* multiply-adds */
};

static void dot_part(void *user, unsigned thread, unsigned threads) {
    (void)thread, (void)threads;
    ((const struct dot *)user)->fn();
}

double roof_dot(struct roof_team *team) {
    struct dot dot = {dot_avx2, 8 * 32};
    if (__builtin_cpu_supports("avx512vnni"))
        dot = (struct dot){dot_avx512, 16 * 64};
    else if (has_avxvnni())
        dot = (struct dot){dot_avxvnni, 12 * 32};
    else if (!__builtin_cpu_supports("avx2"))
        return 0;
    double seconds = roof_run(team, dot_part, &dot);
    return (double)DOT_ROUNDS * dot.per_round * team->threads / seconds;
}
#else
double roof_dot(struct roof_team *team) {
    (void)team;
    return 0;
}
#endif

/* ------------------------------------------------------------------------------------- pages -- */

enum { HUGE_PAGE = 2 << 20 };

void *roof_alloc(size_t bytes) {
    bytes = (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    madvise(p, bytes, MADV_HUGEPAGE);
    /* makes real pages: untouched pages would all read the same zero page */
    for (size_t i = 0; i < bytes; i += 4096) ((volatile uint8_t *)p)[i] = 0;
    return p;
}

void roof_free(void *data, size_t bytes) {
    munmap(data, (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1));
}

/* -------------------------------------------------------------------------------------- name -- */

void roof_machine(char *name, size_t room) {
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(name, room, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        snprintf(name, room, "%s", colon + 2);
        break;
    }
    if (f) fclose(f);
    for (char *c = name; *c; c++)
        if (*c < ' ' || *c == '"' || *c == '\\') *c = *c == '\n' ? '\0' : ' ';
}
