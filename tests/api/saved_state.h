/* A session's state as bytes. */
#ifndef API_SAVED_STATE_H
#define API_SAVED_STATE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apus/apus.h"

/* What apus_save writes, in memory of just that size, which the caller frees. */
static inline unsigned char *saved_state(const apus_session *session, size_t *bytes) {
    size_t measured;
    assert_int_equal(apus_save(session, NULL, 0, &measured), APUS_OK);
    unsigned char *state = malloc(measured);
    assert_non_null(state);
    assert_int_equal(apus_save(session, state, measured, bytes), APUS_OK);
    assert_int_equal(*bytes, measured);
    return state;
}

#endif
