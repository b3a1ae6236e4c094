/* Reading the sized structs of the public API. */
#ifndef RUNTIME_CONFIG_H
#define RUNTIME_CONFIG_H

#include <string.h>

#include "apus/apus.h"

/* Copies the caller's struct of `given` bytes into one of `known` bytes; what the caller's lacks reads as zero. */
static inline apus_status config_read(void *out, size_t known, const void *in) {
    uint32_t given;
    if (!in) return APUS_E_ARGUMENT;
    memcpy(&given, in, sizeof given);
    if (given < sizeof given || given > known) return APUS_E_ARGUMENT;
    memset(out, 0, known);
    memcpy(out, in, given);
    return APUS_OK;
}

static inline apus_status port_read(apus_port *out, const apus_port *in) {
    if (in) return config_read(out, sizeof *out, in);
    memset(out, 0, sizeof *out);
    return APUS_OK;
}

static inline void port_log(const apus_port *port, int level, const char *text) {
    if (port->log) port->log(port->user, level, text);
}

static inline uint64_t port_now(const apus_port *port) { return port->now_ns ? port->now_ns(port->user) : 0; }

#endif
