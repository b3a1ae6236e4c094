/* Why a call is refused, in one sentence through the port's log: "apus_config: context is 9000,
 * must be 0 to 8192". The status says what kind of fault it is; the sentence names the field, what
 * it holds and what it may hold. */
#ifndef WEIGHTS_REFUSE_H
#define WEIGHTS_REFUSE_H

#include "apus/apus.h"
#include "weights/check.h"

static inline void port_log(const apus_port *port, int level, const char *text) {
    if (port->log) port->log(port->user, level, text);
}

/* Logs the sentence that check_fail (weights/check.h) makes of where, index, text, name and
 * numbers, and returns status. port may be NULL: then nothing is logged. */
apus_status refuse_at(const apus_port *port, apus_status status, const char *where, uint32_t index,
                      const char *text, const char *name, const uint64_t *numbers);
static inline apus_status refuse(const apus_port *port, apus_status status, const char *where,
                                 const char *text, const uint64_t *numbers) {
    return refuse_at(port, status, where, CHECK_NO_INDEX, text, NULL, numbers);
}

/* Returns APUS_OK, or logs the sentence and returns APUS_E_ARGUMENT where a field is not in low ..
 * high. */
apus_status refuse_outside(const apus_port *port, const char *where, const char *field,
                           uint64_t found, uint64_t low, uint64_t high);

/* The same for a float that must be 0 or in low .. high. NaN is refused. */
apus_status refuse_float(const apus_port *port, const char *where, const char *field, float found,
                         float low, float high);

/* APUS_OK, or APUS_E_ARGUMENT for NULL. */
apus_status refuse_null(const apus_port *port, const char *where, const char *field,
                        const void *pointer);

/* APUS_OK, or APUS_E_SPACE for memory that is NULL, not aligned, or smaller than needed. */
apus_status refuse_memory(const apus_port *port, const char *where, const void *memory,
                          uint64_t bytes, const apus_memory *need);

#endif
