/* How fast a model is with several numbers of threads, in turns, for busy.py. Prints JSON to
 * stdout.
 *
 *     bench_threads MODEL.apus [--rounds N] [--prompt N] [--tokens N] VARIANT...
 *
 * VARIANT is "default" (a thread for each processor), "asked:N" or "fixed:N". A round evaluates a
 * prompt (128 ids) and generates behind it (64 tokens) with each variant, whose session stays open
 * for all rounds. With fixed all N threads always compute: its port has no clock and does not count
 * processors, so that the engine can neither measure nor choose. The time is measured here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apus/apus.h"
#include "bench/roof.h"

enum { VARIANTS = 8, ROUNDS_MAX = 1000 };

struct settings {
    const char *model, *variant[VARIANTS];
    uint32_t variants, rounds, prompt, tokens;
};

struct variant {
    apus_model *model;
    apus_session *session;
    double prefill[ROUNDS_MAX], decode[ROUNDS_MAX]; /* tokens a second */
};

static int fail(const char *what) {
    fprintf(stderr, "bench_threads: %s\n", what);
    return 1;
}

/* Evaluates one prompt, whose first id is new in each round, and generates behind it. */
static apus_status round_of(struct variant *v, const struct settings *c, uint32_t round,
                            uint32_t vocab, int32_t *ids) {
    const apus_sampling greedy = {.size = sizeof greedy, .max_tokens = c->tokens, .ignore_end = 1};
    for (uint32_t i = 0; i < c->prompt; i++) ids[i] = (int32_t)((i * 7919 + round * 31) % vocab);
    const apus_part part = {.kind = APUS_PART_IDS, .data = ids, .count = c->prompt};
    apus_piece piece = {.size = sizeof piece};
    const uint64_t begin = roof_now();
    apus_status status = apus_prompt(v->session, &part, 1, 0);
    const uint64_t middle = roof_now();
    if (!status) status = apus_begin(v->session, &greedy);
    while (!status && !piece.stop) status = apus_next(v->session, &piece);
    v->prefill[round] = 1e9 * c->prompt / (double)(middle - begin);
    v->decode[round] = 1e9 * c->tokens / (double)(roof_now() - middle);
    return status;
}

static int open_variant(struct variant *v, const struct settings *c, const char *name,
                        const apus_blob *blob) {
    apus_port port = *apus_port_host();
    apus_memory need = {.size = sizeof need};
    const char *number = strchr(name, ':');
    const uint32_t threads = number ? (uint32_t)atoi(number + 1) : apus_port_processors();
    if (strncmp(name, "fixed", 5) == 0)
        port = (apus_port){.size = sizeof port,
                           .thread_start = port.thread_start,
                           .thread_join = port.thread_join,
                           .thread_park = port.thread_park,
                           .thread_wake = port.thread_wake};
    apus_model_config mc = {.size = sizeof mc, .blob = blob, .port = &port};
    if (apus_model_measure(&mc, &need)) return 0;
    if (apus_model_open(&v->model, &mc, roof_alloc(need.bytes), need.bytes)) return 0;
    apus_config sc = {
        .size = sizeof sc, .model = v->model, .context = c->prompt + c->tokens, .threads = threads};
    if (apus_measure(&sc, &need)) return 0;
    return !apus_open(&v->session, &sc, roof_alloc(need.bytes), need.bytes);
}

static int parse(int argc, char **argv, struct settings *c) {
    *c = (struct settings){.rounds = 10, .prompt = 128, .tokens = 64};
    for (int i = 1; i < argc; i++) {
        const int n = i + 1 < argc ? atoi(argv[i + 1]) : 0;
        uint32_t *into = strcmp(argv[i], "--rounds") == 0   ? &c->rounds
                         : strcmp(argv[i], "--prompt") == 0 ? &c->prompt
                         : strcmp(argv[i], "--tokens") == 0 ? &c->tokens
                                                            : NULL;
        if (into && (n < 1 || n > ROUNDS_MAX)) return 0;
        if (into)
            *into = (uint32_t)n, i++;
        else if (!c->model)
            c->model = argv[i];
        else if (c->variants < VARIANTS)
            c->variant[c->variants++] = argv[i];
        else
            return 0;
    }
    return c->variants > 0;
}

static void print(const char *what, const double *value, uint32_t count) {
    printf("\"%s\": [", what);
    for (uint32_t i = 0; i < count; i++) printf("%s%.2f", i ? ", " : "", value[i]);
    printf("]");
}

int main(int argc, char **argv) {
    static struct variant variant[VARIANTS];
    static int32_t ids[ROUNDS_MAX]; /* a prompt also has at most so many ids */
    struct settings c;
    apus_map map;
    apus_blob blob;
    apus_info info = {.size = sizeof info};
    if (!parse(argc, argv, &c)) {
        fprintf(stderr, "usage: bench_threads MODEL.apus [--rounds N] [--prompt N] [--tokens N] "
                        "default|asked:N|fixed:N...\n");
        return 2;
    }
    if (apus_map_open(&map, c.model)) return fail("cannot open the model");
    if (apus_blob_open(&blob, map.data, map.size, apus_port_host()) ||
        apus_blob_describe(&blob, &info))
        return fail("this is not a blob");
    for (uint32_t i = 0; i < c.variants; i++)
        if (!open_variant(&variant[i], &c, c.variant[i], &blob))
            return fail("cannot open a session of so many positions and threads");
    for (uint32_t r = 0; r < c.rounds; r++)
        for (uint32_t i = 0; i < c.variants; i++)
            if (round_of(&variant[i], &c, r, info.vocab, ids) < 0) return fail("evaluation failed");
    printf("{\"model\": \"%s\", \"variants\": {", info.name);
    for (uint32_t i = 0; i < c.variants; i++) {
        printf("%s\"%s\": {", i ? ", " : "", c.variant[i]);
        print("prefill", variant[i].prefill, c.rounds);
        printf(", ");
        print("decode", variant[i].decode, c.rounds);
        printf("}");
        apus_close(variant[i].session);
        apus_model_close(variant[i].model);
    }
    printf("}}\n");
    apus_map_close(&map);
    return 0;
}
