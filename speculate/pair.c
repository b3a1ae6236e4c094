#include "speculate/pair.h"

#include <assert.h>
#include <string.h>

static int same_piece(const struct vocab *a, const struct vocab *b, uint32_t id) {
    size_t n = vocab_length(a, id);
    return n == vocab_length(b, id) && !memcmp(vocab_bytes(a, id), vocab_bytes(b, id), n);
}

/* Rows after a tokenizer's last piece are padding, so their names mean nothing. */
static int is_padding(const struct vocab *v, uint32_t id) {
    return vocab_type(v, id) == VOCAB_UNUSED;
}

static int is_ordinary(const struct vocab *v, uint32_t id) {
    enum vocab_type type = vocab_type(v, id);
    return type == VOCAB_NORMAL || type == VOCAB_BYTE;
}

apus_status pair_check(const struct blob *target, const struct blob *draft,
                       struct pair_renamed *renamed, const char **why) {
    assert(blob_is_open(target) && blob_is_open(draft));
    const struct vocab *t = &target->vocab, *d = &draft->vocab;
    uint32_t common = pair_vocab(target, draft);
    renamed->count = 0;
    if (t->header->kind != d->header->kind) {
        *why = "the draft's tokenizer is of another kind than the target's";
        return APUS_E_MISMATCH;
    }
    for (uint32_t id = 0; id < common; id++) {
        if (is_padding(t, id) || is_padding(d, id)) continue;
        if (same_piece(t, d, id)) continue;
        if (is_ordinary(t, id) || is_ordinary(d, id) || renamed->count == PAIR_RENAMED_MAX) {
            *why = "draft and target have different texts for the same token id: they were not "
                   "trained on one tokenizer";
            return APUS_E_MISMATCH;
        }
        renamed->ids[renamed->count++] = id;
    }
    return APUS_OK;
}
