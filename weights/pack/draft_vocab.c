#include "weights/pack/draft_vocab.h"

#include <stdlib.h>

#include "weights/pack/calibration_text.h"
#include "weights/vocab.h"

struct counted {
    uint64_t count;
    uint32_t id;
};

/* The commonest first, of equal ones the lower id. */
static int commoner(const void *a, const void *b) {
    const struct counted *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int ascending(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Gives tokens that are always kept more than any count, and says how many they are. */
static uint32_t mark_kept(const struct vocab *v, uint64_t *count) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < v->header->added_count; i++) count[v->added[i].id] = UINT64_MAX;
    for (uint32_t i = 0; i < v->header->ends_count; i++) count[v->ends[i]] = UINT64_MAX;
    for (uint32_t id = 0; id < v->header->rows; id++) kept += count[id] == UINT64_MAX;
    return kept;
}

static uint32_t *choose(uint32_t rows, uint32_t keep, const uint64_t *count, struct diag *d) {
    struct counted *order = malloc(rows * sizeof *order);
    uint32_t *ids = malloc(keep * sizeof *ids);
    if (order && ids) {
        for (uint32_t id = 0; id < rows; id++) order[id] = (struct counted){count[id], id};
        qsort(order, rows, sizeof *order, commoner);
        for (uint32_t i = 0; i < keep; i++) ids[i] = order[i].id;
        qsort(ids, keep, sizeof *ids, ascending);
    } else {
        free(ids);
        ids = NULL;
        diag_fail(d, "out of memory");
    }
    free(order);
    return ids;
}

uint32_t *draft_vocab_choose(uint32_t rows, uint32_t keep, const char *files, const void *vocab,
                             size_t vocab_bytes, struct diag *d) {
    struct vocab view;
    const char *why = "";
    uint32_t *ids = NULL;
    uint64_t *count = calloc(rows, sizeof *count);
    if (!count) {
        diag_fail(d, "out of memory");
    } else if (vocab_open(&view, vocab, vocab_bytes, &why) != APUS_OK) {
        diag_fail(d, "the vocabulary made is wrong: %s", why);
    } else if (calibration_text_count(files, vocab, vocab_bytes, count, d)) {
        uint32_t least = mark_kept(&view, count);
        if (keep < least || keep >= rows)
            diag_fail(d,
                      "--draft-vocab is %u where %u to %u is expected: special tokens are always "
                      "kept",
                      keep, least, rows - 1);
        else
            ids = choose(rows, keep, count, d);
    }
    free(count);
    return ids;
}
