/* From a file name to a session: the file mapped, memory given, every failure a sentence. */
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
    struct engines engines; /* that the model was opened on */
    struct loaded *draft;   /* likewise, without a session; NULL where settings->draft was not
                             given */
};

/* Each does the ones before it and gives an exit status; on failure nothing is left open.
 * load_session loads the draft too. Only one model and its draft can be loaded at a time. */
int load_blob(struct loaded *loaded, const char *path);
int load_model(struct loaded *loaded, const struct settings *settings);
int load_session(struct loaded *loaded, const struct settings *settings, uint32_t context);

/* What load_session is made of, for programs with several sessions: the draft, if there is one, and
 * what a session of this config takes, with a sentence where the two do not fit. */
int load_draft(struct loaded *loaded, const struct settings *settings);
int load_measure(const struct loaded *loaded, const apus_config *config, apus_memory *need);

/* Memory of a measured size, to be freed; NULL after a sentence that names what it was for. */
void *load_allocate(const apus_memory *need, const char *what);

/* Closes what is open. */
void unload(struct loaded *loaded);

/* --ctx, or where it was not given `need`, as far as the model goes. EXIT_USAGE after a sentence
 * where --ctx is more than the model has. */
int choose_context(const struct loaded *loaded, const struct settings *settings, uint64_t need,
                   uint32_t *context);

/* The host's port with a log. */
const apus_port *load_port(void);
uint64_t now_ns(void);

#endif
