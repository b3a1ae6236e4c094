/* Pieces of the files that the user works on, as context for completing in another place. They are
 * taken where the files were last edited, opened, saved or left, as llama.vim does it. A piece that
 * was picked waits in a queue and moves to the ring when the user does not type, because the ring
 * stands at the beginning of the prompt, and a change there means that the whole prompt is
 * evaluated again. A piece that is nearly the same as a new one is replaced by it. Pieces that look
 * like the lines around the cursor are not shown to the model, which would repeat them.
 *
 * Likeness is computed as in llama.vim: twice the number of words of the second piece that the
 * first one has too, divided by the number of words of both. It is 1 for the same words and 0 for
 * no common word. */
#ifndef COMPLETE_CHUNK_RING_H
#define COMPLETE_CHUNK_RING_H

#include <stddef.h>
#include <stdint.h>

enum {
    CHUNK_LINES = 32,    /* lines of a piece */
    CHUNK_LINES_MIN = 3, /* a piece with fewer lines is not taken */
    CHUNK_BYTES_MAX = 8 << 10,
    CHUNK_WORDS_MAX = 1024, /* the first words of a piece, which likeness compares */
    RING_CHUNKS = 16,       /* the most pieces in use */
    RING_WAITING = 16       /* the most in the queue; one more takes the place of the oldest */
};
/* A piece with a greater likeness to a new one is replaced by it. */
#define LIKE_OTHER 0.9
/* A piece with a greater likeness to the lines around the cursor is dropped. */
#define LIKE_CURSOR 0.5

struct chunk {
    char *name; /* its file's name; this, text and words are allocated */
    char *text; /* [bytes] whole lines, except where one line is longer than a piece may be */
    size_t bytes;
    uint32_t *words; /* [count] hashes, sorted */
    size_t count;
};

/* A ring of zeros is empty. The oldest piece comes first. */
struct chunk_ring {
    struct chunk ring[RING_CHUNKS], waiting[RING_WAITING];
    size_t count, waiting_count;
    size_t most; /* the most in the ring: 1 .. RING_CHUNKS; 0: RING_CHUNKS */
};

/* Queues the lines of text [bytes] around byte `at`. 1: the piece was taken; 0: it has too few
 * lines or is there already, or memory is short. */
int ring_pick(struct chunk_ring *ring, const char *name, const char *text, size_t bytes, size_t at);

/* Moves the piece that has waited longest into the ring. 0: none waits. */
int ring_move(struct chunk_ring *ring);

/* Drops from the ring the pieces that are like the lines of text [bytes] around byte `at`, the
 * cursor. */
void ring_avoid(struct chunk_ring *ring, const char *text, size_t bytes, size_t at);

void ring_free(struct chunk_ring *ring);

/* The likeness of two texts, 0 .. 1. */
double text_likeness(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

#endif
