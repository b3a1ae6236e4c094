/* From a file name to a session: maps the file, allocates the memory, and prints a sentence for
 * every failure. */
#ifndef APPS_LOAD_H
#define APPS_LOAD_H

#include "apus/apus.h"
#include "apus/port.h"
#include "command.h"
#include "engine_list.h"

struct loaded {
    const char *path;
    apus_map map;
    apus_blob blob;
    apus_info info;
    apus_model *model;
    apus_session *session;
    void *model_memory, *arena;
    struct engines engines; /* on which the model was opened */
    struct loaded *draft;   /* the draft's model, without a session; NULL if settings->draft was not
                               given */
};

/* Each returns an exit status; on failure nothing is left open. load_model does what load_blob
 * does, and then opens the model. load_session opens the model, if it is not open, the draft and
 * the session of what load_blob or load_model has loaded. Only one model and its draft can be
 * loaded at a time. */
int load_blob(struct loaded *loaded, const char *path);
int load_model(struct loaded *loaded, const struct settings *settings);
int load_session(struct loaded *loaded, const struct settings *settings, uint32_t context);

/* Steps of load_session, for programs with several sessions: load_draft loads the draft, if there
 * is one; load_measure says how much memory a session with this config takes, and prints a sentence
 * if the two models do not fit together. */
int load_draft(struct loaded *loaded, const struct settings *settings);
int load_measure(const struct loaded *loaded, const apus_config *config, apus_memory *need);

/* Allocates memory of a measured size, which the caller frees. Returns NULL after a sentence that
 * names what it was for. */
void *load_allocate(const apus_memory *need, const char *what);

/* Closes what is open. */
void unload(struct loaded *loaded);

/* Chooses the context: --ctx, or if that was not given `need`, but no more than the model's
 * positions. Returns EXIT_USAGE after a sentence if --ctx is more than the model has. */
int choose_context(const struct loaded *loaded, const struct settings *settings, uint64_t need,
                   uint32_t *context);

/* load_port: the host's port with a log that fail_status.h keeps. now_ns: nanoseconds of its
 * clock. */
const apus_port *load_port(void);
uint64_t now_ns(void);

#endif
