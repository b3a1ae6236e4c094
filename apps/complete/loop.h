/* Small models loop: they repeat what they have just written, without end. This tells loops from
 * repeats that belong to a text. A loop is one of two things:
 *
 * - Up to LOOP_LINES lines that follow the same lines immediately, word for word and with the same
 *   indentation. Blank lines do not count. The lines have to have LOOP_LETTERS letters together,
 *   because rows of numbers and closing brackets are rightly repeated. Lines that are only similar
 *   are no loop.
 * - A line that has the same piece LOOP_PIECES times in a row, if the piece has LOOP_PIECE_MIN to
 *   LOOP_PIECE_MAX bytes, a letter, and no shorter period. */
#ifndef COMPLETE_LOOP_H
#define COMPLETE_LOOP_H

#include <stddef.h>
#include <stdint.h>

enum {
    LOOP_LINES = 16,
    LOOP_LETTERS = 5,
    LOOP_PIECE_MIN = 8,
    LOOP_PIECE_MAX = 64,
    LOOP_PIECES = 4,
    LOOP_LINE_BYTES = 1024 /* how much of a line is searched for pieces */
};

struct loop_line {
    uint64_t hash;    /* of its indentation and its text */
    uint32_t letters; /* how many letters it has */
    int counts;       /* whether a repeat may begin with it */
    size_t cut;       /* where the text ends if a repeat begins with it: the caller's value */
};

/* The last lines, the oldest first. Zero is no line. */
struct loop {
    struct loop_line line[2 * LOOP_LINES];
    size_t count;
};

/* The line that is indented by so many columns and consists of the two texts. */
struct loop_line loop_line(size_t columns, const char *front, size_t front_bytes, const char *rest,
                           size_t rest_bytes);

/* Adds a line. Returns 1 if it completes a repeat; *cut is then that of the repeat's first line. */
int loop_add(struct loop *loop, struct loop_line line, size_t *cut);

/* Whether a line, or the beginning of one, has the same piece again and again. */
int loop_inside(const char *line, size_t bytes);

#endif
