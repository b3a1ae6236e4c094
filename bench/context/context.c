/* Measures decoding behind long contexts, and compares it with the time that reading weights, keys
 * and values takes at the read roof of the same run. Prints JSON to stdout.
 *
 *     bench_context MODEL.apus [--threads N] [--turns N] [--at N,N,...] [--kv 8|4]
 *
 * Default: 2 threads, 5 turns, at 512,2048,8192, a cache of 8 bits.
 *
 * Evaluating thousands of tokens of a 7B model takes minutes, and its speed is not measured here.
 * So only the first 256 positions are evaluated, and their rows of the cache are repeated up to the
 * longest context. The time does not depend on the values in the rows. The roof and every context
 * are measured in turns, by the time that passes; medians are printed. The program uses the inside
 * of the runtime, as tests do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "apus/apus.h"
#include "bench/roof.h"
#include "runtime/session.h"

enum { BASE = 256, DECODED = 4, TURNS_MAX = 31, POSITIONS = 8, ROOF_BYTES = 1 << 30 };

struct bench {
    apus_session *session;
    unsigned threads, turns, count, prefetch, kv;
    uint32_t at[POSITIONS]; /* ascending */
    double roof[TURNS_MAX], seconds[POSITIONS][TURNS_MAX];
};

static int fail(const char *what) {
    fprintf(stderr, "bench_context: %s\n", what);
    return 1;
}

/* Fills the panels of slots [BASE, to) with copies of the panels below BASE. */
static void repeat_rows(apus_session *s, uint32_t to) {
    sequence_reserve(&s->target, to);
    for (uint32_t i = 0; i < s->target.hal.dims->layers; i++) {
        const struct kv_cache cache = sequence_cache(&s->target, i);
        for (uint32_t slot = BASE; slot < to; slot += KV_PANEL)
            kv_copy(&cache, slot, &cache, slot % BASE, KV_PANEL);
    }
    sequence_cache_written(&s->target, BASE, to);
    for (uint32_t i = BASE; i < to; i++) s->ids[i] = s->ids[i % BASE];
}

static apus_status fill(apus_session *s, uint32_t to, uint32_t vocab) {
    int32_t ids[BASE];
    for (uint32_t i = 0; i < BASE; i++) ids[i] = (int32_t)(i * 7919 % vocab);
    apus_status status = apus_eval(s, ids, BASE, NULL, NULL);
    if (status >= 0) repeat_rows(s, to);
    return status;
}

/* Seconds for a token behind `at` positions. */
static apus_status decode(apus_session *s, uint32_t at, float *logits, double *seconds) {
    const int32_t id = 1;
    session_rewind(s, 0);
    s->count = s->target.evaluated = at; /* the rows are there */
    apus_status status = apus_eval(s, &id, 1, logits, NULL);
    const uint64_t begin = roof_now();
    for (int i = 0; i < DECODED && status >= 0; i++) status = apus_eval(s, &id, 1, logits, NULL);
    *seconds = (double)(roof_now() - begin) * 1e-9 / DECODED;
    return status;
}

static int measure(struct bench *b, struct roof_team *team, const void *region, float *logits) {
    for (unsigned t = 0; t < b->turns; t++) {
        b->roof[t] = roof_read(team, region, ROOF_BYTES, 1, b->prefetch) * roof_share(team);
        for (unsigned i = 0; i < b->count; i++)
            if (decode(b->session, b->at[i], logits, &b->seconds[i][t]) < 0) return 0;
    }
    return 1;
}

/* Bytes of keys and values, with their scales, for a position. */
static double position_bytes(const apus_session *s) {
    double bytes = 0;
    for (uint32_t i = 0; i < s->target.hal.dims->layers; i++) {
        const struct kv_cache cache = sequence_cache(&s->target, i);
        bytes += (double)kv_bytes(&cache) / cache.slots;
    }
    return bytes;
}

