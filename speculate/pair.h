/* Whether a draft can propose for a target: both must mean the same text by the same id. */
#ifndef SPECULATE_PAIR_H
#define SPECULATE_PAIR_H

#include "weights/blob.h"

/* Ids below this number are in both vocabularies. The draft may have fewer rows than the target (it
 * can never propose the rest) or more. */
static inline uint32_t pair_vocab(const struct blob *target, const struct blob *draft) {
    return target->model->vocab < draft->model->vocab ? target->model->vocab : draft->model->vocab;
}

/* Common ids of special and added tokens that have different texts, as fine-tuning renames them:
 * the draft never proposes them and is not shown them. If there are more than PAIR_RENAMED_MAX, the
 * tokenizers count as different. */
enum { PAIR_RENAMED_MAX = 16 };
struct pair_renamed {
    uint32_t count;
    uint32_t ids[PAIR_RENAMED_MAX];
};

/* APUS_OK with *renamed; or APUS_E_MISMATCH with a reason in *why (a constant string) if the kinds
 * of tokenizer differ, the text of an ordinary piece, or the texts of more than PAIR_RENAMED_MAX
 * special tokens. */
apus_status pair_check(const struct blob *target, const struct blob *draft,
                       struct pair_renamed *renamed, const char **why);

#endif
