/* The engines of this build, best first. */
#include "hal/hal.h"
#include "runtime/config.h"

const struct hal_engine *const hal_engines[] = {
#ifdef APUS_IGPU
    &hal_igpu_engine,
#endif
#ifdef APUS_NPU
    &hal_npu_engine,
#endif
    &hal_cpu_engine, NULL};

static int same_text(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

const struct hal_engine *hal_engine_find(const char *name) {
    for (const struct hal_engine *const *e = hal_engines; *e; e++)
        if (same_text((*e)->name, name)) return *e;
    return NULL;
}

APUS_API void apus_probe(const apus_port *port,
                         void (*say)(void *user, const char *engine, int available,
                                     const char *text),
                         void *user) {
    apus_port lent;
    if (!say || port_read(&lent, port)) return;
    for (const struct hal_engine *const *e = hal_engines; *e; e++) (*e)->probe(&lent, say, user);
}
