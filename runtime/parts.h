/* Prompts as parts: the public functions' insides, over a vocabulary. */
#ifndef RUNTIME_PARTS_H
#define RUNTIME_PARTS_H

#include "apus/apus.h"
#include "runtime/tokenizer.h"

/* Bytes of scratch (8-aligned) for parts with text_bytes bytes of TEXT together; SIZE_MAX for more than TOKENIZER_TEXT_MAX. */
size_t parts_scratch(const struct vocab *vocab, size_t text_bytes);

/* Bytes of TEXT in the parts, together; SIZE_MAX if that is more than TOKENIZER_TEXT_MAX. */
size_t parts_text_bytes(const apus_part *parts, size_t count);

/* APUS_E_ARGUMENT for an unknown kind or flag, or data that is NULL where bytes are promised; APUS_E_TOKEN for a special the vocabulary does
 * not have or an id out of range. */
apus_status parts_check(const struct vocab *vocab, const apus_part *parts, size_t count);

/* Appends the ids of checked parts. scratch: parts_scratch(vocab, parts_text_bytes(parts, count)), which is not SIZE_MAX. */
void parts_encode(const struct vocab *vocab, const apus_part *parts, size_t count, struct ids *ids, void *scratch);

#endif
