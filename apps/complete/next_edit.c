#include "next_edit.h"

#include <stdlib.h>
#include <string.h>

#include "loop.h"

struct lines {
    struct line {
        const char *text; /* [bytes] without its end */
        size_t bytes;
    } * line; /* [count] */
    size_t count;
};

/* Splits at \n. count is 0 if memory is short. */
static struct lines split(const char *text, size_t bytes) {
    struct lines lines = {NULL, 1};
    for (size_t i = 0; i < bytes; i++) lines.count += text[i] == '\n';
    lines.line = malloc(lines.count * sizeof *lines.line);
    if (!lines.line) return (struct lines){NULL, 0};
    for (size_t i = 0, at = 0; i < lines.count; i++) {
        const char *end = at < bytes ? memchr(text + at, '\n', bytes - at) : NULL;
        size_t n = end ? (size_t)(end - text) - at : bytes - at;
        lines.line[i].text = text + at, lines.line[i].bytes = n;
        at += n + 1;
    }
    return lines;
}

static int same(const struct line *a, const struct line *b) {
    return a->bytes == b->bytes && (!a->bytes || !memcmp(a->text, b->text, a->bytes));
}

static int blank(const struct line *line) {
    for (size_t i = 0; i < line->bytes; i++)
        if (line->text[i] != ' ' && line->text[i] != '\t') return 0;
    return 1;
}

/* ---- the window */

/* The lines of the document from `from` to `end`, without the end of the last one. */
static char *copy_window(const struct document *document, size_t from, size_t end, size_t *bytes) {
    char *copy = malloc(end - from + 1);
    *bytes = copy && end > from ? lines_plain(copy, document->text + from, end - from) : 0;
    return copy;
}

/* The window as it was before the change, as far as the change is in it. */
static char *undo(const struct next_edit *edit, const struct history_change *change,
                  size_t *bytes) {
    size_t first = edit->first, last = first + edit->lines, from = change->first,
           to = from + change->after.lines;
    struct lines lines = split(edit->window, edit->bytes);
    char *text = malloc(edit->bytes + change->before.bytes + 2);
    size_t n = 0;
    int any = 0, is_in = to >= first && from <= last;
    for (size_t i = first; text && i <= last && lines.count; i++) {
        int here = is_in && (i == from || (i == first && from < first));
        if (here && change->before.lines) {
            if (any++) text[n++] = '\n';
            if (change->before.bytes) memcpy(text + n, change->before.text, change->before.bytes);
            n += change->before.bytes;
        }
        if (i - first >= lines.count || i == last || (is_in && i >= from && i < to)) continue;
        const struct line *line = &lines.line[i - first];
        if (any++) text[n++] = '\n';
        if (line->bytes) memcpy(text + n, line->text, line->bytes);
        n += line->bytes;
    }
    free(lines.line);
    *bytes = n;
    return text;
}

int next_edit_open(struct next_edit *edit, const struct document *document, size_t at,
                   const struct history *history) {
    size_t front = lines_back(document->text, at, NEXT_EDIT_AROUND),
           end = lines_forward(document->text, document->bytes, at, NEXT_EDIT_AROUND + 1);
    memset(edit, 0, sizeof *edit);
    if (end - front > NEXT_EDIT_WINDOW_BYTES) return -1;
    struct position last = offset_position(document->text, document->bytes, end, COLUMN_UTF8);
    /* The line end before `end` is not the window's. An empty last line of the document is not
     * either. */
    edit->is_at_end =
        end == front || (document->text[end - 1] != '\n' && document->text[end - 1] != '\r');
    if (!edit->is_at_end) {
        end--;
        if (end > front && document->text[end] == '\n' && document->text[end - 1] == '\r') end--;
    }
    edit->first = offset_position(document->text, document->bytes, front, COLUMN_UTF8).line;
    edit->lines = last.line - edit->first + (size_t)(edit->is_at_end != 0);
    edit->window = copy_window(document, front, end, &edit->bytes);
    if (!edit->window) return -1;
    const struct history_change *change = history_last(history, document->key);
    const struct history_change none = {.first = SIZE_MAX};
    edit->original = undo(edit, change ? change : &none, &edit->original_bytes);
    if (edit->original) return 0;
    next_edit_free(edit);
    return -1;
}

void next_edit_free(struct next_edit *edit) {
    free(edit->window);
    free(edit->original);
    memset(edit, 0, sizeof *edit);
}

/* ---- the prompt */

static void put(struct part_list *list, const char *text) { part_list_string(list, text, 0); }

