/* A program outside of the tree: first_text MODEL DRAFT PROMPT prints 24 tokens and, on standard
 * error, the hash of the logits behind them. */
#include <apus/easy.h>
#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv) {
    apus_easy easy;
    apus_status status;
    if (argc != 4) return 2;
    status = apus_easy_open(&easy, argv[1], argv[2], NULL);
    if (status) {
        fprintf(stderr, "%s: %s\n", argv[1], apus_status_text(status));
        return 1;
    }
    apus_part prompt[] = {{.kind = APUS_PART_BOS},
                          {.kind = APUS_PART_TEXT, .data = argv[3], .count = strlen(argv[3])}};
    apus_sampling greedy = {.size = sizeof greedy, .max_tokens = 24, .want_hash = 1};
    apus_piece piece = {.size = sizeof piece};
    status = apus_prompt(easy.session, prompt, 2, 0);
    if (!status) status = apus_begin(easy.session, &greedy);
    while (!status && !piece.stop) {
        status = apus_next(easy.session, &piece);
        if (!status) fwrite(piece.text, 1, piece.bytes, stdout);
    }
    apus_stats stats = {.size = sizeof stats};
    if (!status) status = apus_get_stats(easy.session, &stats);
    fprintf(stderr, "%016" PRIx64 "\n", stats.logits_hash);
    apus_easy_close(&easy);
    return status ? 1 : 0;
}
