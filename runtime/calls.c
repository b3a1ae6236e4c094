/* A session takes one call at a time and one request of calls at a time. This file keeps that rule
 * and lets others stop a request. */
#include "hal/fenv.h"
#include "runtime/session.h"

apus_status session_enter(apus_session *s) {
    if (!s) return APUS_E_ARGUMENT;
    if (__atomic_exchange_n(&s->busy, 1, __ATOMIC_ACQUIRE)) return APUS_E_ORDER;
    s->fenv = fenv_enter();
    s->steps = s->steps_most;
    return APUS_OK;
}

apus_status session_leave(apus_session *s, apus_status status) {
    fenv_leave(s->fenv);
    __atomic_store_n(&s->busy, 0, __ATOMIC_RELEASE);
    return status;
}

apus_status session_look(const apus_session *s) {
    if (!s) return APUS_E_ARGUMENT;
    return __atomic_load_n(&s->busy, __ATOMIC_ACQUIRE) ? APUS_E_ORDER : APUS_OK;
}

/* session->cancel holds the ticket of the request (0: none was begun yet) and the reason to stop.
 * It is one word, so that a cancel can only meet the request that it names: cancelling is a compare
 * and exchange of 32 bits, which any thread and any signal handler may do. */
enum { ONCE = 1u, REQUEST = 2u, TICKET_SHIFT = 2, TICKET_LAST = (1 << 30) - 1 };
_Static_assert((ONCE | REQUEST) == HAL_CANCEL, "the bits that engines look at");

APUS_API uint32_t apus_request(apus_session *s) {
    if (session_look(s)) return 0;
    uint32_t ticket = (__atomic_load_n(&s->cancel, __ATOMIC_RELAXED) >> TICKET_SHIFT) + 1;
    if (ticket > TICKET_LAST) ticket = 1;
    __atomic_store_n(&s->cancel, ticket << TICKET_SHIFT, __ATOMIC_RELEASE);
    return ticket;
}

APUS_API void apus_cancel_request(apus_session *s, uint32_t ticket) {
    if (!s || !ticket || ticket > TICKET_LAST) return;
    uint32_t found = ticket << TICKET_SHIFT;
    /* The loop repeats only where apus_cancel has set ONCE in between, or the session has taken it
     * back. */
    while (found >> TICKET_SHIFT == ticket &&
           !__atomic_compare_exchange_n(&s->cancel, &found, found | REQUEST, 0, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED)) {}
}

APUS_API void apus_cancel(apus_session *s) {
    if (s) __atomic_fetch_or(&s->cancel, ONCE, __ATOMIC_RELEASE);
}

int session_cancelled(apus_session *s) {
    if (!(__atomic_load_n(&s->cancel, __ATOMIC_RELAXED) & HAL_CANCEL)) return 0;
    return (__atomic_fetch_and(&s->cancel, ~(uint32_t)ONCE, __ATOMIC_ACQ_REL) & HAL_CANCEL) != 0;
}
