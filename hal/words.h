/* Sentences put together in a fixed buffer. What does not fit is left out. */
#ifndef HAL_WORDS_H
#define HAL_WORDS_H

#include <stdint.h>

#include "apus/port.h"

struct words {
    char text[320];
    uint32_t count;
};

static inline void words_add(struct words *w, const char *text) {
    while (*text && w->count + 1 < sizeof w->text) w->text[w->count++] = *text++;
    w->text[w->count] = 0;
}

static inline void words_number(struct words *w, uint64_t n) {
    char digits[21];
    uint32_t at = sizeof digits - 1;
    digits[at] = 0;
    do digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    words_add(w, digits + at);
}

static inline void words_begin(struct words *w, const char *text) {
    w->count = 0;
    words_add(w, text);
}

static inline void words_log(const struct words *w, const apus_port *port, int level) {
    if (port && port->log) port->log(port->user, level, w->text);
}

#endif
