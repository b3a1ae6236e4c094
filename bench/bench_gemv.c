/* Compares GEMV kernels with the machine's roofs: the kernels read weights from memory, both roofs
 * are measured between their runs, and medians go to stdout as JSON.
 *
 *     bench_gemv [--threads N] [--mib N] [--rounds N] [--cpu ref|avx2|avxvnni|avx512|each]
 *
 * each: all instruction sets of this machine but ref, in turns, and also AVX-VNNI's kernels in
 * AVX-512's encoding if the machine has that.
 *
 * Threads share the panels of every tensor and do not wait for one another: this measures the
 * kernel alone, not the engine. Seconds are processor time of the thread that took longest
 * (bench/roof.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/roof.h"
#include "cpu/kernels.h"

enum { COLUMNS_MAX = 128, ROUNDS_MAX = 99, COUNTS = 6, SETS_MAX = 4 };
static const uint32_t column_counts[COUNTS] = {1, 2, 4, 8, 16, COLUMNS_MAX};

static const struct shape {
    const char *model;
    uint32_t type, rows, k;
} shapes[] = {
    {"135M", WEIGHT_W8, 576, 576},   {"135M", WEIGHT_W8, 1536, 576},
    {"135M", WEIGHT_W8, 576, 1536},  {"135M", WEIGHT_W8, 49152, 576},
    {"135M", WEIGHT_W4, 1536, 576},  {"7B", WEIGHT_W4, 4096, 4096},
    {"7B", WEIGHT_W4, 11008, 4096},  {"7B", WEIGHT_W4, 4096, 11008},
    {"7B", WEIGHT_W4T, 4096, 4096},  {"7B", WEIGHT_W5, 4096, 4096},
    {"7B", WEIGHT_W6, 4096, 4096},   {"7B", WEIGHT_W8, 4096, 4096},
    {"7B", WEIGHT_W8, 32000, 4096},  {"7B", WEIGHT_W4S, 4096, 4096},
    {"7B", WEIGHT_W4S, 11008, 4096}, {"7B", WEIGHT_W4S, 4096, 11008},
    {"7B", WEIGHT_W8S, 4096, 4096},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct options {
    unsigned threads, rounds;
    size_t bytes;
    apus_cpu cpu;
    int each;
};

struct set {
    const char *name;
    cpu_gemv_fn *of[WEIGHT_TYPES];
};

#ifdef GEMV_EVEX
/* tests/kernels/gemv_evex.c and gemv_sparse_evex.c */
cpu_gemv_fn evex_gemv_w8, evex_gemv_w4, evex_gemv_w4t, evex_gemv_w5, evex_gemv_w6, evex_gemv_w4s,
    evex_gemv_w8s;
#endif

struct bench {
    struct options options;
    struct set set[SETS_MAX];
    unsigned sets;
    struct roof_team *team;
    uint8_t *weights; /* options.bytes random bytes: every bit pattern is a valid tensor */
    uint8_t *x;       /* COLUMNS_MAX columns of the widest shape */
    float *row_scale, *y;
    unsigned prefetch;
};

struct job {
    const struct bench *bench;
    cpu_gemv_fn *fn;
    struct gemv_args args;
    uint32_t panels, tensors;
    size_t tensor_bytes;
};

static void run_part(void *user, unsigned thread, unsigned threads) {
    const struct job *job = user;
    const uint32_t begin = job->panels * thread / threads,
                   end = job->panels * (thread + 1) / threads;
    struct gemv_args args = job->args;
    for (uint32_t t = 0; t < job->tensors; t++) {
        args.panels = job->bench->weights + t * job->tensor_bytes;
        job->fn(&args, begin, end);
    }
}

