/* The small JSON files beside a tokenizer, and a function that reads whole files. */
#ifndef PACK_VOCAB_FILES_H
#define PACK_VOCAB_FILES_H

#include "weights/pack/checkpoint/json_fields.h"
#include "weights/pack/vocab/vocab_build.h"

/* Reads a regular file of at most 256 MiB. The caller frees the bytes. NULL with a sentence on
 * failure. */
uint8_t *vocab_read_file(const char *path, size_t *bytes, struct diag *d);

/* Writes directory/name to path; false if it is too long or no file is there. */
bool vocab_file_path(const char *directory, const char *name, char *path, size_t room);

/* The JSON object in a file of this name beside the tokenizer; the caller owns the reference. NULL
 * without a sentence if there is no such file. */
json_t *vocab_file_beside(const struct vocab_request *r, const char *name, struct diag *d);

/* Reads tokenizer_config.json, and special_tokens_map.json if that counts: beside a configuration
 * without added_tokens_decoder it replaces the special tokens, as in transformers. NULL for a file
 * that is missing or does not count; the caller owns the references. */
bool vocab_special_files(const struct vocab_request *r, json_t **config, json_t **map,
                         struct diag *d);
json_t *vocab_named(json_t *config, json_t *map, const char *key);

/* The id that a key such as "12" stands for; -1 if the key is no number. */
int64_t vocab_key_id(const char *key);

/* For tokenizer.model, whose tokens are identified by their ids. The most tokens that the files
 * beside it can add; 0 without a directory. */
uint32_t vocab_files_added(const struct vocab_request *r);
/* Adds the tokens of added_tokens_decoder in tokenizer_config.json, with their flags; if there is
 * none, those of added_tokens.json as user-defined tokens. A token with a piece's id gives the
 * piece its text and type. */
bool vocab_files_added_tokens(struct builder *b, const struct vocab_request *r, struct diag *d);

/* Sets bos, eos and add_bos from tokenizer_config.json and special_tokens_map.json. */
bool vocab_files_config(struct builder *b, const struct vocab_request *r, struct diag *d);

#endif
