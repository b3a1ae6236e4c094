/* The protocol's framing: "Content-Length: N\r\n", perhaps other headers, "\r\n", N bytes of JSON.
 * Bytes come in as they are read, bodies go out. Whatever comes, no more is held than half as much
 * again as FRAME_HEADER_MAX and FRAME_BODY_MAX bytes. */
#ifndef COMPLETE_LSP_FRAMES_H
#define COMPLETE_LSP_FRAMES_H

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER_MAX = 4096,
    FRAME_BODY_MAX = 32 << 20,
    FRAME_SKIPPED_FRONT = 512 /* what is kept of a body that is too large */
};

enum frame_kind {
    FRAME_MORE,    /* no whole frame: give more bytes */
    FRAME_BODY,    /* a body */
    FRAME_SKIPPED, /* one that was larger than FRAME_BODY_MAX, of which its front is left */
    FRAME_BROKEN   /* headers that cannot be read; nothing behind them can be either */
};

struct frames {
    char *bytes; /* [count] that have come and were not given out; own memory */
    size_t count, capacity;
    size_t given;      /* in front of bytes: given out by the last frames_next, if not 0 */
    char behind;       /* what bytes[given] was, where a NUL is now */
    uint64_t to_skip;  /* of a body that is too large */
    const char *wrong; /* of FRAME_BROKEN: a sentence */
};

/* Where to read the next bytes to, and how many at most; NULL: no memory. */
char *frames_space(struct frames *frames, size_t *room);
/* That `bytes` have been put there. */
void frames_add(struct frames *frames, size_t bytes);

/* The next frame. *body [*bytes] is a C string besides, the caller's to change, and valid until the
 * next call. */
enum frame_kind frames_next(struct frames *frames, char **body, size_t *bytes);

void frames_free(struct frames *frames);

/* Makes JSON of what editors send that is not quite: bytes that are no UTF-8 become '?', an escaped
 * half of a surrogate pair U+FFFD. Every column stays what it was. */
void frame_repair(char *body, size_t bytes);

#endif
