#include "input.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "escape.h"
#include "fail.h"

/* Tokenizing takes a multiple of this in scratch; a text beyond it is a mistake. */
static const size_t text_most = (size_t)256 << 20;

static int read_stream(struct text *text, FILE *stream, const char *path) {
    size_t capacity = 0;
    for (;;) {
        if (text->count == capacity) {
            capacity = capacity ? 2 * capacity : 65536;
            char *more = realloc(text->bytes, capacity);
            if (!more) return fail(EXIT_FAULT, "no memory left while reading '%s'.", path);
            text->bytes = more;
        }
        size_t got = fread(text->bytes + text->count, 1, capacity - text->count, stream);
        text->count += got;
        if (text->count > text_most)
            return fail(EXIT_FAULT, "'%s' is longer than %zu MiB, the most text taken at once.", path, text_most >> 20);
        if (!got) break;
    }
    if (ferror(stream)) return fail(EXIT_FAULT, "cannot read '%s': %s.", path, strerror(errno));
    return EXIT_OK;
}

int input_file(struct text *text, const char *path) {
    memset(text, 0, sizeof *text);
    int standard = !strcmp(path, "-");
    FILE *stream = standard ? stdin : fopen(path, "rb");
    if (!stream) return fail(EXIT_FAULT, "cannot open '%s': %s.", path, strerror(errno));
    int status = read_stream(text, stream, standard ? "standard input" : path);
    if (!standard) fclose(stream);
    if (status) {
        free(text->bytes);
        memset(text, 0, sizeof *text);
    }
    return status;
}

/* Whether somebody else than a terminal is at standard input: a pipe or a file. */
static int is_piped(void) {
    struct stat st;
    return fstat(STDIN_FILENO, &st) == 0 &&
           (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode));
}

/* What was not asked for with -f - may also never come. */
static int read_pipe(struct text *text, const char *what) {
    enum { PATIENCE_MS = 3000 };
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&input, 1, PATIENCE_MS) == 0)
        fail_note("no %s was given, so it is read from standard input, where nothing comes yet.",
                  what);
    return input_file(text, "-");
}

static int text_of_argument(struct text *text, const struct settings *settings) {
    text->count = strlen(settings->text);
    text->bytes = malloc(text->count + 1);
    if (!text->bytes) return fail(EXIT_FAULT, "no memory left for %zu bytes of text.", text->count);
    memcpy(text->bytes, settings->text, text->count);
    if (settings->escape)
        text->count = escape_text(text->bytes, settings->text);
    else if (escape_forgotten(settings->text))
        fail_note("the text holds \\n as two characters; with -e it is a line break.");
    return EXIT_OK;
}

int input_text(struct text *text, const struct settings *settings, const char *what,
               const char *hint) {
    memset(text, 0, sizeof *text);
    if (settings->text && settings->file)
        return fail(EXIT_USAGE, "both -p and -f were given: use one of them.");
    if (settings->file) return input_file(text, settings->file);
    if (settings->text) return text_of_argument(text, settings);
    int piped = is_piped(), status = piped ? read_pipe(text, what) : EXIT_OK;
    if (status || text->count) return status;
    free(text->bytes);
    memset(text, 0, sizeof *text);
    fail_hint("%s", hint);
    return fail(EXIT_USAGE, "no %s was given%s.", what,
                piped ? ", and standard input is empty" : "");
}

static int is_separator(char c) { return c == ',' || c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/* One id from [*at, end) with the separators after it. */
static int parse_id(const char **at, const char *end, uint32_t vocab, int32_t *id) {
    const char *p = *at;
    uint64_t value = 0;
    while (p < end && *p >= '0' && *p <= '9' && value <= UINT32_MAX) value = 10 * value + (uint64_t)(*p++ - '0');
    if (p == *at || (p < end && !is_separator(*p) && !(*p >= '0' && *p <= '9'))) {
        size_t shown = (size_t)(end - *at) < 20 ? (size_t)(end - *at) : 20;
        return fail(EXIT_USAGE, "--ids expects whole numbers separated by commas, found '%.*s'.", (int)shown, *at);
    }
    if (value >= vocab)
        return fail(EXIT_USAGE, "--ids: %.*s is not a token of this model, whose ids are 0 to %u.", (int)(p - *at < 20 ? p - *at : 20), *at,
                    vocab - 1);
    *id = (int32_t)value;
    while (p < end && is_separator(*p)) p++;
    *at = p;
    return EXIT_OK;
}

static int parse_ids(struct ids *ids, const char *at, const char *end, uint32_t vocab) {
    ids->ids = malloc(((size_t)(end - at) / 2 + 1) * sizeof *ids->ids); /* an id and its separator take two characters at least */
    if (!ids->ids) return fail(EXIT_FAULT, "no memory left for the list of ids.");
    while (at < end && is_separator(*at)) at++;
    if (at == end) return fail(EXIT_USAGE, "--ids expects whole numbers separated by commas, found nothing.");
    while (at < end) {
        int status = parse_id(&at, end, vocab, &ids->ids[ids->count]);
        if (status) return status;
        ids->count++;
    }
    return EXIT_OK;
}

int input_ids(struct ids *ids, const char *list, uint32_t vocab) {
    struct text text = {NULL, 0};
    memset(ids, 0, sizeof *ids);
    int status = EXIT_OK;
    const char *begin = list, *end = list + strlen(list);
    if (!strcmp(list, "-")) {
        status = input_file(&text, "-");
        begin = text.bytes;
        end = text.bytes + text.count;
    }
    if (!status) status = parse_ids(ids, begin, end, vocab);
    free(text.bytes);
    if (status) {
        free(ids->ids);
        memset(ids, 0, sizeof *ids);
    }
    return status;
}

int input_tokenize(struct ids *ids, const apus_blob *blob, const apus_part *parts, size_t parts_count) {
    size_t text_bytes = 0, capacity = 16;
    for (size_t i = 0; i < parts_count; i++) {
        if (parts[i].kind == APUS_TEXT) text_bytes += parts[i].count;
        capacity += parts[i].count + 1; /* a token is one byte of text at least; a second round corrects a prefix that adds more */
    }
    size_t scratch_bytes = apus_tokenize_scratch(blob, text_bytes);
    void *scratch = malloc(scratch_bytes + 8);
    apus_status status = APUS_E_SPACE;
    memset(ids, 0, sizeof *ids);
    for (int round = 0; scratch && round < 2 && status == APUS_E_SPACE; round++) {
        int32_t *more = realloc(ids->ids, capacity * sizeof *ids->ids);
        if (!more) break;
        ids->ids = more;
        status = apus_tokenize(blob, parts, parts_count, ids->ids, capacity, &ids->count, scratch, scratch_bytes);
        if (status == APUS_E_SPACE) capacity = ids->count + 1;
    }
    free(scratch);
    if (status == APUS_OK) return EXIT_OK;
    free(ids->ids);
    memset(ids, 0, sizeof *ids);
    if (status == APUS_E_SPACE) return fail(EXIT_FAULT, "no memory left to tokenize %zu bytes.", text_bytes);
    return fail_status(status, "tokenizing");
}
