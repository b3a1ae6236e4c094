/* XXH64 with seed 0, as its public specification gives it: section hashes, the model hash, the hash
 * over logits. */
#ifndef WEIGHTS_HASH_H
#define WEIGHTS_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash64 {
    uint64_t lane[4];
    uint64_t total; /* bytes so far */
    uint8_t tail[32];
};

void hash64_begin(struct hash64 *h);
void hash64_add(struct hash64 *h, const void *data, size_t bytes); /* NULL where bytes is 0 */
uint64_t hash64_end(const struct hash64 *h); /* does not change h: more may be added */
uint64_t hash64(const void *data, size_t bytes);

#endif
