/* BLAKE2s with a key, as RFC 7693 gives it: what only the owner of the key can make. 32 bytes of
 * key, 32 of hash. */
#ifndef RUNTIME_BLAKE2S_H
#define RUNTIME_BLAKE2S_H

#include <stddef.h>
#include <stdint.h>

enum { BLAKE2S_BYTES = 32, BLAKE2S_KEY = 32 };

/* hash [BLAKE2S_BYTES] of `bytes` bytes at data. key [BLAKE2S_KEY], or NULL: without one. */
void blake2s(uint8_t *hash, const uint8_t *key, const void *data, size_t bytes);

/* Whether two hashes are equal, in a time that does not tell where they differ. */
int blake2s_equal(const uint8_t *a, const uint8_t *b);

#endif
