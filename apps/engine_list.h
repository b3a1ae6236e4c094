/* Turns --engine and --device into what the library takes: a list of engines, each with its layers,
 * device, options and overlay. */
#ifndef APPS_ENGINE_LIST_H
#define APPS_ENGINE_LIST_H

#include "apus/apus.h"
#include "command.h"

struct engines {
    apus_engine_config engine[APUS_ENGINES_MAX];
    uint32_t count;
    char text[1024]; /* holds the strings of the list */
    size_t used;
    apus_map overlay[APUS_ENGINES_MAX];
};

/* Checks that this build has every engine of the list `names` ("NAME", or "NAME:LAYERS,NAME") and
 * that it can run here. Returns an exit status. */
int engines_check(const char *names);

/* Makes the list, with the devices that --device names for the engines. Returns an exit status; if
 * it is not EXIT_OK a sentence was printed. Overlays are mapped, so call engines_close only after
 * the model is closed. */
int engines_read(struct engines *engines, const char *names, const struct settings *settings);
void engines_close(struct engines *engines);

/* The length in bytes of the engine's name in a device such as "igpu=0"; 0: the device is for all
 * engines. */
size_t engines_prefix(const char *device);

#endif
