#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct request *request_new(void) {
    struct request *request = calloc(1, sizeof *request);
    if (request) request->slot = -1;
    return request;
}

void request_free(struct request *request) {
    if (!request) return;
    free(request->texts);
    free(request->bytes);
    free(request);
}

/* Makes room for more bytes. 8 more are counted, because texts begin at a multiple of 8: ids are
 * read in place. */
static int reserve(struct request *request, size_t more) {
    size_t need = request->bytes_count + more + 8;
    if (more > REQUEST_BYTES_MAX || need > REQUEST_BYTES_MAX) return E2BIG;
    if (need <= request->bytes_capacity) return 0;
    size_t larger = request->bytes_capacity ? 2 * request->bytes_capacity : 4096;
    while (larger < need) larger *= 2;
    char *bytes = realloc(request->bytes, larger);
    if (!bytes) return ENOMEM;
    request->bytes = bytes;
    request->bytes_capacity = larger;
    for (uint32_t i = 0; i < request->stops_count; i++)
        request->stops[i].text = bytes + request->stop_at[i];
    return 0;
}

/* Copies bytes to the end of the others; *at gets their place. */
static int put(struct request *request, const void *data, size_t bytes, size_t *at) {
    int error = reserve(request, bytes);
    if (error) return error;
    request->bytes_count = (request->bytes_count + 7) / 8 * 8;
    *at = request->bytes_count;
    if (bytes) memcpy(request->bytes + *at, data, bytes);
    request->bytes_count += bytes;
    return 0;
}

static int add(struct request *request, const struct request_text *text, const void *data,
               size_t bytes) {
    if (request->texts_count == REQUEST_TEXTS_MAX) return E2BIG;
    if (request->texts_count == request->texts_capacity) {
        size_t larger = request->texts_capacity ? 2 * request->texts_capacity : 8;
        struct request_text *texts = realloc(request->texts, larger * sizeof *texts);
        if (!texts) return ENOMEM;
        request->texts = texts;
        request->texts_capacity = larger;
    }
    struct request_text *last = &request->texts[request->texts_count];
    *last = *text;
    int error = put(request, data, bytes, &last->at);
    if (!error) request->texts_count++;
    return error;
}

int request_add(struct request *request, enum request_role role, const void *data, size_t bytes) {
    const struct request_text text = {.role = role, .kind = APUS_PART_TEXT, .count = bytes};
    return add(request, &text, data, bytes);
}

int request_add_part(struct request *request, apus_part_kind kind, uint32_t flags, const void *data,
                     size_t count) {
    const struct request_text text = {
        .role = REQUEST_PART, .kind = kind, .flags = flags, .count = count};
    if (kind == APUS_PART_BOS) return add(request, &text, NULL, 0);
    if (count > REQUEST_BYTES_MAX) return E2BIG;
    return add(request, &text, data, kind == APUS_PART_IDS ? count * sizeof(int32_t) : count);
}

int request_stop(struct request *request, const char *text, size_t bytes) {
    uint32_t i = request->stops_count;
    if (!bytes || bytes > 63) return EINVAL;
    if (i == APUS_STOPS_MAX) return E2BIG;
    int error = put(request, text, bytes, &request->stop_at[i]);
    if (error) return error;
    request->stops[i] = (apus_stop){request->bytes + request->stop_at[i], bytes};
    request->stops_count++;
    return 0;
}

const void *request_data(const struct request *request, const struct request_text *text) {
    return request->bytes ? request->bytes + text->at : NULL;
}

size_t request_size(const struct request *request) {
    return sizeof *request + request->bytes_capacity +
           request->texts_capacity * sizeof *request->texts;
}