static struct job prepare(const struct bench *b, const struct set *set, const struct shape *s,
                          uint32_t columns) {
    const uint32_t kp = padded_cols(s->k), rows = padded_rows(s->rows);
    struct job j = {.bench = b, .fn = set->of[s->type]};
    j.panels = rows / PANEL_ROWS;
    j.tensor_bytes = (size_t)weight_bytes(s->type, s->rows, s->k);
    j.tensors = (uint32_t)(b->options.bytes / j.tensor_bytes);
    if (columns > 16)
        j.tensors = (j.tensors + 7) / 8; /* bound by arithmetic: no need to read so
                                                          much */
    j.args = (struct gemv_args){b->weights,     b->row_scale, NULL, kp, columns,   b->x,
                                act_stride(kp), b->y,         rows, 0,  GEMV_AHEAD};
    for (uint32_t c = 0; c < columns; c++) *act_scale(b->x + c * j.args.x_stride, kp) = 0.01f;
    return j;
}

/* Prints one shape. rate: bytes per second, by number of columns and round. */
static void print_shape(const struct shape *s, const char *set, double rate[COUNTS][ROUNDS_MAX],
                        unsigned rounds, double roof, double peak, int last) {
    /* for each byte of weights and column */
    const double macs =
        (double)s->rows * padded_cols(s->k) / (double)weight_bytes(s->type, s->rows, s->k);
    printf("    {\"model\": \"%s\", \"cpu\": \"%s\", \"type\": \"%s\", \"rows\": %u, \"cols\": "
           "%u, \"read_gb_s\": %.2f, \"dot_gmac_s\": "
           "%.1f, \"columns\": {\n",
           s->model, set, weight_traits(s->type)->name, s->rows, s->k, roof / 1e9, peak / 1e9);
    for (unsigned i = 0; i < COUNTS; i++) {
        const double gb = roof_median(rate[i], rounds), mac = gb * macs * column_counts[i];
        printf("      \"%u\": {\"gb_s\": %.2f, \"of_read\": %.3f, \"gmac_s\": %.1f, \"of_dot\": "
               "%.3f}%s\n",
               column_counts[i], gb / 1e9, gb / roof, mac / 1e9, mac / peak,
               i + 1 < COUNTS ? "," : "");
    }
    printf("    }}%s\n", last ? "" : ",");
    fflush(stdout);
}

static void bench_shape(const struct bench *b, const struct shape *s, int last) {
    static double rate[SETS_MAX][COUNTS][ROUNDS_MAX], read[ROUNDS_MAX], dot[ROUNDS_MAX];
    const unsigned rounds = b->options.rounds;
    for (unsigned r = 0; r < rounds; r++) {
        read[r] = roof_read(b->team, b->weights, b->options.bytes, 1, b->prefetch);
        dot[r] = roof_dot(b->team);
        for (unsigned i = 0; i < COUNTS * b->sets; i++) {
            struct job j = prepare(b, &b->set[i % b->sets], s, column_counts[i / b->sets]);
            rate[i % b->sets][i / b->sets][r] =
                (double)j.tensor_bytes * j.tensors / roof_run(b->team, run_part, &j);
        }
    }
    const double roof = roof_median(read, rounds), peak = roof_median(dot, rounds);
    for (unsigned set = 0; set < b->sets; set++)
        print_shape(s, b->set[set].name, rate[set], rounds, roof, peak, last && set + 1 == b->sets);
}

static int parse(int argc, char **argv, struct options *o) {
    *o = (struct options){2, 9, (size_t)512 << 20, APUS_CPU_BEST, 0};
    for (int i = 1; i + 1 < argc; i += 2) {
        const long n = strtol(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--cpu") == 0) {
            o->each = strcmp(argv[i + 1], "each") == 0;
            while (!o->each && o->cpu < APUS_CPU_AVX512 &&
                   (o->cpu == APUS_CPU_BEST || strcmp(apus_cpu_name(o->cpu), argv[i + 1]) != 0))
                o->cpu = (apus_cpu)(o->cpu + 1);
            if (!o->each && strcmp(apus_cpu_name(o->cpu), argv[i + 1]) != 0) return 0;
        } else if (strcmp(argv[i], "--threads") == 0 && n >= 1 && n <= 64) {
            o->threads = (unsigned)n;
        } else if (strcmp(argv[i], "--rounds") == 0 && n >= 1 && n <= ROUNDS_MAX) {
            o->rounds = (unsigned)n;
            /* the largest tensor must fit */
        } else if (strcmp(argv[i], "--mib") == 0 && n >= 136 && n <= 65536) {
            o->bytes = (size_t)n << 20;
        } else {
            return 0;
        }
    }
    return argc % 2 == 1;
}

