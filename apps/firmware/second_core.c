/* One thread at a time runs on the second core: it waits for an entry in a mailbox, spinning, since
 * an image has nothing better to do with it, and so does whoever is parked. */
#include "apps/firmware/second_core.h"

#include "apps/firmware/machine.h"

enum { FREE, STARTED, ENDED };

static struct {
    uint32_t state; /* atomic */
    void (*entry)(void *arg);
    void *arg;
} mailbox;

void second_core_main(void) {
    for (;;) {
        while (__atomic_load_n(&mailbox.state, __ATOMIC_ACQUIRE) != STARTED) machine_relax();
        mailbox.entry(mailbox.arg);
        __atomic_store_n(&mailbox.state, ENDED, __ATOMIC_RELEASE);
    }
}

static int thread_start(void *user, void *storage, void (*entry)(void *arg), void *arg) {
    enum { BUSY = 16 };
    (void)user, (void)storage;
    if (__atomic_load_n(&mailbox.state, __ATOMIC_ACQUIRE) != FREE) return BUSY;
    mailbox.entry = entry;
    mailbox.arg = arg;
    __atomic_store_n(&mailbox.state, STARTED, __ATOMIC_RELEASE);
    return 0;
}

static void thread_join(void *user, void *storage) {
    (void)user, (void)storage;
    while (__atomic_load_n(&mailbox.state, __ATOMIC_ACQUIRE) != ENDED) machine_relax();
    __atomic_store_n(&mailbox.state, FREE, __ATOMIC_RELEASE);
}

static void thread_park(void *user, const uint32_t *word, uint32_t expected) {
    (void)user;
    for (uint32_t turn = 0; turn < 1000; turn++) {
        if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != expected) return;
        machine_relax();
    }
}

static void thread_wake(void *user, const uint32_t *word) { (void)user, (void)word; }

static uint32_t processors(void *user) {
    (void)user;
    return 2;
}

int second_core_lend(apus_port *port) {
    if (!machine_wake_second()) return 0;
    port->thread_start = thread_start;
    port->thread_join = thread_join;
    port->thread_park = thread_park;
    port->thread_wake = thread_wake;
    port->processors = processors;
    return 1;
}
