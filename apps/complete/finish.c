#include "finish.h"

#include <string.h>

#include "loop.h"

struct line {
    const char *text; /* [bytes] without its line end and without the blanks before that */
    size_t bytes;
    size_t blanks;  /* the blanks at its beginning */
    size_t columns; /* the indentation: the columns of these blanks, and of what is before the
                       cursor */
    size_t next;    /* where the next line begins */
    int ends;       /* whether it has a line end and does not just end with the text */
};

static int blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* The line at `at` of text [bytes], whose first column is `columns`. */
static struct line line_at(const char *text, size_t bytes, size_t at, size_t columns,
                           uint32_t tab) {
    struct line line = {text + at, 0, 0, columns, 0, 0};
    const char *end = at < bytes ? memchr(text + at, '\n', bytes - at) : NULL;
    size_t count = end ? (size_t)(end - line.text) : bytes - at;
    line.ends = end != NULL;
    line.next = at + count + (size_t)line.ends;
    while (count && blank(line.text[count - 1])) count--;
    line.bytes = count;
    if (!tab) tab = 4;
    for (; line.blanks < count && blank(line.text[line.blanks]); line.blanks++)
        line.columns += line.text[line.blanks] == '\t' ? tab - line.columns % tab : 1;
    return line;
}

/* The columns of text [bytes], the beginning of a line, if it consists of blanks; -1 if it has
 * anything else. */
static long blank_columns(const char *text, size_t bytes, uint32_t tab) {
    long columns = 0;
    if (!tab) tab = 4;
    for (size_t i = 0; i < bytes; i++) {
        if (!blank(text[i])) return -1;
        columns += text[i] == '\t' ? tab - columns % tab : 1;
    }
    return columns;
}

static int begins_with(const struct line *line, const char *word) {
    size_t n = strlen(word), rest = line->bytes - line->blanks;
    const char *text = line->text + line->blanks;
    if (rest < n || memcmp(text, word, n) != 0) return 0;
    char after = n < rest ? text[n] : ' ';
    return !(after == '_' || (after >= '0' && after <= '9') || (after >= 'A' && after <= 'Z') ||
             (after >= 'a' && after <= 'z'));
}

/* Whether a line at the block's own indentation continues the block. */
static int goes_on(const struct line *line) {
    static const char *const words[] = {"else",  "elif",    "elsif",  "elseif", "except", "finally",
                                        "catch", "rescue",  "ensure", "when",   "case",   "default",
                                        "then",  "public:", "do",     "of"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (begins_with(line, words[i])) return 1;
    return 0;
}

static int closes(const struct line *line) {
    static const char *const words[] = {"end", "fi", "done", "esac", "endif", "endfunction"};
    char first = line->bytes > line->blanks ? line->text[line->blanks] : ' ';
    if (first == '}' || first == ')' || first == ']') return 1;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (begins_with(line, words[i])) return 1;
    return 0;
}

/* Whether a closing line also opens something: "} else {", ") -> int:", "}, [". */
static int opens_again(const struct line *line) {
    char last = line->bytes ? line->text[line->bytes - 1] : ' ';
    return last == '{' || last == '(' || last == '[' || last == ':';
}

/* How many brackets are open after text [bytes], if `open` were open before it. */
static size_t brackets(const char *text, size_t bytes, size_t open) {
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (c == '(' || c == '[' || c == '{') open++;
        if ((c == ')' || c == ']' || c == '}') && open) open--;
    }
    return open;
}

/* The earliest place where the first line of the text begins to repeat what is after the cursor on
 * its line; the line's whole length if there is none. If the repetition is in the middle of the
 * line, it only counts if it is the whole rest of the cursor's line and has at least MIDDLE_LEAST
 * bytes. */
static size_t first_repeat(const struct line *rest, const struct line *first) {
    enum { MIDDLE_LEAST = 4 };
    static const char marks[] = "\"'`";
    size_t open = 0, quotes[3] = {0, 0, 0};
    const char *said = rest->text + rest->blanks;
    size_t most = rest->bytes - rest->blanks;
    for (size_t at = 0; most && at < first->bytes; at++) {
        const char *here = first->text + at, *mark = strchr(marks, *here);
        size_t left = first->bytes - at, n = left < most ? left : most;
        int inside = open || (mark && quotes[mark - marks] % 2);
        if (!inside && (n == left || most >= MIDDLE_LEAST) && memcmp(here, said, n) == 0) return at;
        if (mark) quotes[mark - marks]++;
        open = brackets(here, 1, open);
    }
    return first->bytes;
}

/* Finds the document's next line after the cursor's that is not blank. 0: there is none. */
static int next_line(const struct finish *rules, struct line *next) {
    struct line line = line_at(rules->after, rules->after_bytes, 0, 0, rules->tab);
    while (line.ends) {
        line = line_at(rules->after, rules->after_bytes, line.next, 0, rules->tab);
        if (line.bytes > line.blanks) {
            *next = line;
            return 1;
        }
    }
    return 0;
}

