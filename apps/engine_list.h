/* --engine and --device as the library takes them: a list of engines, each with its layers, device,
 * options and overlay. */
#ifndef APPS_ENGINE_LIST_H
#define APPS_ENGINE_LIST_H

#include "apus/apus.h"
#include "command.h"

struct engines {
    apus_engine_config engine[APUS_ENGINES_MAX];
    uint32_t count;
    char text[1024]; /* the names and options */
    size_t used;
    apus_map overlay[APUS_ENGINES_MAX];
};

/* Whether every engine that `names` lists ("NAME", or "NAME:LAYERS,NAME") is of this build and can
 * run here; an exit status. */
int engines_check(const char *names);

/* The list, with the devices that are named for them; an exit status after a sentence. Overlays are
 * mapped: engines_close after the model is closed. */
int engines_read(struct engines *engines, const char *names, const struct settings *settings);
void engines_close(struct engines *engines);

/* How many bytes of "igpu=0" are the name of the engine that a device is for; 0: it is for all. */
size_t engines_prefix(const char *device);

#endif
