/* Models and sessions for tests of the public API, in memory of exactly the measured size between
 * canaries. */
#ifndef API_FIXTURE_H
#define API_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apus/apus.h"
#include "tests/api/saved_state.h"

/* Bytes at an address of the given alignment and no more than that, filled with noise, with
 * canaries on both sides. */
struct guarded {
    unsigned char *raw, *at;
    size_t bytes, raw_bytes;
};
struct guarded guarded_take(size_t bytes, size_t alignment);
void guarded_check(const struct guarded *memory); /* asserts that the canaries are whole */
void guarded_free(struct guarded *memory);        /* and checks */

/* The host's, but as many threads start as are asked for, however few processors there are. */
const apus_port *api_port(void);

/* Which of the tiny models: they differ in weight type, tokenizer and shape. */
enum { API_MODELS = 2 };

struct api_model {
    struct guarded bytes; /* of the blob */
    apus_blob blob;
    apus_info info;
    apus_model *model;
    struct guarded memory;
};
void api_model_open(struct api_model *m, int which, apus_cpu cpu);
struct tiny_spec; /* tests/pack/tiny_blob.h */
void api_model_make(struct api_model *m, const struct tiny_spec *spec, apus_cpu cpu);
void api_model_close(struct api_model *m);

struct api_session {
    apus_session *session;
    struct guarded arena;
};
extern uint32_t api_kv_bits, api_v_bits; /* of the sessions that are opened from here on */
void api_open(struct api_session *s, const struct api_model *m, uint32_t context, uint32_t threads,
              uint32_t chunk);
void api_close(struct api_session *s);

/* 1 if this machine can run the mask. */
int api_has_cpu(apus_cpu cpu);

/* `count` ids spread over the vocabulary, the same for the same seed. */
void api_ids(const struct api_model *m, uint32_t seed, int32_t *ids, size_t count);
apus_part api_ids_part(const int32_t *ids, size_t count);
apus_part api_text(const char *text);
#define API_PROMPT(s, ids, count)                                                                  \
    apus_prompt((s)->session, (apus_part[]){api_ids_part(ids, count)}, 1, 0)

/* Everything a caller can see of a session's context, to show that a failed call changed
 * nothing. */
struct api_view {
    uint64_t positions, ids, hash;
};
struct api_view api_look(const struct api_session *s);
void api_assert_same(struct api_view before, const struct api_session *s);

uint64_t api_hash(uint64_t hash, const void *data, size_t bytes);

/* Greedy tokens after the context, at most 64; the hash over their logits. Leaves the generated ids
 * in the context. */
uint64_t api_generate(const struct api_session *s, uint32_t tokens, int32_t *ids);

#endif
