/* The CPU engine as one that works by itself: submit takes the pass, wait computes it, and in
 * between it is busy for some polls. */
#ifndef TESTS_SPECULATE_LATE_H
#define TESTS_SPECULATE_LATE_H

#include "runtime/model.h"

struct late {
    uint32_t busy; /* polls of each pass that find it at work; with `random` up to so
                                 many */
    int random;
    uint32_t fail_at, passes;     /* 0: never; else wait says at this pass that the engine is lost,
                                 counted from 1 */
    uint64_t *clock;              /* NULL, or what a pass adds its time to: */
    uint64_t alone_ns, beside_ns; /* not polled, polled */
    void (*polled)(void);         /* NULL, or called at each poll */
};
extern struct late late;

/* A model of the fixture's, which is open on the CPU, on that engine instead, with the CPU as its
 * spare. */
void late_use(const apus_model *model);

/* The CPU engine, but every pass adds so much to *late.clock. */
void late_time(const apus_model *model, uint64_t ns);

#endif
