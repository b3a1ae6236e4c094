#include "loop.h"

#include <string.h>

static int is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (uint8_t)c >= 0x80;
}

static void add_text(struct loop_line *line, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        line->hash = (line->hash ^ (uint8_t)text[i]) * 1099511628211U; /* FNV-1a */
        line->letters += (uint32_t)is_letter(text[i]);
    }
}

struct loop_line loop_line(size_t columns, const char *front, size_t front_bytes, const char *rest,
                           size_t rest_bytes) {
    struct loop_line line = {.hash = 14695981039346656037U ^ columns};
    add_text(&line, front, front_bytes);
    add_text(&line, rest, rest_bytes);
    return line;
}

/* Whether the last `lines` lines are the same as those before them. */
static int repeats(const struct loop *loop, size_t lines) {
    const struct loop_line *again = loop->line + loop->count - lines, *first = again - lines;
    uint32_t letters = 0;
    for (size_t i = 0; i < lines; i++) {
        if (again[i].hash != first[i].hash) return 0;
        letters += again[i].letters;
    }
    return again->counts && letters >= LOOP_LETTERS;
}

int loop_add(struct loop *loop, struct loop_line line, size_t *cut) {
    enum { MOST = sizeof loop->line / sizeof *loop->line };
    if (loop->count == MOST)
        memmove(loop->line, loop->line + 1, --loop->count * sizeof *loop->line);
    loop->line[loop->count++] = line;
    for (size_t lines = 1; 2 * lines <= loop->count; lines++) {
        if (!repeats(loop, lines)) continue;
        *cut = loop->line[loop->count - lines].cut;
        return 1;
    }
    return 0;
}

/* Whether the piece has a letter and does not itself repeat a shorter one. */
static int says_something(const char *piece, size_t bytes) {
    int letters = 0;
    for (size_t i = 0; i < bytes; i++) letters |= is_letter(piece[i]);
    for (size_t period = 1; letters && period < bytes; period++)
        if (bytes % period == 0 && !memcmp(piece, piece + period, bytes - period)) return 0;
    return letters;
}

int loop_inside(const char *line, size_t bytes) {
    if (bytes > LOOP_LINE_BYTES) bytes = LOOP_LINE_BYTES;
    for (size_t period = LOOP_PIECE_MIN; period <= LOOP_PIECE_MAX; period++) {
        size_t same = 0; /* how many bytes in a row are the same as one period before */
        for (size_t i = period; i < bytes; i++) {
            same = line[i] == line[i - period] ? same + 1 : 0;
            if (same == (LOOP_PIECES - 1) * period && says_something(line + i + 1 - period, period))
                return 1;
        }
    }
    return 0;
}
