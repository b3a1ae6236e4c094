/* Models and sessions for tests of speculation, and what a generation gave, to compare two of
 * them. */
#ifndef TESTS_SPECULATE_FIXTURE_H
#define TESTS_SPECULATE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apus/apus.h"
#include "tests/pack/tiny_blob.h"

enum { CONTEXT = 200, IDS = 1024, TEXT_BYTES = 16 * IDS };

/* Blobs and models stay until the process ends, which is short; found from here, they are no
 * leak. */
void *keep(void *memory);
const apus_model *open_bytes(void *data, size_t bytes, const apus_port *port, apus_cpu cpu);
const apus_model *open_model(const struct tiny_spec *spec);

/* The model of `spec` with the lower bits of its weights changed, one bit in `mask` at most: it
 * agrees with the original more or less often. */
const apus_model *open_relative(const struct tiny_spec *spec, uint8_t mask);

/* size is filled in, and a context of 0 is CONTEXT; in exactly the measured memory. */
apus_session *open_session(apus_config config);
void close_session(apus_session *session);

/* What a generation gave. */
struct result {
    int32_t ids[IDS];
    float log_probs[IDS];
    uint64_t offsets[IDS];
    int32_t likely[IDS * APUS_ALTERNATIVES_MAX]; /* [count][alternatives] */
    float likely_log_probs[IDS * APUS_ALTERNATIVES_MAX];
    size_t alternatives;
    size_t shown[IDS]; /* bytes of text before the piece of each id; not compared */
    size_t count, bytes;
    char text[TEXT_BYTES];
    apus_stop_reason stop;
    apus_stats stats;
};

/* Adds what a piece holds. */
void take_piece(struct result *r, const apus_piece *piece);

/* Begins and runs a generation to its end. cancel_every: 0, or n to cancel before every n-th
 * round. */
void generate(apus_session *session, const apus_sampling *sampling, uint32_t cancel_every,
              struct result *result);
/* The same, and calls before_round before every round. */
void generate_with(apus_session *session, const apus_sampling *sampling, uint32_t cancel_every,
                   void (*before_round)(apus_session *session), struct result *result);
void assert_same(const struct result *a, const struct result *b);
void prompt(apus_session *session, const char *text);

/* Greedy, warm, hot with every truncation, with a penalty, with stop texts. */
enum { SAMPLINGS = 5 };
apus_sampling sampling_of(int kind);

#endif
