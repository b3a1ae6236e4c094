/* A program that carries Apus with it: vendored MODEL PROMPT prints 24 tokens, and on standard
 * error the hash of the logits behind them; or the status with which the model is refused, and what
 * the log says of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apus.h"

static void print_log(void *user, int level, const char *text) {
    (void)user;
    (void)level;
    fprintf(stderr, "%s\n", text);
}

static void *room_for(const apus_memory *need) {
    return aligned_alloc(need->alignment,
                         (need->bytes + need->alignment - 1) / need->alignment * need->alignment);
}

static apus_status write_text(apus_session *session, const char *prompt, apus_stats *stats) {
    apus_part parts[] = {{.kind = APUS_PART_BOS},
                         {.kind = APUS_PART_TEXT, .data = prompt, .count = strlen(prompt)}};
    apus_sampling greedy = {.size = sizeof greedy, .max_tokens = 24, .want_hash = 1};
    apus_piece piece = {.size = sizeof piece};
    apus_status status = apus_prompt(session, parts, 2, 0);
    if (!status) status = apus_begin(session, &greedy);
    while (!status && !piece.stop) {
        status = apus_next(session, &piece);
        if (!status) fwrite(piece.text, 1, piece.bytes, stdout);
    }
    return status ? status : apus_get_stats(session, stats);
}

int main(int argc, char **argv) {
    apus_port port = *apus_port_host();
    port.log = print_log;
    apus_map map;
    apus_blob blob;
    if (argc != 3 || apus_map_open(&map, argv[1])) return 2;
    apus_status status = apus_blob_open(&blob, map.data, map.size, &port);
    apus_model_config of_model = {.size = sizeof of_model, .blob = &blob, .port = &port};
    apus_memory need = {.size = sizeof need};
    apus_model *model = NULL;
    if (!status) status = apus_model_measure(&of_model, &need);
    if (!status) status = apus_model_open(&model, &of_model, room_for(&need), need.bytes);
    apus_config of_session = {.size = sizeof of_session, .model = model, .threads = 1};
    apus_session *session = NULL;
    if (!status) status = apus_measure(&of_session, &need);
    if (!status) status = apus_open(&session, &of_session, room_for(&need), need.bytes);
    apus_stats stats = {.size = sizeof stats};
    if (!status) status = write_text(session, argv[2], &stats);
    if (status)
        fprintf(stderr, "%d: %s\n", (int)status, apus_status_text(status));
    else
        fprintf(stderr, "%016" PRIx64 "\n", stats.logits_hash);
    return status ? 1 : 0; /* memory is given back with the process */
}