/* The state of a walk over the text's lines. */
struct walk {
    const struct finish *rules;
    const char *head; /* [head_bytes] the cursor's line up to the cursor */
    size_t head_bytes;
    struct line rest, next; /* of the document: what is after the cursor on its line, and the next
                               line that is not blank */
    int has_next, opened;
    long front;     /* columns of the head if that is blank, otherwise -1 */
    long block;     /* indentation of the block; -1: not known yet */
    size_t open;    /* brackets that are open before the line */
    uint32_t lines; /* lines so far */
    int content;    /* whether a line that is not blank has come */
    int blanks;     /* blank lines since then */
    struct loop loop;
};

/* A line as loop.h compares it. Closing lines and #endif are rightly repeated, so their letters do
 * not count. */
static struct loop_line said(const struct line *line) {
    struct loop_line said =
        loop_line(line->columns, line->text + line->blanks, line->bytes - line->blanks, "", 0);
    if (closes(line) || begins_with(line, "#endif")) said.letters = 0;
    return said;
}

/* Adds the lines before the cursor's line, which begins at `end`. */
static void say_before(struct walk *walk, size_t end) {
    size_t at = end, lines = 0, cut;
    while (at && lines <= FINISH_BEFORE) lines += walk->rules->before[--at] == '\n';
    if (lines > FINISH_BEFORE) at++;
    while (at < end) {
        struct line line = line_at(walk->rules->before, end, at, 0, walk->rules->tab);
        if (line.bytes > line.blanks) loop_add(&walk->loop, said(&line), &cut);
        at = line.next;
    }
}

/* Adds the cursor's line together with the text's first line, which is complete. Returns whether it
 * completes a loop. */
static int first_loops(struct walk *walk, const struct line *first) {
    struct line head = line_at(walk->head, walk->head_bytes, 0, 0, walk->rules->tab);
    size_t cut;
    if (first->bytes == first->blanks) {
        if (head.bytes > head.blanks) loop_add(&walk->loop, said(&head), &cut);
        return 0;
    }
    struct loop_line line =
        head.bytes == head.blanks
            ? said(first)
            : loop_line(head.columns, head.text + head.blanks, walk->head_bytes - head.blanks,
                        first->text, first->bytes);
    line.counts = 1;
    return loop_add(&walk->loop, line, &cut);
}

static struct walk walk_begin(const struct finish *rules) {
    struct walk walk = {.rules = rules, .block = -1};
    size_t at = rules->before_bytes;
    while (at && rules->before[at - 1] != '\n') at--;
    walk.head = rules->before + at;
    walk.head_bytes = rules->before_bytes - at;
    walk.front = blank_columns(walk.head, walk.head_bytes, rules->tab);
    if (walk.front < 0)
        walk.block = (long)line_at(walk.head, walk.head_bytes, 0, 0, rules->tab).columns;
    walk.rest = line_at(rules->after, rules->after_bytes, 0, 0, rules->tab);
    walk.has_next = next_line(rules, &walk.next);
    if (rules->loops) say_before(&walk, at);
    return walk;
}

static int same(const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
    return a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
}

/* Where the first line, which is complete, has to end because of what is after the cursor. */
static size_t first_end(const struct walk *walk, const struct line *first) {
    if (walk->rules->repeats || !first->bytes) return first->bytes;
    if (walk->has_next && walk->next.bytes >= walk->head_bytes &&
        memcmp(walk->next.text, walk->head, walk->head_bytes) == 0 &&
        same(first->text, first->bytes, walk->next.text + walk->head_bytes,
             walk->next.bytes - walk->head_bytes))
        return 0;
    return first_repeat(&walk->rest, first);
}

/* Whether a later line, which is complete, is also in the document after the cursor. */
static int repeats(const struct walk *walk, const struct line *line) {
    if (walk->rules->repeats) return 0;
    if (walk->has_next && same(line->text, line->bytes, walk->next.text, walk->next.bytes))
        return 1;
    return !walk->open &&
           same(line->text + line->blanks, line->bytes - line->blanks,
                walk->rest.text + walk->rest.blanks, walk->rest.bytes - walk->rest.blanks);
}

/* Adds a later line, which is complete; the line before it ends at `end`. Returns whether it
 * completes a loop; *cut is then where the text ends. */
static int later_loops(struct walk *walk, const struct line *line, size_t end, size_t *cut) {
    struct loop_line later = said(line);
    later.counts = 1;
    later.cut = end;
    return loop_add(&walk->loop, later, cut);
}

enum verdict { GOES_ON, ENDS_BEFORE, ENDS_BEHIND };

