/* A model and a session with some ids, made anew for each case. */
#ifndef TESTS_API_READY_H
#define TESTS_API_READY_H

#include <stdlib.h>

#include "tests/api/fixture.h"

enum { CONTEXT = 48, PROMPT = 10, CHUNK = 8 };

struct ready {
    struct api_model m;
    struct api_session s;
    int32_t ids[CONTEXT + 8];
};

static inline int make_ready(void **state) {
    struct ready *r = calloc(1, sizeof *r);
    api_model_open(&r->m, 0, APUS_CPU_BEST);
    api_open(&r->s, &r->m, CONTEXT, 1, CHUNK);
    api_ids(&r->m, 9, r->ids, CONTEXT + 8);
    *state = r;
    return 0;
}

static inline int unmake(void **state) {
    struct ready *r = *state;
    api_close(&r->s);
    api_model_close(&r->m);
    free(r);
    return 0;
}

#define READY(test) cmocka_unit_test_setup_teardown(test, make_ready, unmake)

#endif
