/* The small JSON files beside a tokenizer, and reading files whole. */
#ifndef PACK_VOCAB_FILES_H
#define PACK_VOCAB_FILES_H

#include "weights/pack/vocab_build.h"

/* A regular file's bytes (at most 256 MiB), to be freed; NULL with a sentence. */
uint8_t *vocab_read_file(const char *path, size_t *bytes, struct diag *d);

/* Writes directory/name to path; false if it is too long or no file is there. */
bool vocab_file_path(const char *directory, const char *name, char *path, size_t room);

/* Tokens that added_tokens.json and tokenizer_config.json name past the others, at most; 0 without a directory. */
uint32_t vocab_files_added(const struct vocab_request *r);
/* Adds those that are not named yet: from tokenizer_config.json's added_tokens_decoder with their flags, else added_tokens.json as user-defined. */
bool vocab_files_added_tokens(struct builder *b, const struct vocab_request *r, struct diag *d);
/* bos, eos, add_bos from tokenizer_config.json, end tokens from generation_config.json. */
bool vocab_files_config(struct builder *b, const struct vocab_request *r, struct diag *d);

#endif
