#include "input.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit/escape.h"
#include "fail_status.h"

/* The most bytes of text. Tokenizing takes a multiple of them as scratch memory, and a longer text
 * is a mistake. */
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
            return fail(EXIT_FAULT, "'%s' is longer than %zu MiB, the most text taken at once.",
                        path, text_most >> 20);
        if (!got) break;
    }
    if (ferror(stream) && errno == EBADF && stream == stdin)
        return fail(EXIT_FAULT, "standard input is closed: give a file to -f, or a pipe.");
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

/* Whether standard input is a pipe, a file or a socket, and not a terminal. */
static int is_piped(void) {
    struct stat st;
    return fstat(STDIN_FILENO, &st) == 0 &&
           (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode));
}

/* Reads standard input when nobody asked for it with -f -. So nothing may ever come, and after
 * PATIENCE_MS without any input a note says what it waits for. */
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

static int is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

static const char *skip_space(const char *at, const char *end) {
    while (at < end && is_space(*at)) at++;
    return at;
}

static int bad_ids(const char *at, const char *end) {
    int shown = end - at < 20 ? (int)(end - at) : 20;
    return fail(EXIT_USAGE, "--ids expects whole numbers separated by commas, found '%.*s'.", shown,
                at);
}

/* A number is missing between two commas, before the first one or behind the last one. */
static int missing_id(size_t index) {
    return fail(EXIT_USAGE,
                "--ids expects whole numbers separated by commas, found a comma with no number "
                "%s it (number %zu).",
                index ? "behind" : "in front of", index + 1);
}

/* Reads one id from [*at, end): digits, and then white space, a comma or the end. */
static int parse_id(const char **at, const char *end, uint32_t vocab, int32_t *id) {
    const char *p = *at;
    uint64_t value = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        if (value <= UINT32_MAX) value = 10 * value + (uint64_t)(*p - '0');
    if (p == *at || (p < end && *p != ',' && !is_space(*p))) return bad_ids(*at, end);
    if (value >= vocab)
        return fail(EXIT_USAGE, "--ids: %.*s is not a token of this model, whose ids are 0 to %u.",
                    (int)(p - *at < 20 ? p - *at : 20), *at, vocab - 1);
    *id = (int32_t)value;
    *at = p;
    return EXIT_OK;
}

/* Reads numbers with commas or white space between them, as programs and people write them. */
static int parse_ids(struct ids *ids, const char *at, const char *end, uint32_t vocab) {
    /* an id and its separator take at least two characters */
    ids->ids = malloc(((size_t)(end - at) / 2 + 1) * sizeof *ids->ids);
    if (!ids->ids) return fail(EXIT_FAULT, "no memory left for the list of ids.");
    at = skip_space(at, end);
    if (at == end)
        return fail(EXIT_USAGE, "--ids expects whole numbers separated by commas, found nothing.");
    while (at < end) {
        if (*at == ',') return missing_id(ids->count);
        int status = parse_id(&at, end, vocab, &ids->ids[ids->count]);
        if (status) return status;
        ids->count++;
        at = skip_space(at, end);
        if (at == end || *at != ',') continue;
        at = skip_space(at + 1, end);
        if (at == end || *at == ',') return missing_id(ids->count);
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

/* Whether a byte alone gives no token: a byte-level tokenizer that lacks it drops it silently. */
static int is_dropped(const apus_blob *blob, unsigned char byte, void *scratch, size_t bytes) {
    const apus_part part = {APUS_PART_TEXT, 0, &byte, 1};
    int32_t ids[8];
    size_t count = 0;
    return apus_tokenize(blob, &part, 1, ids, 8, &count, scratch, bytes) == APUS_OK && count == 0;
}

/* How many bytes of the texts no token can spell. Bytes count by themselves, even if they are part
 * of a word that is a token. */
static size_t count_dropped(const apus_blob *blob, const apus_part *parts, size_t parts_count) {
    size_t times[256] = {0}, dropped = 0;
    for (size_t i = 0; i < parts_count; i++)
        for (size_t k = 0; parts[i].kind == APUS_PART_TEXT && k < parts[i].count; k++)
            times[((const unsigned char *)parts[i].data)[k]]++;
    size_t bytes = apus_tokenize_scratch(blob, 1);
    void *scratch = malloc(bytes + 8);
    for (int byte = 0; scratch && byte < 256; byte++)
        if (times[byte] && is_dropped(blob, (unsigned char)byte, scratch, bytes))
            dropped += times[byte];
    free(scratch);
    return dropped;
}

static void tell_dropped(const struct ids *ids) {
    if (ids->dropped)
        fail_note("%zu bytes of the text are left out: no token of this model has them.",
                  ids->dropped);
}

int input_tokenize(struct ids *ids, const apus_blob *blob, const apus_part *parts,
                   size_t parts_count) {
    size_t text_bytes = 0, capacity = 16;
    for (size_t i = 0; i < parts_count; i++) {
        if (parts[i].kind == APUS_PART_TEXT) text_bytes += parts[i].count;
        capacity += parts[i].count + 1; /* a token stands for at least one byte of text; if a prefix
                                           adds more, a second round corrects the capacity */
    }
    size_t scratch_bytes = apus_tokenize_scratch(blob, text_bytes);
    void *scratch = malloc(scratch_bytes + 8);
    apus_status status = APUS_E_SPACE;
    memset(ids, 0, sizeof *ids);
    for (int round = 0; scratch && round < 2 && status == APUS_E_SPACE; round++) {
        int32_t *more = realloc(ids->ids, capacity * sizeof *ids->ids);
        if (!more) break;
        ids->ids = more;
        status = apus_tokenize(blob, parts, parts_count, ids->ids, capacity, &ids->count, scratch,
                               scratch_bytes);
        if (status == APUS_E_SPACE) capacity = ids->count + 1;
    }
    free(scratch);
    if (status == APUS_OK) ids->dropped = count_dropped(blob, parts, parts_count);
    if (status == APUS_OK) tell_dropped(ids);
    if (status == APUS_OK) return EXIT_OK;
    free(ids->ids);
    memset(ids, 0, sizeof *ids);
    if (status == APUS_E_SPACE)
        return fail(EXIT_FAULT, "no memory left to tokenize %zu bytes.", text_bytes);
    return fail_status(status, "tokenizing");
}

int input_text_ids(struct ids *ids, const apus_blob *blob, const struct settings *settings,
                   bool bos, uint32_t flags, const char *hint) {
    struct text text;
    int status = input_text(&text, settings, "text", hint);
    if (status) return status;
    const apus_part parts[] = {{APUS_PART_BOS, 0, NULL, 0},
                               {APUS_PART_TEXT, flags, text.bytes, text.count}};
    status = input_tokenize(ids, blob, bos ? parts : parts + 1, bos ? 2 : 1);
    free(text.bytes);
    return status;
}
