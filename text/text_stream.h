/* Turns ids into the text that a generation shows. It holds back what may still change: the bytes
 * of an unfinished UTF-8 character, and an end of the text that may become a stop text. So what was
 * shown is never taken back, and a stop text is found across token borders, at the byte that
 * completes it. */
#ifndef TEXT_TEXT_STREAM_H
#define TEXT_TEXT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"
#include "weights/vocab.h"

enum {
    STOP_BYTES_MAX = 63,
    TEXT_STREAM_IDS = 16 /* most ids between two calls of text_stream_take */
};

struct text_stream {
    const struct vocab *vocab;
    uint8_t *text; /* [capacity] */
    size_t capacity;
    size_t given;   /* text[0 .. given): handed out by the last text_stream_take */
    size_t ready;   /* text[given .. ready): may be shown */
    size_t count;   /* text[ready .. count): held back */
    size_t skip;    /* bytes still to come that are not part of the text */
    uint64_t total; /* bytes added since text_stream_begin, those of a stop text included */
    bool stopped;   /* a stop text was complete: nothing more is added */
    uint32_t stops;
    struct {
        uint8_t bytes;
        char text[STOP_BYTES_MAX];
    } stop[APUS_STOPS_MAX];
};

/* Bytes of memory that a text_stream over this vocabulary takes, at any alignment. */
size_t text_stream_bytes(const struct vocab *vocab);
void text_stream_open(struct text_stream *out, const struct vocab *vocab, void *memory,
                      size_t bytes);

/* Begins a new text, after the first `skip` bytes that are added. stops [count]: checked (at most
 * APUS_STOPS_MAX of 1 .. STOP_BYTES_MAX bytes) and copied. */
void text_stream_begin(struct text_stream *out, const apus_stop *stops, uint32_t count,
                       size_t skip);

/* Adds an id's bytes; control tokens have none. Returns true if a stop text is complete. The text
 * to show then ends before it. Where several end at the same byte, it ends before the one that
 * begins first. */
bool text_stream_add(struct text_stream *out, int32_t id);

/* The same for bytes from anywhere, at most as many as the longest piece has. */
bool text_stream_add_bytes(struct text_stream *out, const uint8_t *bytes, size_t n);

/* Says that no more will come: what was held back may be shown as it is. */
void text_stream_end(struct text_stream *out);

/* The text that can be shown since the last call: whole characters, except bytes that are not
 * UTF-8. It is valid until another function is called. Never NULL. */
void text_stream_take(struct text_stream *out, const char **text, size_t *bytes);

#endif
