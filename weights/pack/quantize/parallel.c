#include "weights/pack/quantize/parallel.h"

#include <pthread.h>
#include <stdatomic.h>

#include "apus/port.h"

struct loop {
    atomic_size_t next;
    size_t items;
    void (*body)(void *user, size_t item, unsigned worker);
    void *user;
};

struct worker {
    struct loop *loop;
    unsigned index;
    pthread_t thread;
};

static void *work(void *argument) {
    struct worker *worker = argument;
    struct loop *loop = worker->loop;
    for (;;) {
        size_t item = atomic_fetch_add(&loop->next, 1);
        if (item >= loop->items) return NULL;
        loop->body(loop->user, item, worker->index);
    }
}

void parallel_for(unsigned threads, size_t items,
                  void (*body)(void *user, size_t item, unsigned worker), void *user) {
    struct loop loop = {.items = items, .body = body, .user = user};
    struct worker worker[PARALLEL_MAX];
    atomic_init(&loop.next, 0);
    if (threads > PARALLEL_MAX) threads = PARALLEL_MAX;
    if (threads > items) threads = (unsigned)items;
    unsigned started = 1;
    for (; started < threads; started++) {
        worker[started] = (struct worker){.loop = &loop, .index = started};
        if (pthread_create(&worker[started].thread, NULL, work, &worker[started])) break;
    }
    worker[0] = (struct worker){.loop = &loop};
    work(&worker[0]);
    for (unsigned i = 1; i < started; i++) pthread_join(worker[i].thread, NULL);
}

unsigned parallel_cores(void) {
    unsigned cores = apus_port_processors();
    return cores > PARALLEL_MAX ? PARALLEL_MAX : cores;
}
