/* Whether a draft can propose for a target: both must mean the same text by the same id. */
#ifndef RUNTIME_PAIR_H
#define RUNTIME_PAIR_H

#include "weights/blob.h"

/* Ids below this number are in both vocabularies. The draft may have fewer rows than the target (it can never propose the rest) or more. */
static inline uint32_t pair_vocab(const struct blob *target, const struct blob *draft) {
    return target->model->vocab < draft->model->vocab ? target->model->vocab : draft->model->vocab;
}

/* APUS_OK, or APUS_E_MISMATCH with a reason in *why (a constant) where kinds of tokenizer, or the text of some common id, differ. */
apus_status pair_check(const struct blob *target, const struct blob *draft, const char **why);

#endif
