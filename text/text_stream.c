#include "text/text_stream.h"

#include <assert.h>
#include <string.h>

#include "text/tokenizer.h"
#include "text/utf8.h"

size_t text_stream_bytes(const struct vocab *vocab) {
    size_t longest = 1;
    for (uint32_t id = 0; id < vocab->header->rows; id++)
        if (vocab_length(vocab, id) > longest) longest = vocab_length(vocab, id);
    return TEXT_STREAM_IDS * longest + STOP_BYTES_MAX + UTF8_MAX;
}

void text_stream_open(struct text_stream *out, const struct vocab *vocab, void *memory,
                      size_t bytes) {
    *out = (struct text_stream){.vocab = vocab, .text = memory, .capacity = bytes};
}

void text_stream_begin(struct text_stream *out, const apus_stop *stops, uint32_t count,
                       size_t skip) {
    assert(count <= APUS_STOPS_MAX);
    out->given = out->ready = out->count = 0;
    out->total = 0;
    out->skip = skip;
    out->stopped = false;
    out->stops = count;
    for (uint32_t i = 0; i < count; i++) {
        assert(stops[i].bytes >= 1 && stops[i].bytes <= STOP_BYTES_MAX);
        out->stop[i].bytes = (uint8_t)stops[i].bytes;
        memcpy(out->stop[i].text, stops[i].text, stops[i].bytes);
    }
}

/* Length of the longest stop text that ends at `end`, or 0. */
static size_t stop_ending_at(const struct text_stream *out, size_t end) {
    size_t longest = 0;
    for (uint32_t i = 0; i < out->stops; i++) {
        size_t n = out->stop[i].bytes;
        if (n > longest && n <= end && memcmp(out->text + end - n, out->stop[i].text, n) == 0)
            longest = n;
    }
    return longest;
}

/* Length of the longest end of the text that is the beginning of a stop text. No stop text is
 * complete there. */
static size_t stop_begun(const struct text_stream *out) {
    size_t longest = 0;
    for (uint32_t i = 0; i < out->stops; i++) {
        size_t n = out->stop[i].bytes - 1u < out->count ? out->stop[i].bytes - 1u : out->count;
        while (n > longest && memcmp(out->text + out->count - n, out->stop[i].text, n) != 0) n--;
        if (n > longest) longest = n;
    }
    return longest;
}

/* Bytes that were handed out are removed. A match cannot begin in them, or they would have been
 * held back. */
static void forget_given(struct text_stream *out) {
    memmove(out->text, out->text + out->given, out->count - out->given);
    out->ready -= out->given;
    out->count -= out->given;
    out->given = 0;
}

bool text_stream_add_bytes(struct text_stream *out, const uint8_t *bytes, size_t n) {
    if (out->stopped) return true;
    forget_given(out);
    size_t skipped = n < out->skip ? n : out->skip;
    out->skip -= skipped, bytes += skipped, n -= skipped;
    if (n > out->capacity - out->count)
        n = out->capacity - out->count; /* no piece is so long, unless the file has changed */
    out->total += n;
    if (n) memcpy(out->text + out->count, bytes, n);
    for (size_t end = out->count + 1; end <= out->count + n; end++) {
        size_t stop = stop_ending_at(out, end);
        if (stop == 0) continue;
        assert(end - stop >= out->ready);
        out->ready = out->count = end - stop;
        out->stopped = true;
        return true;
    }
    out->count += n;
    out->ready = out->count - stop_begun(out);
    out->ready -= utf8_unfinished(out->text, out->ready);
    return false;
}

bool text_stream_add(struct text_stream *out, int32_t id) {
    const uint8_t *bytes;
    size_t n = tokenizer_piece(out->vocab, (uint32_t)id, 0, &bytes);
    return text_stream_add_bytes(out, bytes, n);
}

void text_stream_end(struct text_stream *out) { out->ready = out->count; }

void text_stream_take(struct text_stream *out, const char **text, size_t *bytes) {
    *text = (const char *)out->text + out->given;
    *bytes = out->ready - out->given;
    out->given = out->ready;
}
