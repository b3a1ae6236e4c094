#include "edit_history.h"

#include <stdlib.h>
#include <string.h>

#include "documents.h"

/* What one step changed: the lines [first, first + before) became [first, first + after). */
struct step {
    size_t first, before, after;
    size_t from, old_end, new_end; /* the same in bytes of both texts */
};

static size_t count_ends(const char *text, size_t from, size_t to) {
    size_t count = 0;
    for (size_t i = from; i < to; i++) count += text[i] == '\n';
    return count;
}

/* Lines that begin in [from, to), where `to` is the beginning of a line or the end of the text. */
static size_t count_lines(const char *text, size_t from, size_t to) {
    return count_ends(text, from, to) + (to > from && text[to - 1] != '\n');
}

static int at_line(const char *text, size_t at) { return !at || text[at - 1] == '\n'; }

/* The smallest run of whole lines that differs. 0: the texts are the same. */
static int find_step(const char *old, size_t old_bytes, const char *text, size_t bytes,
                     struct step *step) {
    size_t least = old_bytes < bytes ? old_bytes : bytes, front = 0, back = 0;
    while (front < least && old[front] == text[front]) front++;
    if (front == old_bytes && front == bytes) return 0;
    while (!at_line(old, front)) front--;
    while (back < least - front && old[old_bytes - 1 - back] == text[bytes - 1 - back]) back++;
    while (back && !(at_line(old, old_bytes - back) && at_line(text, bytes - back))) back--;
    step->from = front;
    step->old_end = old_bytes - back;
    step->new_end = bytes - back;
    step->first = count_ends(old, 0, front);
    step->before = count_lines(old, front, step->old_end);
    step->after = count_lines(text, front, step->new_end);
    return 1;
}

static void free_change(struct history_change *change) {
    free(change->name);
    free(change->before.text);
    free(change->after.text);
    memset(change, 0, sizeof *change);
}

static int same_text(const struct history_text *a, const struct history_text *b) {
    return a->lines == b->lines && a->bytes == b->bytes &&
           (!a->bytes || !memcmp(a->text, b->text, a->bytes));
}

/* The last change is over; it is forgotten if it came to nothing. */
static void finish(struct history *history) {
    if (!history->is_open) return;
    history->is_open = 0;
    struct history_change *last = &history->list[history->count - 1];
    if (!same_text(&last->before, &last->after)) return;
    free_change(last);
    history->count--;
}

static void drop_last(struct history *history) {
    free_change(&history->list[--history->count]);
    history->is_open = 0;
}

/* The beginning of the line, counted from a place whose line is known. */
static size_t skip_lines(const char *text, size_t bytes, size_t at, size_t lines) {
    for (; lines && at < bytes; lines--) {
        const char *end = memchr(text + at, '\n', bytes - at);
        at = end ? (size_t)(end - text) + 1 : bytes;
    }
    return at;
}

/* Lines [first, first + lines) of a text. 0, or -1: too long, or no memory. */
static int copy_lines(struct history_text *to, const char *text, size_t bytes, size_t first,
                      size_t lines) {
    size_t from = skip_lines(text, bytes, 0, first), end = skip_lines(text, bytes, from, lines);
    if (end > from && text[end - 1] == '\n') end--;
    *to = (struct history_text){NULL, lines ? end - from : 0, lines};
    if (to->bytes > HISTORY_BYTES_MAX || lines > HISTORY_LINES_MAX) return -1;
    if (!to->bytes) return 0;
    to->text = malloc(to->bytes);
    if (!to->text) return -1;
    memcpy(to->text, text + from, to->bytes);
    return 0;
}

