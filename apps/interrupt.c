#include "interrupt.h"

#include <signal.h>
#include <string.h>

static apus_session *volatile watched;
static volatile sig_atomic_t seen;

static void on_interrupt(int number) {
    apus_session *session = watched;
    seen = number;
    if (session) apus_cancel(session);
}

void interrupt_watch(apus_session *session) {
    struct sigaction action;
    watched = session;
    if (!session) return;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int interrupt_status(void) { return seen ? 128 + (int)seen : 0; }