static void report(struct bench *b, const apus_info *info) {
    struct utsname u;
    char machine[256];
    const double roof = roof_median(b->roof, b->turns), each = position_bytes(b->session);
    if (uname(&u)) memset(&u, 0, sizeof u);
    roof_machine(machine, sizeof machine);
    printf("{\"machine\": {\"processor\": \"%s\", \"kernel\": \"%s\"}, \"model\": \"%s\", "
           "\"threads\": %u, \"turns\": %u, \"kv_bits\": %u, \"weight_bytes\": %llu, "
           "\"read_gb_per_s\": "
           "%.3f, \"contexts\": [",
           machine, u.release, info->name, b->threads, b->turns, b->kv,
           (unsigned long long)info->weight_bytes, roof * 1e-9);
    for (unsigned i = 0; i < b->count; i++) {
        const double seconds = roof_median(b->seconds[i], b->turns),
                     bytes = (double)info->weight_bytes + each * (b->at[i] + 1 + DECODED / 2);
        printf("%s\n {\"position\": %u, \"tps\": %.3f, \"gb_per_s\": %.3f, \"kv_bytes\": %.0f, "
               "\"over_roof\": %.4f}",
               i ? "," : "", b->at[i], 1 / seconds, bytes / seconds * 1e-9,
               bytes - (double)info->weight_bytes, seconds * roof / bytes);
    }
    printf("]}\n");
}

static int parse(int argc, char **argv, struct bench *b) {
    *b = (struct bench){.threads = 2, .turns = 5, .count = 3, .kv = 8, .at = {512, 2048, 8192}};
    for (int i = 2; i + 1 < argc; i += 2) {
        char *end = argv[i + 1];
        const long n = strtol(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--threads") == 0 && n >= 1 && n <= 64) {
            b->threads = (unsigned)n;
        } else if (strcmp(argv[i], "--turns") == 0 && n >= 1 && n <= TURNS_MAX) {
            b->turns = (unsigned)n;
        } else if (strcmp(argv[i], "--kv") == 0 && (n == 4 || n == 8)) {
            b->kv = (unsigned)n;
        } else if (strcmp(argv[i], "--at") == 0) {
            for (b->count = 0; b->count < POSITIONS && *end; b->count++, end += *end == ',') {
                const long at = strtol(end, &end, 10);
                if (at < BASE || at % 16 || (b->count && at <= (long)b->at[b->count - 1])) return 0;
                b->at[b->count] = (uint32_t)at;
            }
            if (*end || !b->count) return 0;
        } else {
            return 0;
        }
    }
    return argc >= 2 && argc % 2 == 0;
}

int main(int argc, char **argv) {
    struct bench b;
    apus_map map;
    apus_blob blob;
    apus_info info = {.size = sizeof info};
    apus_memory need = {.size = sizeof need};
    apus_model *model;
    if (!parse(argc, argv, &b)) {
        fprintf(stderr,
                "usage: bench_context MODEL.apus [--threads 1..64] [--turns 1..%d] [--at N,N,...: "
                "ascending multiples of 16 from %d] [--kv 8|4]\n",
                TURNS_MAX, BASE);
        return 2;
    }
    if (apus_map_open(&map, argv[1])) return fail("cannot open the model");
    if (apus_blob_open(&blob, map.data, map.size, apus_port_host()) ||
        apus_blob_describe(&blob, &info))
        return fail("this is not a blob");
    const uint32_t most = b.at[b.count - 1];
    if (most + 16 > info.max_positions) return fail("the model holds fewer positions");
    apus_model_config mc = {.size = sizeof mc, .blob = &blob, .port = apus_port_host()};
    if (apus_model_measure(&mc, &need) ||
        apus_model_open(&model, &mc, roof_alloc(need.bytes), need.bytes))
        return fail("cannot open the model's engine");
    apus_config sc = {.size = sizeof sc,
                      .model = model,
                      .context = most + 16,
                      .threads = b.threads,
                      .kv_bits = b.kv};
    struct roof_team *team = roof_open(b.threads);
    void *region = roof_alloc(ROOF_BYTES);
    float *logits = roof_alloc(info.vocab * sizeof *logits);
    if (apus_measure(&sc, &need) || apus_open(&b.session, &sc, roof_alloc(need.bytes), need.bytes))
        return fail("cannot open a session of so many positions");
    if (!team || !region || !logits) return fail("no memory or no threads");
    if (fill(b.session, most, info.vocab) < 0) return fail("evaluation failed");
    b.prefetch = roof_read_prefetch(team, region, ROOF_BYTES);
    if (!measure(&b, team, region, logits)) return fail("evaluation failed");
    report(&b, &info);
    apus_close(b.session);
    apus_model_close(model);
    roof_close(team);
    return 0;
}