static void put_block(struct part_list *list, const int32_t *separator, const char *kind,
                      const char *name, size_t name_bytes) {
    part_list_ids(list, separator, 1);
    put(list, kind);
    part_list_text(list, name, name_bytes, 0);
}

static void put_lines(struct part_list *list, const char *text, size_t bytes) {
    part_list_text(list, text, bytes, 0);
    put(list, "\n");
}

bool next_edit_prompt(struct part_list *list, const struct next_edit *edit,
                      const int32_t *separator, const char *name, const struct fim_file *files,
                      size_t files_count, const struct history *history, uint64_t document) {
    const struct history_change *last = history_last(history, document);
    size_t changes = history->count - (last != NULL), bytes = strlen(name);
    part_list_bos(list);
    for (size_t i = 0; i < files_count; i++) {
        size_t n = files[i].text.count;
        if (n && files[i].text.bytes[n - 1] == '\n') n--;
        if (n && files[i].text.bytes[n - 1] == '\r') n--;
        put_block(list, separator, "", files[i].name.bytes, files[i].name.count);
        put(list, "\n");
        put_lines(list, files[i].text.bytes, n);
    }
    for (size_t i = changes > NEXT_EDIT_CHANGES ? changes - NEXT_EDIT_CHANGES : 0; i < changes;
         i++) {
        const struct history_change *change = &history->list[i];
        put_block(list, separator, "", change->name, strlen(change->name));
        put(list, ".diff\noriginal:\n");
        put_lines(list, change->before.text, change->before.bytes);
        put(list, "updated:\n");
        put_lines(list, change->after.text, change->after.bytes);
    }
    put_block(list, separator, "original/", name, bytes);
    put(list, "\n");
    put_lines(list, edit->original, edit->original_bytes);
    put_block(list, separator, "current/", name, bytes);
    put(list, "\n");
    put_lines(list, edit->window, edit->bytes);
    put_block(list, separator, "updated/", name, bytes);
    return !list->failed;
}

/* ---- the answer */

/* Where the answer, of which only complete lines are given, has come back to the window: *to is the
 * window's line that follows, if its lines from there on stay. */
static int rejoins(const struct lines *window, const struct lines *answer, size_t *to) {
    size_t equal = 0, n = answer->count;
    while (equal < n && equal < window->count && same(&window->line[equal], &answer->line[equal]))
        equal++;
    if (equal == n || n - equal < NEXT_EDIT_REJOIN) return 0;
    const struct line *tail = &answer->line[n - NEXT_EDIT_REJOIN];
    int says = 0;
    for (size_t i = 0; i < NEXT_EDIT_REJOIN; i++) says |= !blank(&tail[i]);
    for (size_t at = equal; says && at + NEXT_EDIT_REJOIN <= window->count; at++) {
        size_t k = 0;
        while (k < NEXT_EDIT_REJOIN && same(&tail[k], &window->line[at + k])) k++;
        if (k < NEXT_EDIT_REJOIN) continue;
        *to = at + NEXT_EDIT_REJOIN;
        return 1;
    }
    return 0;
}

/* The first complete lines with which the answer rejoins the window; 0: it never does. */
static size_t joined(const struct lines *window, struct lines answer, size_t *to) {
    size_t complete = answer.count ? answer.count - 1 : 0;
    for (size_t n = 1; n <= complete; n++) {
        answer.count = n;
        if (rejoins(window, &answer, to)) return n;
    }
    return 0;
}

int next_edit_enough(const struct next_edit *edit, const char *text, size_t bytes) {
    struct lines window = split(edit->window, edit->bytes), answer = split(text, bytes);
    size_t to;
    int enough = !window.count || !answer.count ||
                 answer.count > window.count + NEXT_EDIT_ADDED + 1 || joined(&window, answer, &to);
    free(window.line);
    free(answer.line);
    return enough;
}

static int loops(const struct lines *lines) {
    struct loop loop = {.count = 0};
    size_t cut;
    for (size_t i = 0; i < lines->count; i++) {
        const struct line *line = &lines->line[i];
        if (loop_inside(line->text, line->bytes)) return 1;
        if (blank(line)) continue;
        struct loop_line said = loop_line(0, line->text, line->bytes, "", 0);
        said.counts = 1;
        if (loop_add(&loop, said, &cut)) return 1;
    }
    return 0;
}

/* The window as the answer makes it: the answer's lines and then the window's lines from `to` on.
 * count is 0 if memory is short. */
