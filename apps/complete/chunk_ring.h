/* Pieces of the files that somebody works on, as context for completing in another place: taken
 * where they were last edited, opened, saved or left. The way of llama.vim: what is picked waits in
 * a queue and moves to the ring while nobody types, since a change of the ring, which stands in
 * front of the prompt, costs evaluating it anew; a piece that says nearly the same as a new one
 * gives way to it; and of what looks like the place of the cursor nothing is shown to the model,
 * which would repeat it.
 *
 * Likeness is llama.vim's: of all words of both pieces, those of the second that the first has too,
 * twice. 1 for the same words, 0 for none. */
#ifndef COMPLETE_CHUNK_RING_H
#define COMPLETE_CHUNK_RING_H

#include <stddef.h>
#include <stdint.h>

enum {
    CHUNK_LINES = 32,    /* around a place */
    CHUNK_LINES_MIN = 3, /* fewer say nothing */
    CHUNK_BYTES_MAX = 8 << 10,
    CHUNK_WORDS_MAX = 1024, /* of a piece that likeness looks at */
    RING_CHUNKS = 16,       /* most in use */
    RING_WAITING = 16       /* and in the queue; the oldest one gives way */
};
#define LIKE_OTHER  0.9 /* above it a piece gives way to a new one */
#define LIKE_CURSOR 0.5 /* above it a piece is dropped for what is around the cursor */

struct chunk {
    char *name; /* of its file; own memory, as are the others */
    char *text; /* [bytes] whole lines, but where one is longer than a piece may be */
    size_t bytes;
    uint32_t *words; /* [count] hashes, sorted */
    size_t count;
};

/* Zero is empty. The oldest first. */
struct chunk_ring {
    struct chunk ring[RING_CHUNKS], waiting[RING_WAITING];
    size_t count, waiting_count;
    size_t most; /* in the ring: 1 .. RING_CHUNKS; 0: RING_CHUNKS */
};

/* Queues the lines of text [bytes] around byte `at`. 1: it was taken; 0: too few lines, known
 * already, or no memory. */
int ring_pick(struct chunk_ring *ring, const char *name, const char *text, size_t bytes, size_t at);

/* Moves the one that waits longest into the ring. 0: none waits. */
int ring_move(struct chunk_ring *ring);

/* Drops what is like the lines of text [bytes] around byte `at`, the cursor. */
void ring_avoid(struct chunk_ring *ring, const char *text, size_t bytes, size_t at);

void ring_free(struct chunk_ring *ring);

/* Of two texts, 0 .. 1. */
double text_likeness(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

#endif
