/* From a path to a session in one call, for programs on a system with files and malloc. It is not
 * part of the library: everything here is compiled into the program that includes it. It is the
 * only header of Apus that allocates.
 *
 *     apus_easy easy;
 *     if (apus_easy_open(&easy, "model.apus", NULL, NULL)) ...     no draft, no options
 *     apus_prompt(easy.session, ...);                              everything of apus/apus.h
 *     apus_easy_close(&easy);
 *
 * The model's file must not be cut short while it is open (docs/memory.md). */
#ifndef APUS_EASY_H
#define APUS_EASY_H

#include <stdlib.h>
#include <string.h>

#include "apus/apus.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What belongs to one model; internal. */
typedef struct apus_easy_model {
    apus_map map;
    apus_blob blob;
    void *memory;
    apus_model *model; /* NULL: not open */
} apus_easy_model;

typedef struct apus_easy {
    apus_session *session; /* what apus.h works on; NULL: not open */
    apus_easy_model target, draft;
    void *arena;
} apus_easy;

/* Allocates *memory, which the caller frees, and returns an address inside it that has the
 * alignment and the bytes of *need. NULL: malloc has no memory. */
static inline void *apus_easy_room(const apus_memory *need, void **memory) {
    *memory = need->bytes > SIZE_MAX - need->alignment
                  ? NULL
                  : malloc((size_t)need->bytes + need->alignment);
    if (!*memory) return NULL;
    return (char *)*memory +
           (need->alignment - (uintptr_t)*memory % need->alignment) % need->alignment;
}

static inline void apus_easy_model_close(apus_easy_model *m) {
    if (m->model) apus_model_close(m->model);
    free(m->memory);
    if (m->map.data) apus_map_close(&m->map);
    memset(m, 0, sizeof *m);
}

static inline apus_status apus_easy_model_open(apus_easy_model *m, const char *path,
                                               const apus_port *port) {
    apus_model_config config;
    apus_memory need;
    apus_status status;
    memset(m, 0, sizeof *m);
    memset(&config, 0, sizeof config);
    memset(&need, 0, sizeof need);
    config.size = sizeof config;
    need.size = sizeof need;
    config.blob = &m->blob;
    config.port = port;
    if (apus_map_open(&m->map, path)) {
        memset(&m->map, 0, sizeof m->map);
        return APUS_E_FORMAT;
    }
    status = apus_blob_open(&m->blob, m->map.data, m->map.size, port);
    if (!status) status = apus_model_measure(&config, &need);
    if (!status) {
        void *room = apus_easy_room(&need, &m->memory);
        status =
            room ? apus_model_open(&m->model, &config, room, (size_t)need.bytes) : APUS_E_SPACE;
    }
    if (status) apus_easy_model_close(m);
    return status;
}

static inline void apus_easy_close(apus_easy *easy) {
    if (easy->session) apus_close(easy->session);
    free(easy->arena);
    apus_easy_model_close(&easy->draft);
    apus_easy_model_close(&easy->target);
    memset(easy, 0, sizeof *easy);
}

/* path: a blob; draft: the blob of a model that proposes, or NULL. options: NULL, or a config whose
 * model and draft are filled in here; threads 0 means all processors. Returns what apus_open may
 * return, and also APUS_E_FORMAT if a file cannot be mapped and APUS_E_SPACE if malloc has no
 * memory. On failure nothing is open, and *easy may be closed or not. */
static inline apus_status apus_easy_open(apus_easy *easy, const char *path, const char *draft,
                                         const apus_config *options) {
    const apus_port *port = apus_port_host();
    apus_config config;
    apus_memory need;
    apus_status status;
    memset(easy, 0, sizeof *easy);
    memset(&need, 0, sizeof need);
    need.size = sizeof need;
    memset(&config, 0, sizeof config);
    if (options) config = *options;
    config.size = sizeof config;
    if (!config.threads) config.threads = apus_port_processors();
    status = apus_easy_model_open(&easy->target, path, port);
    if (!status && draft) status = apus_easy_model_open(&easy->draft, draft, port);
    config.model = easy->target.model;
    config.draft = easy->draft.model;
    if (!status) status = apus_measure(&config, &need);
    if (!status) {
        void *room = apus_easy_room(&need, &easy->arena);
        status = room ? apus_open(&easy->session, &config, room, (size_t)need.bytes) : APUS_E_SPACE;
    }
    if (status) apus_easy_close(easy);
    return status;
}

#ifdef __cplusplus
}
#endif
#endif
