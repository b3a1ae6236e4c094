/* What a build makes of a tiny model, to compare builds whose addresses have 32 and 64 bits: the
 * ids and the hash of logits of a generation, and the hash of its saved state. */
#include <stdio.h>
#include <stdlib.h>

#include "apus/apus.h"
#include "tests/pack/tiny_blob.h"
#include "weights/hash.h"

static int generate(apus_session *session) {
    const apus_part parts[] = {{.kind = APUS_PART_TEXT, .data = "def add(a, b):", .count = 14}};
    const apus_sampling sampling = {.size = sizeof sampling,
                                    .max_tokens = 16,
                                    .temperature = 0.7f,
                                    .top_p = 0.9f,
                                    .seed = 5,
                                    .ignore_end = 1,
                                    .want_hash = 1};
    apus_piece piece = {.size = sizeof piece};
    if (apus_prompt(session, parts, 1, 0) || apus_begin(session, &sampling)) return 1;
    do {
        if (apus_next(session, &piece)) return 2;
        for (size_t i = 0; i < piece.count; i++) printf("%d ", (int)piece.ids[i]);
    } while (!piece.stop);
    return 0;
}

static int show(apus_session *session) {
    apus_stats stats = {.size = sizeof stats};
    size_t bytes;
    if (apus_get_stats(session, &stats) || apus_save(session, NULL, 0, &bytes)) return 3;
    void *state = malloc(bytes);
    if (!state || apus_save(session, state, bytes, &bytes)) return 4;
    printf("logits %016llx, state of %lu bytes %016llx\n", (unsigned long long)stats.logits_hash,
           (unsigned long)bytes, (unsigned long long)hash64(state, bytes));
    int failed = apus_restore(session, state, bytes) != APUS_OK;
    free(state);
    return failed ? 5 : 0;
}

int main(void) {
    static const struct tiny_spec spec = {.seed = 3, .add_bos = 1};
    size_t bytes;
    void *data = tiny_blob(&spec, &bytes);
    apus_blob blob;
    apus_model *model;
    apus_session *session;
    apus_memory need = {.size = sizeof need};
    if (!data || apus_blob_open(&blob, data, bytes, NULL)) return 6;
    apus_model_config mc = {.size = sizeof mc, .blob = &blob};
    if (apus_model_measure(&mc, &need)) return 7;
    void *memory = aligned_alloc(64, (size_t)need.bytes);
    if (!memory || apus_model_open(&model, &mc, memory, (size_t)need.bytes)) return 8;
    apus_config sc = {.size = sizeof sc, .model = model, .context = 64};
    if (apus_measure(&sc, &need)) return 9;
    void *arena = aligned_alloc(64, (size_t)need.bytes);
    if (!arena || apus_open(&session, &sc, arena, (size_t)need.bytes)) return 10;
    int failed = generate(session);
    if (!failed) failed = show(session);
    apus_close(session);
    apus_model_close(model);
    free(arena);
    free(memory);
    free(data);
    return failed;
}
