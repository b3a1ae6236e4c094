/* What a build says of a blob, to compare builds whose addresses have 32 and 64 bits: the ids and
 * the hash of logits of a generation, the bytes of its saved state, and whether a session over all
 * positions can be measured. */
#include <stdio.h>
#include <stdlib.h>

#include "apus/apus.h"

static void hear(void *user, int level, const char *text) {
    (void)user, (void)level;
    printf("log: %s\n", text);
}

int main(int argc, char **argv) {
    apus_map map;
    apus_blob blob;
    apus_model *model;
    apus_session *session;
    apus_port port = *apus_port_host();
    apus_memory need = {.size = sizeof need};
    apus_info info = {.size = sizeof info};
    port.log = hear;
    if (argc != 2 || apus_map_open(&map, argv[1]) ||
        apus_blob_open(&blob, map.data, map.size, &port))
        return 1;
    apus_model_config mc = {.size = sizeof mc, .blob = &blob, .port = &port};
    if (apus_describe(&blob, &info) || apus_model_measure(&mc, &need)) return 2;
    void *memory = aligned_alloc(64, (size_t)need.bytes);
    if (!memory || apus_model_open(&model, &mc, memory, (size_t)need.bytes)) return 3;
    apus_config all = {.size = sizeof all, .model = model, .context = info.max_positions};
    printf("all positions: %d\n", (int)apus_measure(&all, &need));

    apus_config sc = {.size = sizeof sc, .model = model, .context = 64};
    if (apus_measure(&sc, &need)) return 4;
    void *arena = aligned_alloc(64, (size_t)need.bytes);
    if (!arena || apus_open(&session, &sc, arena, (size_t)need.bytes)) return 5;
    const apus_part parts[] = {{.kind = APUS_TEXT, .data = "def add(a, b):", .count = 14}};
    const apus_sampling sampling = {.size = sizeof sampling,
                                    .max_tokens = 16,
                                    .temperature = 0.7f,
                                    .top_p = 0.9f,
                                    .seed = 5,
                                    .ignore_end = 1,
                                    .want_hash = 1};
    apus_piece piece = {.size = sizeof piece};
    apus_session_stats stats = {.size = sizeof stats};
    if (apus_prompt(session, parts, 1, 0) || apus_begin(session, &sampling)) return 6;
    do {
        if (apus_next(session, &piece)) return 7;
        for (size_t i = 0; i < piece.count; i++) printf("%d ", (int)piece.ids[i]);
    } while (!piece.stop);
    size_t bytes;
    if (apus_stats(session, &stats) || apus_save(session, NULL, 0, &bytes)) return 8;
    void *state = malloc(bytes);
    if (!state || apus_save(session, state, bytes, &bytes) || apus_restore(session, state, bytes))
        return 9;
    printf("\nlogits %016llx, state of %lu bytes\n", (unsigned long long)stats.logits_hash,
           (unsigned long)bytes);
    apus_close(session);
    apus_model_close(model);
    apus_map_close(&map);
    free(state);
    free(arena);
    free(memory);
    return 0;
}
