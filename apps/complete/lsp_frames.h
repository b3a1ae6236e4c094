/* The protocol's framing: "Content-Length: N\r\n", perhaps other headers, "\r\n", N bytes of JSON.
 * The caller adds bytes as they are read and takes bodies. In any case at most one and a half times
 * FRAME_HEADER_MAX and FRAME_BODY_MAX bytes are held. */
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
    FRAME_MORE,    /* there is no whole frame yet: more bytes are needed */
    FRAME_BODY,    /* a body */
    FRAME_SKIPPED, /* a body that was larger than FRAME_BODY_MAX, of which only the beginning is
                      left */
    FRAME_BROKEN   /* headers that cannot be read, so that nothing after them can be read either */
};

struct frames {
    char *bytes; /* [count] bytes that have come; allocated */
    size_t count, capacity;
    size_t given;      /* how many of bytes, from the first, the last frames_next has given out */
    char behind;       /* the value of bytes[given], where a zero is now */
    uint64_t to_skip;  /* bytes still to skip of a body that is too large */
    const char *wrong; /* a sentence after FRAME_BROKEN */
};

/* Where the next bytes are to be read to, and how many at most. NULL: memory is short. */
char *frames_space(struct frames *frames, size_t *room);
/* Says that `bytes` bytes have been put there. */
void frames_add(struct frames *frames, size_t bytes);

/* The next frame. *body [*bytes] is zero-terminated. The caller may change it; it is valid until
 * the next call. */
enum frame_kind frames_next(struct frames *frames, char **body, size_t *bytes);

void frames_free(struct frames *frames);

/* Repairs what some editors send and JSON does not allow: bytes that are not UTF-8 become '?', and
 * an escaped half of a surrogate pair becomes U+FFFD. No column changes. */
void frame_repair(char *body, size_t bytes);

#endif
