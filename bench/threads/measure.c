/* What a model reaches with a number of threads, for busy.py; JSON to stdout.
 *
 *     bench_threads MODEL.apus [--threads N] [--fixed] [--prompt N] [--tokens N] [--seconds S]
 *
 * Evaluates a prompt (128 ids) and generates behind it (128 tokens), again and again for S seconds
 * (1). --fixed: always all N threads, as the port has no clock and does not count processors, so
 * that the engine can neither learn nor know; the time is taken here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apus/apus.h"
#include "bench/roof.h"

struct settings {
    const char *model;
    uint32_t threads, prompt, tokens;
    int fixed;
    double seconds;
};

struct result {
    uint64_t prompt_ns, next_ns;
    uint32_t rounds;
};

static int fail(const char *what) {
    fprintf(stderr, "bench_threads: %s\n", what);
    return 1;
}

/* One prompt, whose first id is new, and what follows it. */
static apus_status round_of(apus_session *s, const struct settings *c, uint32_t vocab, int32_t *ids,
                            struct result *r) {
    const apus_sampling greedy = {.size = sizeof greedy, .max_tokens = c->tokens, .ignore_end = 1};
    for (uint32_t i = 0; i < c->prompt; i++)
        ids[i] = (int32_t)((i * 7919 + r->rounds * 31) % vocab);
    const apus_part part = {.kind = APUS_IDS, .data = ids, .count = c->prompt};
    apus_piece piece = {.stop = APUS_RUNNING};
    const uint64_t begin = roof_now();
    apus_status status = apus_prompt(s, &part, 1, 0);
    const uint64_t middle = roof_now();
    if (!status) status = apus_begin(s, &greedy);
    while (!status && !piece.stop) status = apus_next(s, &piece);
    r->prompt_ns += middle - begin;
    r->next_ns += roof_now() - middle;
    r->rounds++;
    return status;
}

static int parse(int argc, char **argv, struct settings *c) {
    *c = (struct settings){
        .threads = apus_port_processors(), .prompt = 128, .tokens = 128, .seconds = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--fixed") == 0) {
            c->fixed = 1;
            continue;
        }
        if (argv[i][0] != '-') {
            c->model = argv[i];
            continue;
        }
        const double n = i + 1 < argc ? atof(argv[i + 1]) : 0;
        if (n <= 0) return 0;
        if (strcmp(argv[i], "--threads") == 0)
            c->threads = (uint32_t)n;
        else if (strcmp(argv[i], "--prompt") == 0)
            c->prompt = (uint32_t)n;
        else if (strcmp(argv[i], "--tokens") == 0)
            c->tokens = (uint32_t)n;
        else if (strcmp(argv[i], "--seconds") == 0)
            c->seconds = n;
        else
            return 0;
        i++;
    }
    return c->model != NULL;
}

int main(int argc, char **argv) {
    struct settings c;
    struct result r = {0};
    apus_map map;
    apus_blob blob;
    apus_info info = {.size = sizeof info};
    apus_memory need = {.size = sizeof need};
    apus_model *model;
    apus_session *session;
    if (!parse(argc, argv, &c)) {
        fprintf(stderr, "usage: bench_threads MODEL.apus [--threads 1..64] [--fixed] [--prompt N] "
                        "[--tokens N] [--seconds S]\n");
        return 2;
    }
    apus_port port = *apus_port_host();
    if (c.fixed) port.now_ns = NULL, port.processors = NULL;
    if (apus_map_open(&map, c.model)) return fail("cannot open the model");
    if (apus_blob_open(&blob, map.data, map.size, &port) || apus_describe(&blob, &info))
        return fail("this is not a blob");
    apus_model_config mc = {.size = sizeof mc, .blob = &blob, .port = &port};
    if (apus_model_measure(&mc, &need) ||
        apus_model_open(&model, &mc, roof_alloc(need.bytes), need.bytes))
        return fail("cannot open the model's engine");
    apus_config sc = {
        .size = sizeof sc, .model = model, .context = c.prompt + c.tokens, .threads = c.threads};
    int32_t *ids = calloc(c.prompt, sizeof *ids);
    if (!ids || apus_measure(&sc, &need) ||
        apus_open(&session, &sc, roof_alloc(need.bytes), need.bytes))
        return fail("cannot open a session of so many positions and threads");
    const uint64_t begin = roof_now();
    do
        if (round_of(session, &c, info.vocab, ids, &r) < 0) return fail("evaluation failed");
    while ((double)(roof_now() - begin) < c.seconds * 1e9);
    printf("{\"model\": \"%s\", \"threads\": %u, \"fixed\": %d, \"rounds\": %u, \"prefill_tps\": "
           "%.2f, \"decode_tps\": %.2f}\n",
           info.name, c.threads, c.fixed, r.rounds, 1e9 * c.prompt * r.rounds / (double)r.prompt_ns,
           1e9 * c.tokens * r.rounds / (double)r.next_ns);
    apus_close(session);
    apus_model_close(model);
    apus_map_close(&map);
    free(ids);
    return 0;
}
