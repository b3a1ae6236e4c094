/* A program that uses the shared library alone: on Windows apus.dll, by its import library.
 * dll_run MODEL.apus PROMPT: the ids of 16 tokens, and the hash of their logits. */
#include <stdio.h>

#include "apus/easy.h"

int main(int argc, char **argv) {
    apus_easy easy;
    const apus_sampling sampling = {.size = sizeof sampling, .max_tokens = 16, .want_hash = 1};
    apus_status status = argc == 3 ? apus_easy_open(&easy, argv[1], NULL, NULL) : APUS_E_ARGUMENT;
    if (status < 0) return fprintf(stderr, "dll_run: %s\n", apus_status_text(status)), 1;
    const apus_part part = {APUS_PART_TEXT, 0, argv[2], strlen(argv[2])};
    status = apus_prompt(easy.session, &part, 1, 0);
    if (!status) status = apus_begin(easy.session, &sampling);
    apus_piece piece = {.size = sizeof piece};
    while (!status && !piece.stop) {
        status = apus_next(easy.session, &piece);
        for (size_t i = 0; !status && i < piece.count; i++) printf("%d ", (int)piece.ids[i]);
    }
    apus_stats stats = {.size = sizeof stats};
    if (!status) status = apus_get_stats(easy.session, &stats);
    printf("%016llx\n", (unsigned long long)stats.logits_hash);
    apus_easy_close(&easy);
    return status ? 1 : 0;
}
