/* Prompts as parts: what the public functions do, over a vocabulary. */
#ifndef TEXT_PARTS_H
#define TEXT_PARTS_H

#include "apus/apus.h"
#include "text/tokenizer.h"

/* Bytes of scratch (8-aligned) for parts with text_bytes bytes of TEXT together; SIZE_MAX for more
 * than TOKENIZER_TEXT_MAX. */
size_t parts_scratch(const struct vocab *vocab, size_t text_bytes);

/* Bytes of TEXT in all parts together; SIZE_MAX if that is more than TOKENIZER_TEXT_MAX. */
size_t parts_text_bytes(const apus_part *parts, size_t count);

/* APUS_E_ARGUMENT for an unknown kind or flag, or for data that is NULL where the size is not 0.
 * APUS_E_TOKEN for a special that the vocabulary does not have or an id out of range. port (NULL:
 * nobody) is told which. */
apus_status parts_check(const struct vocab *vocab, const apus_port *port, const apus_part *parts,
                        size_t count);

/* APUS_OK, or APUS_E_TOKEN and the sentence for the first id that the vocabulary does not have.
 * where, index: as in refuse_at. */
apus_status ids_check(const struct vocab *vocab, const apus_port *port, const char *where,
                      uint32_t index, const int32_t *ids, size_t count);

/* apus_tokenize over a vocabulary. */
apus_status parts_tokenize(const struct vocab *vocab, const apus_port *port, const apus_part *parts,
                           size_t parts_count, struct ids *ids, void *scratch,
                           size_t scratch_bytes);

/* Appends the ids of checked parts. scratch: parts_scratch(vocab, parts_text_bytes(parts, count)),
 * which is not SIZE_MAX. */
void parts_encode(const struct vocab *vocab, const apus_part *parts, size_t count, struct ids *ids,
                  void *scratch);

#endif
