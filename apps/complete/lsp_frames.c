#include "lsp_frames.h"

#include <stdlib.h>
#include <string.h>

enum { READ_BYTES = 64 << 10 };

static void drop(struct frames *frames, size_t at, size_t bytes) {
    memmove(frames->bytes + at, frames->bytes + at + bytes, frames->count - at - bytes);
    frames->count -= bytes;
}

/* Gives out the bytes from `at` up to `end`. */
static char *give(struct frames *frames, size_t at, size_t end) {
    frames->given = end;
    frames->behind = frames->bytes[end];
    frames->bytes[end] = 0;
    return frames->bytes + at;
}

static void drop_given(struct frames *frames) {
    if (!frames->given) return;
    frames->bytes[frames->given] = frames->behind;
    drop(frames, 0, frames->given);
    frames->given = 0;
}

char *frames_space(struct frames *frames, size_t *room) {
    drop_given(frames);
    /* one more byte, for the zero after a body */
    if (frames->capacity < frames->count + READ_BYTES + 1) {
        size_t capacity = frames->count + frames->count / 2 + READ_BYTES + 1;
        char *grown = realloc(frames->bytes, capacity);
        if (!grown) return NULL;
        frames->bytes = grown;
        frames->capacity = capacity;
    }
    *room = frames->capacity - frames->count - 1;
    return frames->bytes + frames->count;
}

void frames_add(struct frames *frames, size_t bytes) { frames->count += bytes; }

static enum frame_kind broken(struct frames *frames, const char *why) {
    frames->wrong = why;
    return FRAME_BROKEN;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* Whether the line [bytes] is the header `name`, in upper or lower case. *value: what follows its
 * colon and blanks. */
static int is_header(const char *line, size_t bytes, const char *name, const char **value) {
    size_t n = strlen(name), at = n + 1;
    if (bytes <= n || line[n] != ':') return 0;
    for (size_t i = 0; i < n; i++)
        if (lower(line[i]) != name[i]) return 0;
    while (at < bytes && (line[at] == ' ' || line[at] == '\t')) at++;
    *value = line + at;
    return 1;
}

/* Whether the line [bytes] begins with a header's name: letters and dashes up to a colon. */
static int has_name(const char *line, size_t bytes) {
    size_t n = 0;
    while (n < bytes && ((lower(line[n]) >= 'a' && lower(line[n]) <= 'z') || line[n] == '-')) n++;
    return n && n < bytes && line[n] == ':';
}

/* The number in [value, end), which must be at most 18 digits and nothing else; -1 if it is not. */
static int64_t length_of(const char *value, const char *end) {
    int64_t n = 0;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
    if (value == end || end - value > 18) return -1;
    for (; value < end; value++) {
        if (*value < '0' || *value > '9') return -1;
        n = n * 10 + (*value - '0');
    }
    return n;
}

/* Reads the headers at the beginning. *header: how many bytes they have, with the empty line; 0 if
 * that has not come. *length: the bytes of the body. */
static enum frame_kind read_header(struct frames *frames, size_t *header, int64_t *length) {
    size_t at = 0, limit = frames->count < FRAME_HEADER_MAX ? frames->count : FRAME_HEADER_MAX;
    *header = 0;
    *length = -1;
    for (;;) {
        const char *line = frames->bytes + at, *value, *end = memchr(line, '\n', limit - at);
        if (!end)
            return limit < FRAME_HEADER_MAX
                       ? FRAME_MORE
                       : broken(frames, "the headers of a message are longer than 4096 bytes");
        if (end == line || end[-1] != '\r')
            return broken(frames, "a header of a message does not end with \\r\\n");
        size_t bytes = (size_t)(end - 1 - line);
        at += bytes + 2;
        if (!bytes) break;
        if (!has_name(line, bytes)) return broken(frames, "a header of a message has no name");
        if (!is_header(line, bytes, "content-length", &value)) continue;
        int64_t said = length_of(value, line + bytes);
        if (said < 0 || (*length >= 0 && said != *length))
            return broken(frames, "the Content-Length of a message is not one number");
        *length = said;
    }
    if (*length < 0) return broken(frames, "a message has no Content-Length");
    *header = at;
    return FRAME_BODY;
}

/* Drops what has come of a body that is too large, except its beginning. */
static enum frame_kind skip(struct frames *frames, char **body, size_t *bytes) {
    size_t behind = frames->count > FRAME_SKIPPED_FRONT ? frames->count - FRAME_SKIPPED_FRONT : 0;
    size_t now = behind < frames->to_skip ? behind : (size_t)frames->to_skip;
    if (now) drop(frames, FRAME_SKIPPED_FRONT, now);
    frames->to_skip -= now;
    if (frames->to_skip) return FRAME_MORE;
    *body = give(frames, 0, FRAME_SKIPPED_FRONT);
    *bytes = FRAME_SKIPPED_FRONT;
    return FRAME_SKIPPED;
}

enum frame_kind frames_next(struct frames *frames, char **body, size_t *bytes) {
    size_t header;
    int64_t length;
    if (frames->wrong) return FRAME_BROKEN;
    if (!frames->count) return FRAME_MORE;
    drop_given(frames);
    if (frames->to_skip) return skip(frames, body, bytes);
    enum frame_kind kind = read_header(frames, &header, &length);
    if (kind != FRAME_BODY) return kind;
    if (length > FRAME_BODY_MAX) {
        drop(frames, 0, header);
        frames->to_skip = (uint64_t)length - FRAME_SKIPPED_FRONT;
        return skip(frames, body, bytes);
    }
    if (frames->count - header < (size_t)length) return FRAME_MORE;
    *body = give(frames, header, header + (size_t)length);
    *bytes = (size_t)length;
    return FRAME_BODY;
}

/* How many bytes the UTF-8 character at text [bytes] has; 0: it is not UTF-8. */
static size_t utf8_bytes(const uint8_t *text, size_t bytes) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = text[0];
    size_t n = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (n < 2) return n;
    if (lead > 0xf4 || n > bytes) return 0;
    uint32_t code = lead & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    return code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : n;
}

/* The UTF-16 unit of an escape "\\uXXXX" at text [bytes]; -1: there is no such escape. */
static long escaped_unit(const char *text, size_t bytes) {
    long unit = 0;
    if (bytes < 6 || text[0] != '\\' || text[1] != 'u') return -1;
    for (size_t i = 2; i < 6; i++) {
        char c = lower(text[i]);
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return -1;
        unit = unit * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return unit;
}

/* Repairs the escape at text [bytes], which begins with a backslash, and returns its length. */
static size_t repair_escape(char *text, size_t bytes) {
    long unit = escaped_unit(text, bytes);
    if (unit < 0) return bytes < 2 || (uint8_t)text[1] >= 0x80 ? 1 : 2;
    if (unit < 0xd800 || unit >= 0xe000) return 6;
    long low = unit < 0xdc00 ? escaped_unit(text + 6, bytes - 6) : -1;
    if (low >= 0xdc00 && low < 0xe000) return 12;
    memcpy(text + 2, "fffd", 4);
    return 6;
}

void frame_repair(char *body, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
        if (body[at] == '\\') {
            at += repair_escape(body + at, bytes - at);
            continue;
        }
        size_t n = utf8_bytes((const uint8_t *)body + at, bytes - at);
        if (!n) body[at] = '?';
        at += n ? n : 1;
    }
}

void frames_free(struct frames *frames) { free(frames->bytes); }