static void add_set(struct bench *b, apus_cpu cpu) {
    struct cpu_kernels t;
    if (cpu_kernels_fill(&t, cpu) != APUS_OK) return;
    struct set *set = &b->set[b->sets++];
    set->name = apus_cpu_name(t.cpu);
    for (int type = 0; type < WEIGHT_TYPES; type++) set->of[type] = t.gemv[type];
}

static void find_sets(struct bench *b) {
    b->sets = 0;
    if (!b->options.each) add_set(b, b->options.cpu);
    for (apus_cpu cpu = APUS_CPU_AVX2; b->options.each && cpu <= APUS_CPU_AVX512;
         cpu = (apus_cpu)(cpu + 1))
        add_set(b, cpu);
#ifdef GEMV_EVEX
    if (b->options.each && apus_cpu_has(APUS_CPU_AVX512))
        b->set[b->sets++] = (struct set){"avxvnni as evex",
                                         {[WEIGHT_W8] = evex_gemv_w8,
                                          [WEIGHT_W4] = evex_gemv_w4,
                                          [WEIGHT_W4T] = evex_gemv_w4t,
                                          [WEIGHT_W5] = evex_gemv_w5,
                                          [WEIGHT_W6] = evex_gemv_w6,
                                          [WEIGHT_W4S] = evex_gemv_w4s,
                                          [WEIGHT_W8S] = evex_gemv_w8s}};
#endif
}

int main(int argc, char **argv) {
    struct bench b;
    char machine[256];
    if (!parse(argc, argv, &b.options)) {
        fprintf(stderr, "usage: bench_gemv [--threads 1..64] [--mib 136..] [--rounds 1..99] [--cpu "
                        "ref|avx2|avxvnni|avx512|each]\n");
        return 2;
    }
    find_sets(&b);
    if (!b.sets) {
        fprintf(stderr, "this machine lacks %s\n",
                b.options.each ? "AVX2" : apus_cpu_name(b.options.cpu));
        return 1;
    }
    const size_t rows = 49152, x_bytes = act_stride(11008) * COLUMNS_MAX;
    b.team = roof_open(b.options.threads);
    b.weights = roof_alloc(b.options.bytes);
    b.x = roof_alloc(x_bytes);
    b.row_scale = roof_alloc(rows * sizeof(float));
    b.y = roof_alloc(rows * COLUMNS_MAX * sizeof(float));
    if (!b.team || !b.weights || !b.x || !b.row_scale || !b.y) {
        fprintf(stderr, "no memory or no threads\n");
        return 1;
    }
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i + 8 <= b.options.bytes; i += 8) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        memcpy(b.weights + i, &state, 8);
    }
    /* any bytes will do, because the time does not depend on them */
    for (size_t i = 0; i < x_bytes; i++) b.x[i] = (uint8_t)(b.weights[i] | 1);
    for (size_t i = 0; i < rows; i++) b.row_scale[i] = 1e-3f;
    b.prefetch = roof_read_prefetch(b.team, b.weights, b.options.bytes);

    roof_machine(machine, sizeof machine);
    printf("{\n  \"machine\": \"%s\", \"threads\": %u, \"cpu\": \"%s\", \"mib\": %zu, \"rounds\": "
           "%u, \"compiler\": \"%s\",\n  \"shapes\": "
           "[\n",
           machine, b.options.threads, b.options.each ? "each" : b.set[0].name,
           b.options.bytes >> 20, b.options.rounds, __VERSION__);
    for (unsigned i = 0; i < SHAPES; i++) bench_shape(&b, &shapes[i], i + 1 == SHAPES);
    printf("  ]\n}\n");
    roof_close(b.team);
    return 0;
}
