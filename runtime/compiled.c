#include "runtime/compiled.h"

#include <string.h>

#include "runtime/model.h"
#include "weights/hash.h"

struct header {
    char magic[8];
    uint64_t bytes, hash; /* of what follows */
    uint64_t reserved;
};

static const char magic[8] = {'a', 'p', 'u', 's', 'c', 'o', 'd', '1'};

const void *compiled_read(const void *data, size_t bytes, size_t *content) {
    struct header h;
    *content = 0;
    if (!data || bytes <= sizeof h) return NULL;
    memcpy(&h, data, sizeof h);
    const uint8_t *behind = (const uint8_t *)data + sizeof h;
    if (memcmp(h.magic, magic, sizeof magic) != 0 || h.reserved || h.bytes != bytes - sizeof h || hash64(behind, (size_t)h.bytes) != h.hash) return NULL;
    *content = (size_t)h.bytes;
    return behind;
}

APUS_API apus_status apus_model_compiled(const apus_model *m, void *data, size_t capacity, size_t *bytes) {
    struct header h = {{0}, 0, 0, 0};
    size_t content = 0;
    if (!m || !bytes) return APUS_E_ARGUMENT;
    int first = m->engine->model_compiled != NULL;
    const struct hal_engine *e = first ? m->engine : m->second;
    if (!e || !e->model_compiled) {
        *bytes = 0;
        return APUS_OK;
    }
    if (data && capacity < sizeof h) return APUS_E_SPACE;
    uint8_t *behind = data ? (uint8_t *)data + sizeof h : NULL;
    apus_status s = e->model_compiled(first ? m->memory : m->second_memory, behind, data ? capacity - sizeof h : 0, &content);
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
