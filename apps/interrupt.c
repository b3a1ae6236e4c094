#include "interrupt.h"

#include <signal.h>
#include <string.h>

static apus_session *volatile watched[2];
static volatile sig_atomic_t seen;

static void on_interrupt(int number) {
    seen = number;
    for (int i = 0; i < 2; i++)
        if (watched[i]) apus_cancel(watched[i]);
}

void interrupt_watch(apus_session *session, apus_session *other) {
    struct sigaction action;
    watched[0] = session, watched[1] = other;
    if (!session) return;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int interrupt_status(void) { return seen ? 128 + (int)seen : 0; }
