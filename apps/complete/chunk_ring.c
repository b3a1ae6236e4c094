#include "chunk_ring.h"

#include <stdlib.h>
#include <string.h>

#include "documents.h"

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int in_word(char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (uint8_t)c >= 0x80;
}

/* Fills words [CHUNK_WORDS_MAX] with the hashes (FNV-1a) of the words of text [bytes], sorted.
 * Returns how many there are. */
static size_t words_of(const char *text, size_t bytes, uint32_t *words) {
    size_t count = 0;
    for (size_t at = 0; at < bytes && count < CHUNK_WORDS_MAX; at++) {
        uint32_t hash = 2166136261u;
        if (!in_word(text[at])) continue;
        for (; at < bytes && in_word(text[at]); at++) hash = (hash ^ (uint8_t)text[at]) * 16777619u;
        words[count++] = hash;
    }
    if (count) qsort(words, count, sizeof *words, by_value);
    return count;
}

static double likeness(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count) {
    size_t common = 0;
    for (size_t i = 0, j = 0; j < b_count; j++) {
        while (i < a_count && a[i] < b[j]) i++;
        common += i < a_count && a[i] == b[j];
    }
    return a_count + b_count ? 2.0 * (double)common / (double)(a_count + b_count) : 1.0;
}

double text_likeness(const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
    uint32_t a_words[CHUNK_WORDS_MAX], b_words[CHUNK_WORDS_MAX];
    size_t a_count = words_of(a, a_bytes, a_words), b_count = words_of(b, b_bytes, b_words);
    return likeness(a_words, a_count, b_words, b_count);
}

static void drop(struct chunk *chunks, size_t *count, size_t at) {
    free(chunks[at].name);
    free(chunks[at].text);
    free(chunks[at].words);
    memmove(chunks + at, chunks + at + 1, (--*count - at) * sizeof *chunks);
}

static void drop_like(struct chunk *chunks, size_t *count, const uint32_t *words, size_t words_n,
                      double above) {
    for (size_t i = *count; i-- > 0;)
        if (likeness(chunks[i].words, chunks[i].count, words, words_n) > above)
            drop(chunks, count, i);
}

/* The lines of text [bytes] around `at`: they begin at *front and end at the place that is
 * returned. */
static size_t lines_around(const char *text, size_t bytes, size_t at, size_t *front) {
    *front = lines_back(text, at, CHUNK_LINES / 2);
    size_t end = lines_forward(text, bytes, *front, CHUNK_LINES);
    if (end == bytes) *front = lines_back(text, bytes, CHUNK_LINES);
    while (end - *front > CHUNK_BYTES_MAX) {
        size_t second = lines_forward(text, end, *front, 1);
        if (second == end)
            end = *front + CHUNK_BYTES_MAX;
        else if (second <= at)
            *front = second;
        else
            end = lines_back(text, end - 1, 0) > *front ? lines_back(text, end - 1, 0)
                                                        : *front + CHUNK_BYTES_MAX;
    }
    return end;
}

static int known(const struct chunk *chunks, size_t count, const char *text, size_t bytes) {
    for (size_t i = 0; i < count; i++)
        if (chunks[i].bytes == bytes && memcmp(chunks[i].text, text, bytes) == 0) return 1;
    return 0;
}

static size_t lines_in(const char *text, size_t bytes) {
    size_t lines = 0;
    for (size_t at = 0; at < bytes; lines++) at = lines_forward(text, bytes, at, 1);
    return lines;
}

static void *copy_of(const void *data, size_t bytes) {
    void *copy = malloc(bytes + 1);
    if (copy) memcpy(copy, data, bytes);
    return copy;
}

int ring_pick(struct chunk_ring *ring, const char *name, const char *text, size_t bytes,
              size_t at) {
    uint32_t words[CHUNK_WORDS_MAX];
    size_t front, end = lines_around(text, bytes, at, &front);
    text += front;
    bytes = end - front;
    if (lines_in(text, bytes) < CHUNK_LINES_MIN || known(ring->ring, ring->count, text, bytes) ||
        known(ring->waiting, ring->waiting_count, text, bytes))
        return 0;
    size_t count = words_of(text, bytes, words);
    struct chunk chunk = {.name = copy_of(name, strlen(name) + 1),
                          .text = copy_of(text, bytes),
                          .bytes = bytes,
                          .words = copy_of(words, count * sizeof *words),
                          .count = count};
    if (!chunk.name || !chunk.text || !chunk.words) {
        free(chunk.name);
        free(chunk.text);
        free(chunk.words);
        return 0;
    }
    drop_like(ring->waiting, &ring->waiting_count, words, count, LIKE_OTHER);
    drop_like(ring->ring, &ring->count, words, count, LIKE_OTHER);
    if (ring->waiting_count == RING_WAITING) drop(ring->waiting, &ring->waiting_count, 0);
    ring->waiting[ring->waiting_count++] = chunk;
    return 1;
}

int ring_move(struct chunk_ring *ring) {
    size_t most = ring->most && ring->most < RING_CHUNKS ? ring->most : RING_CHUNKS;
    if (!ring->waiting_count) return 0;
    while (ring->count >= most) drop(ring->ring, &ring->count, 0);
    ring->ring[ring->count++] = ring->waiting[0];
    memmove(ring->waiting, ring->waiting + 1, --ring->waiting_count * sizeof *ring->waiting);
    return 1;
}

void ring_avoid(struct chunk_ring *ring, const char *text, size_t bytes, size_t at) {
    uint32_t words[CHUNK_WORDS_MAX];
    size_t front, end = lines_around(text, bytes, at, &front);
    size_t count = words_of(text + front, end - front, words);
    drop_like(ring->ring, &ring->count, words, count, LIKE_CURSOR);
}

void ring_free(struct chunk_ring *ring) {
    while (ring->count) drop(ring->ring, &ring->count, ring->count - 1);
    while (ring->waiting_count) drop(ring->waiting, &ring->waiting_count, ring->waiting_count - 1);
}