/* Puts three runs of lines one after the other. 0, or -1. */
static int join(struct history_text *to, const struct history_text part[3]) {
    size_t bytes = 0, lines = 0, at = 0;
    for (int i = 0; i < 3; i++) bytes += part[i].bytes + 1, lines += part[i].lines;
    *to = (struct history_text){NULL, 0, lines};
    if (bytes > HISTORY_BYTES_MAX || lines > HISTORY_LINES_MAX) return -1;
    to->text = malloc(bytes);
    if (!to->text) return -1;
    for (int i = 0, any = 0; i < 3; i++) {
        if (!part[i].lines) continue;
        if (any) to->text[at++] = '\n';
        if (part[i].bytes) memcpy(to->text + at, part[i].text, part[i].bytes);
        at += part[i].bytes;
        any = 1;
    }
    to->bytes = at;
    return 0;
}

/* Makes the step a part of the last change, which it touches. 0, or -1. */
static int widen(struct history_change *last, const struct step *step, const char *old,
                 size_t old_bytes, const char *text, size_t bytes) {
    size_t from = last->first, to = from + last->after.lines, end = step->first + step->before;
    size_t low = step->first < from ? step->first : from, high = end > to ? end : to;
    struct history_text part[3] = {{0}, last->before, {0}}, before = {0}, after = {0};
    int failed = copy_lines(&part[0], old, old_bytes, low, from - low) ||
                 copy_lines(&part[2], old, old_bytes, to, high - to) || join(&before, part) ||
                 copy_lines(&after, text, bytes, low, high - low + step->after - step->before);
    free(part[0].text);
    free(part[2].text);
    if (failed) {
        free(before.text);
        free(after.text);
        return -1;
    }
    free(last->before.text);
    free(last->after.text);
    last->before = before, last->after = after, last->first = low;
    return 0;
}

static void begin(struct history *history, uint64_t document, const char *name,
                  const struct step *step, const char *old, size_t old_bytes, const char *text,
                  size_t bytes) {
    if (history->count == HISTORY_CHANGES) {
        free_change(&history->list[0]);
        memmove(history->list, history->list + 1, --history->count * sizeof *history->list);
    }
    struct history_change *change = &history->list[history->count++];
    *change =
        (struct history_change){.document = document, .name = strdup(name), .first = step->first};
    history->is_open = 1;
    if (!change->name || copy_lines(&change->before, old, old_bytes, step->first, step->before) ||
        copy_lines(&change->after, text, bytes, step->first, step->after))
        drop_last(history);
}

/* Of texts with \n alone. */
static void note(struct history *history, uint64_t document, const char *name, const char *old,
                 size_t old_bytes, const char *text, size_t bytes) {
    struct step step;
    if (!find_step(old, old_bytes, text, bytes, &step)) return;
    const struct history_change *last = history_last(history, document);
    if (last && step.first <= last->first + last->after.lines &&
        step.first + step.before >= last->first) {
        if (!widen(&history->list[history->count - 1], &step, old, old_bytes, text, bytes)) return;
    }
    finish(history);
    begin(history, document, name, &step, old, old_bytes, text, bytes);
}

void history_note(struct history *history, uint64_t document, const char *name, const char *old,
                  size_t old_bytes, const char *text, size_t bytes) {
    if (!memchr(old, '\r', old_bytes) && !memchr(text, '\r', bytes)) {
        note(history, document, name, old, old_bytes, text, bytes);
        return;
    }
    char *plain_old = malloc(old_bytes + 1), *plain = malloc(bytes + 1);
    if (plain_old && plain) {
        old_bytes = lines_plain(plain_old, old, old_bytes);
        bytes = lines_plain(plain, text, bytes);
        note(history, document, name, plain_old, old_bytes, plain, bytes);
    } else {
        history_end(history, document);
    }
    free(plain_old);
    free(plain);
}

void history_end(struct history *history, uint64_t document) {
    if (history_last(history, document)) finish(history);
}

const struct history_change *history_last(const struct history *history, uint64_t document) {
    if (!history->is_open) return NULL;
    const struct history_change *last = &history->list[history->count - 1];
    return last->document == document ? last : NULL;
}

void history_free(struct history *history) {
    while (history->count) free_change(&history->list[--history->count]);
    history->is_open = 0;
}
