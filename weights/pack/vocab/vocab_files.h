/* The small JSON files beside a tokenizer, and reading files whole. */
#ifndef PACK_VOCAB_FILES_H
#define PACK_VOCAB_FILES_H

#include "weights/pack/checkpoint/json_fields.h"
#include "weights/pack/vocab/vocab_build.h"

/* A regular file's bytes (at most 256 MiB), to be freed; NULL with a sentence. */
uint8_t *vocab_read_file(const char *path, size_t *bytes, struct diag *d);

/* Writes directory/name to path; false if it is too long or no file is there. */
bool vocab_file_path(const char *directory, const char *name, char *path, size_t room);

/* The JSON object in such a file beside the tokenizer; NULL without a sentence where there is none.
 * The caller's reference. */
json_t *vocab_file_beside(const struct vocab_request *r, const char *name, struct diag *d);

/* tokenizer_config.json, and special_tokens_map.json where it counts: beside a configuration
 * without added_tokens_decoder, whose special tokens it replaces, as in transformers. NULL where
 * there is none; the caller's references. */
bool vocab_special_files(const struct vocab_request *r, json_t **config, json_t **map,
                         struct diag *d);
json_t *vocab_named(json_t *config, json_t *map, const char *key);

/* "12" as a key; -1 if it is no number. */
int64_t vocab_key_id(const char *key);

/* For tokenizer.model, whose tokens are known by their ids. Tokens that the files beside it name,
 * at most; 0 without a directory. */
uint32_t vocab_files_added(const struct vocab_request *r);
/* Adds those of tokenizer_config.json's added_tokens_decoder with their flags, else of
 * added_tokens.json as user-defined. One in a piece's place gives it its text and kind. */
bool vocab_files_added_tokens(struct builder *b, const struct vocab_request *r, struct diag *d);

/* bos, eos and add_bos from tokenizer_config.json and special_tokens_map.json. */
bool vocab_files_config(struct builder *b, const struct vocab_request *r, struct diag *d);

#endif