/* Whether the block goes on with a later line that is not blank. A line that is not complete is
 * judged only by its indentation. */
static enum verdict block_verdict(struct walk *walk, const struct line *line, int is_whole) {
    long columns = (long)line->columns;
    int apart = walk->content && walk->blanks; /* after a blank line */
    if (columns < (long)walk->rules->indent) return ENDS_BEFORE;
    if (!walk->rules->block) return GOES_ON;
    if (walk->block < 0) walk->block = columns;
    if (columns < walk->block) return ENDS_BEFORE;
    if (!walk->opened && apart) return ENDS_BEFORE;
    if (columns > walk->block) walk->opened = 1;
    if (columns > walk->block || !walk->opened || !is_whole || goes_on(line)) return GOES_ON;
    if (!closes(line)) return ENDS_BEFORE;
    return opens_again(line) ? GOES_ON : ENDS_BEHIND;
}

/* The end of what is shown of text [bytes], blanks at its end included. *enough: a rule ended the
 * text, and nothing that follows changes that. ended: the last line is complete. *last: where the
 * last line that has a line end ends. */
static size_t walk_lines(const struct finish *rules, const char *text, size_t bytes, int ended,
                         int *enough, size_t *last) {
    struct walk walk = walk_begin(rules);
    struct line line = line_at(text, bytes, 0, walk.front > 0 ? (size_t)walk.front : 0, rules->tab);
    size_t cut;
    *enough = 1;
    *last = 0;
    if (line.ends || ended) {
        size_t end = first_end(&walk, &line);
        if (end < line.bytes) return end;
    }
    /* What is after the cursor decides first, and needs the complete line for that. */
    int is_decided = line.ends || ended || walk.rest.bytes == walk.rest.blanks;
    if (rules->loops && is_decided && loop_inside(line.text, line.bytes)) return 0;
    if (rules->loops && (line.ends || ended) && first_loops(&walk, &line)) return 0;
    walk.content = line.bytes > line.blanks;
    if (walk.block < 0 && walk.content) walk.block = (long)line.columns;
    for (size_t at = 0; line.ends;) {
        size_t end = at + line.bytes;
        *last = end;
        if (++walk.lines == rules->lines) return end;
        walk.open = brackets(line.text, line.bytes, walk.open);
        at = line.next;
        line = line_at(text, bytes, at, 0, rules->tab);
        int is_whole = line.ends || ended;
        if (line.bytes == line.blanks) {
            walk.blanks += line.ends;
            if (rules->block && walk.content && walk.blanks > 1) return end;
            continue;
        }
        enum verdict verdict = block_verdict(&walk, &line, is_whole);
        if (verdict == ENDS_BEFORE || (is_whole && repeats(&walk, &line))) return end;
        if (rules->loops && loop_inside(line.text, line.bytes)) return end;
        if (rules->loops && is_whole && later_loops(&walk, &line, end, &cut)) return cut;
        if (verdict == ENDS_BEHIND) return at + line.bytes;
        walk.content = 1;
        walk.blanks = 0;
    }
    *enough = 0;
    return bytes;
}

int finish_enough(const struct finish *rules, const char *text, size_t bytes) {
    int enough;
    size_t last;
    walk_lines(rules, text, bytes, 0, &enough, &last);
    return enough;
}

/* The length without the last word, which may be half a word; the whole length if there is only one
 * word. */
static size_t whole_words(const char *text, size_t bytes) {
    size_t at = bytes;
    while (at && !blank(text[at - 1])) at--;
    return blank_columns(text, at, 1) < 0 ? at : bytes;
}

/* The length without the beginning of a character whose rest is missing. */
static size_t whole_characters(const char *text, size_t bytes) {
    size_t back = 0;
    while (back < 3 && back < bytes && ((uint8_t)text[bytes - 1 - back] & 0xc0) == 0x80) back++;
    if (back == bytes) return bytes;
    uint8_t lead = (uint8_t)text[bytes - 1 - back];
    size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return back + 1 < length ? bytes - 1 - back : bytes;
}

size_t finish_length(const struct finish *rules, const char *text, size_t bytes, int ended,
                     double mean) {
    int enough;
    size_t last, end = walk_lines(rules, text, bytes, ended, &enough, &last);
    if (rules->least < 0 && mean < rules->least) return 0;
    if (!enough && !ended) {
        end = blank_columns(text, last, 1) < 0 ? last
                                               : whole_words(text, whole_characters(text, bytes));
        end = walk_lines(rules, text, end, 1, &enough, &last);
    }
    struct line rest = line_at(rules->after, rules->after_bytes, 0, 0, 1);
    while (end && blank(text[end - 1]) && (rest.bytes == rest.blanks || text[end - 1] == '\n'))
        end--;
    return blank_columns(text, end, 1) < 0 ? end : 0;
}
