#include "runtime/pipeline_cache.h"

#include <assert.h>
#include <string.h>

#include "runtime/model.h"
#include "weights/hash.h"
#include "weights/refuse.h"

struct header {
    char magic[8];
    uint64_t bytes, hash; /* of what follows */
    uint64_t reserved;
};

static const char magic[8] = {'a', 'p', 'u', 's', 'c', 'o', 'd', '1'};

const void *pipeline_cache_read(const void *data, size_t bytes, size_t *content) {
    struct header h;
    assert((uintptr_t)data % 8 == 0 && content);
    *content = 0;
    if (!data || bytes <= sizeof h) return NULL;
    memcpy(&h, data, sizeof h);
    const uint8_t *behind = (const uint8_t *)data + sizeof h;
    if (memcmp(h.magic, magic, sizeof magic) != 0 || h.reserved || h.bytes != bytes - sizeof h ||
        hash64(behind, (size_t)h.bytes) != h.hash)
        return NULL;
    *content = (size_t)h.bytes;
    return behind;
}

static const char where[] = "apus_model_pipeline_cache";
static const char short_text[] = "capacity is #, less than with data NULL it says in *bytes";

APUS_API apus_status apus_model_pipeline_cache(const apus_model *m, uint32_t engine, void *data,
                                               size_t capacity, size_t *bytes) {
    struct header h = {{0}, 0, 0, 0};
    size_t content = 0;
    if (!m) return APUS_E_ARGUMENT;
    apus_status s = refuse_null(&m->port, where, "bytes", bytes);
    uint32_t at = 0, last = 0;
    for (uint32_t i = 0; m && i < m->parts; i++) {
        if (m->engine[i].asked == MODEL_OWN) continue;
        last = m->engine[i].asked;
        if (last == engine) at = i;
    }
    if (!s) s = refuse_outside(&m->port, where, "engine", engine, 0, last);
    if (s) return s;
    const struct model_engine *e = &m->engine[at];
    if (!e->engine->model_pipeline_cache) {
        *bytes = 0;
        return APUS_OK;
    }
    if (data && capacity < sizeof h)
        return refuse(&m->port, APUS_E_SPACE, where, short_text, CHECK_NUMBERS(capacity));
    uint8_t *behind = data ? (uint8_t *)data + sizeof h : NULL;
    s = e->engine->model_pipeline_cache(e->memory, behind, data ? capacity - sizeof h : 0,
                                        &content);
    if (s == APUS_E_SPACE) return refuse(&m->port, s, where, short_text, CHECK_NUMBERS(capacity));
    if (s) return s;
    if (data) {
        memcpy(h.magic, magic, sizeof magic);
        h.bytes = content;
        h.hash = hash64(behind, content);
        memcpy(data, &h, sizeof h);
    }
    *bytes = sizeof h + content;
    return APUS_OK;
}
