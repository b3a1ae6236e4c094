/* The structs of the public API that begin with their size, and the port. */
#ifndef RUNTIME_CONFIG_H
#define RUNTIME_CONFIG_H

#include <string.h>

#include "apus/apus.h"
#include "weights/blob.h"

/* No struct of any version is longer than this, so a size that was never set is not taken for a
 * real one. */
enum { STRUCT_BYTES_MAX = 4096 };

/* What this library knows of a struct. */
#define STRUCT(type) sizeof(type), _Alignof(type), #type

/* Copies the caller's struct into one of `known` bytes. Members that the caller's struct lacks read
 * as zero. APUS_E_ARGUMENT, said to port (NULL: to nobody), for NULL, for a size that no version
 * has, and for bytes that this version does not know and that are not zero. */
apus_status config_read(void *out, const void *in, size_t known, size_t alignment, const char *type,
                        const apus_port *port);

/* Whether config_write can fill the caller's struct. It checks as config_read does, but reads only
 * the struct's size. */
apus_status config_check(const void *out, size_t known, size_t alignment, const char *type,
                         const apus_port *port);

/* Fills as much of the caller's struct as it has, and zeroes the members that this version does not
 * know. */
void config_write(void *out, const void *made, size_t known);

/* Reads a port. NULL reads as a port without services. What is wrong with a port is said to its own
 * log. */
apus_status port_read(apus_port *out, const apus_port *in);

/* Copies what can be read of a struct that config_read may refuse: whole members up to the size
 * given, and none where no version has that size. So the struct's port is known before the rest is
 * checked, and can be told what is wrong. */
void config_ahead(void *out, const void *in, size_t known, size_t alignment);

/* The part of a port that a blob keeps after it was opened: the log. */
static inline apus_port blob_port(const struct blob *b) {
    return (apus_port){.size = sizeof(apus_port), .user = b->log_user, .log = b->log};
}

static inline uint64_t port_now(const apus_port *port) {
    return port->now_ns ? port->now_ns(port->user) : 0;
}

#endif
