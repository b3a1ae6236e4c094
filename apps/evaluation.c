#include "evaluation.h"

#include "fail_status.h"

enum { WINDOW_LEAST = 4, WINDOW_USUAL = 512 };

size_t evaluation_run(uint32_t vocab) {
    size_t most = ((size_t)64 << 20) / (vocab * sizeof(float));
    return most < 1 ? 1 : most > 128 ? 128 : most;
}

int evaluation_window(size_t *length, const struct ids *ids, uint32_t most,
                      const struct settings *settings) {
    size_t n = most < WINDOW_USUAL ? most : WINDOW_USUAL;
    if (settings->context) n = (size_t)settings->context;
    *length = n;
    if (n > most)
        return fail(EXIT_USAGE, "--ctx %zu is more than the %u positions of this model.", n, most);
    if (n < WINDOW_LEAST)
        return fail(EXIT_USAGE, "windows of %zu tokens are too short to score; this takes %d.", n,
                    WINDOW_LEAST);
    if (ids->count < n)
        return fail(EXIT_FAULT,
                    "the text has %zu tokens, fewer than one window of %zu: give a longer text or "
                    "a smaller --ctx.",
                    ids->count, n);
    return EXIT_OK;
}
