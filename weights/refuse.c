#include "weights/refuse.h"

#include <string.h>

enum { SENTENCE_BYTES = 320 };

apus_status refuse_at(const apus_port *port, apus_status status, const char *where, uint32_t index,
                      const char *text, const char *name, const uint64_t *numbers) {
    char why[SENTENCE_BYTES];
    struct check c = {.why = why, .why_bytes = sizeof why};
    if (!port || !port->log) return status;
    check_at(&c, where, index, NULL);
    check_fail(&c, text, name, numbers);
    port_log(port, APUS_LOG_ERROR, why);
    return status;
}

apus_status refuse_outside(const apus_port *port, const char *where, const char *field,
                           uint64_t found, uint64_t low, uint64_t high) {
    if (found >= low && found <= high) return APUS_OK;
    return refuse_at(port, APUS_E_ARGUMENT, where, CHECK_NO_INDEX, "@ is #, must be # to #", field,
                     CHECK_NUMBERS(found, low, high));
}

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

apus_status refuse_float(const apus_port *port, const char *where, const char *field, float found,
                         float low, float high) {
    if (found == 0.0f || (found >= low && found <= high)) return APUS_OK;
    return refuse_at(port, APUS_E_ARGUMENT, where, CHECK_NO_INDEX,
                     low == 0.0f ? "@ is %, must be % to %" : "@ is %, must be 0, or % to %", field,
                     CHECK_NUMBERS(bits_of(found), bits_of(low), bits_of(high)));
}

apus_status refuse_null(const apus_port *port, const char *where, const char *field,
                        const void *pointer) {
    return pointer
               ? APUS_OK
               : refuse_at(port, APUS_E_ARGUMENT, where, CHECK_NO_INDEX, "@ is NULL", field, NULL);
}

apus_status refuse_memory(const apus_port *port, const char *where, const void *memory,
                          uint64_t bytes, const apus_memory *need) {
    if (!memory) return refuse(port, APUS_E_SPACE, where, "the memory is NULL", NULL);
    if ((uintptr_t)memory % need->alignment)
        return refuse(port, APUS_E_SPACE, where, "the memory is at $, must be at a multiple of #",
                      CHECK_NUMBERS((uintptr_t)memory, need->alignment));
    if (bytes < need->bytes)
        return refuse(port, APUS_E_SPACE, where, "the memory has # bytes, must have at least #",
                      CHECK_NUMBERS(bytes, need->bytes));
    return APUS_OK;
}
