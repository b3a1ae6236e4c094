/* BLAKE2s with a key, as RFC 7693 gives it: only the owner of the key can make such a hash. The key
 * has 32 bytes, the hash 32. */
#ifndef RUNTIME_BLAKE2S_H
#define RUNTIME_BLAKE2S_H

#include <stddef.h>
#include <stdint.h>

enum { BLAKE2S_BYTES = 32, BLAKE2S_KEY = 32 };

/* Writes the hash [BLAKE2S_BYTES] of `bytes` bytes at data. key is [BLAKE2S_KEY], or NULL for
 * none. */
void blake2s(uint8_t *hash, const uint8_t *key, const void *data, size_t bytes);

/* Whether two hashes are equal. The time that it takes does not tell where they differ. */
int blake2s_equal(const uint8_t *a, const uint8_t *b);

#endif