static struct lines apply(const struct lines *window, size_t to, const struct lines *answer) {
    struct lines made = {NULL, answer->count + window->count - to};
    made.line = malloc((made.count + 1) * sizeof *made.line);
    if (!made.line) return (struct lines){NULL, 0};
    memcpy(made.line, answer->line, answer->count * sizeof *made.line);
    if (to < window->count)
        memcpy(made.line + answer->count, window->line + to,
               (window->count - to) * sizeof *made.line);
    return made;
}

/* Whether a line is not blank. */
static int says(const struct lines *lines) {
    for (size_t i = 0; i < lines->count; i++)
        if (!blank(&lines->line[i])) return 1;
    return 0;
}

static int same_lines(const struct lines *a, const struct lines *b) {
    if (a->count != b->count) return 0;
    for (size_t i = 0; i < a->count; i++)
        if (!same(&a->line[i], &b->line[i])) return 0;
    return 1;
}

/* Sets the change to the lines that differ. 0: none do, the answer stops in the window, or memory
 * is short. */
static int compare(const struct lines *window, const struct lines *made,
                   struct next_edit_change *change) {
    size_t a = window->count, b = made->count, from = 0, back = 0, least = a < b ? a : b, bytes = 0;
    while (from < least && same(&window->line[from], &made->line[from])) from++;
    if (from == a && from == b) return 0;
    while (back < least - from && same(&window->line[a - 1 - back], &made->line[b - 1 - back]))
        back++;
    if (!back && b < a) return 0; /* it never came to the window's last lines */
    for (size_t i = from; i < b - back; i++) bytes += made->line[i].bytes + 1;
    *change = (struct next_edit_change){from, a - back, b - back - from, malloc(bytes + 1), 0};
    if (!change->text) return 0;
    for (size_t i = from; i < b - back; i++) {
        const struct line *line = &made->line[i];
        if (i > from) change->text[change->bytes++] = '\n';
        if (line->bytes) memcpy(change->text + change->bytes, line->text, line->bytes);
        change->bytes += line->bytes;
    }
    return 1;
}

int next_edit_read(const struct next_edit *edit, const char *text, size_t bytes, int ended,
                   struct next_edit_change *change) {
    memset(change, 0, sizeof *change);
    struct lines window = split(edit->window, edit->bytes), answer = split(text, bytes),
                 original = split(edit->original, edit->original_bytes), made = {NULL, 0};
    size_t to = window.count, lines = 0;
    int good = window.count && answer.count && original.count && !memchr(text, 0, bytes) &&
               answer.count <= window.count + NEXT_EDIT_ADDED + 1;
    if (good) lines = joined(&window, answer, &to);
    if (lines)
        answer.count = lines;
    else if (answer.count > 1 && !answer.line[answer.count - 1].bytes)
        answer.count--; /* the line end before the next marker */
    if (good) made = apply(&window, lines ? to : window.count, &answer);
    good = good && made.count && says(&made) && (ended || lines) &&
           (loops(&window) || !loops(&made)) && !same_lines(&made, &original) &&
           compare(&window, &made, change);
    free(window.line);
    free(answer.line);
    free(original.line);
    free(made.line);
    return good;
}

/* ---- its place */

/* The end of a line of the window, in the document. */
static struct position line_end_at(const struct next_edit *edit, size_t line,
                                   enum column_unit unit) {
    size_t at = lines_forward(edit->window, edit->bytes, 0, line);
    while (at < edit->bytes && edit->window[at] != '\n') at++;
    struct position p = offset_position(edit->window, edit->bytes, at, unit);
    p.line += edit->first;
    return p;
}

int next_edit_place(const struct next_edit *edit, const struct next_edit_change *change,
                    enum column_unit unit, struct next_edit_place *place) {
    int at_end = change->to == edit->lines && edit->is_at_end;
    int from_end = at_end && change->from > 0;
    place->bytes = 0;
    place->text = malloc(change->bytes + 2);
    if (!place->text) return -1;
    if (from_end && change->lines) place->text[place->bytes++] = '\n';
    memcpy(place->text + place->bytes, change->text, change->bytes);
    place->bytes += change->bytes;
    if (!at_end && change->lines) place->text[place->bytes++] = '\n';
    place->start = from_end ? line_end_at(edit, change->from - 1, unit)
                            : (struct position){edit->first + (uint32_t)change->from, 0};
    place->end = at_end ? line_end_at(edit, edit->lines - 1, unit)
                        : (struct position){edit->first + (uint32_t)change->to, 0};
    return 0;
}
