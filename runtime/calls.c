/* Whose turn a session is: one call at a time. */
#include "hal/fenv.h"
#include "runtime/session.h"

apus_status session_enter(apus_session *s) {
    if (!s) return APUS_E_ARGUMENT;
    if (__atomic_exchange_n(&s->busy, 1, __ATOMIC_ACQUIRE)) return APUS_E_ORDER;
    s->fenv = fenv_enter();
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
