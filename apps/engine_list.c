#include "engine_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apus/port.h"
#include "kit/fail.h"
#include "kit/hints.h"

static const char ENGINES[] = "cpu igpu npu";

/* --------------------------------------------------------------------------------- the names -- */

/* What apus_probe says about one engine. */
struct engine_search {
    const char *name;
    int known, available;
    char why[320];
};

static void note_engine(void *user, const char *engine, int available, const char *text) {
    struct engine_search *search = user;
    if (strcmp(engine, search->name) != 0) return;
    search->known = 1;
    search->available |= available;
    if (!available) snprintf(search->why, sizeof search->why, "%s", text);
}

static int check_one(const char *name) {
    struct engine_search search = {.name = name};
    if (!strcmp(name, "cpu")) return EXIT_OK; /* it needs no driver, so none is loaded */
    apus_probe(apus_port_host(), note_engine, &search);
    if (!search.known) hint_value(name, ENGINES);
    if (!search.known)
        return fail(EXIT_UNAVAILABLE, "this build has no engine '%s'. See: apus probe.", name);
    return search.available
               ? EXIT_OK
               : fail(EXIT_UNAVAILABLE, "the engine '%s' cannot run here: %s.", name, search.why);
}

/* Takes the next "NAME" or "NAME:LAYERS" from the front of *names. Returns 0 if there is neither, 1
 * if it was the last, 2 if more follow. */
static int next_name(const char **names, char name[32], uint32_t *layers) {
    const char *at = *names;
    const size_t bytes = strcspn(at, ":,");
    *layers = 0;
    snprintf(name, 32, "%.*s", bytes < 31 ? (int)bytes : 31, at);
    at += bytes;
    if (*at == ':') {
        char *end;
        unsigned long n = strtoul(at + 1, &end, 10);
        if (at[1] < '0' || at[1] > '9' || !n) return 0;
        *layers = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
        at = end;
    }
    if (*at && *at != ',') return 0;
    const int more = *at == ',';
    if (more && !*layers) return 0; /* only the last engine takes all layers that are left */
    *names = at + more;
    return more ? 2 : 1;
}

static int not_a_list(const char *names) {
    return fail(EXIT_USAGE,
                "--engine expects NAME, or NAME:LAYERS,NAME for the first layers on one engine and "
                "the others on another (%d engines at most), found '%s'.",
                APUS_ENGINES_MAX, names);
}

int engines_check(const char *names) {
    const char *at = names;
    for (int i = 0, more = 2; more == 2; i++) {
        char name[32];
        uint32_t layers;
        more = i < APUS_ENGINES_MAX ? next_name(&at, name, &layers) : 0;
        if (!more) return not_a_list(names);
        int status = check_one(name);
        if (status) return status;
    }
    return EXIT_OK;
}

/* ------------------------------------------------------------------------------- the devices -- */

size_t engines_prefix(const char *device) {
    const size_t bytes = strcspn(device, "=,");
    if (device[bytes] != '=') return 0;
    const char *const names[] = {"cpu", "igpu", "npu"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strlen(names[i]) == bytes && !memcmp(device, names[i], bytes)) return bytes;
    return 0;
}

/* The --device of an engine: the one that names it, or else the one for all engines. NULL: there is
 * none. */
static const char *device_of(const struct settings *settings, const char *name) {
    const char *for_all = NULL;
    for (size_t i = 0; i < settings->devices_count; i++) {
        const char *device = settings->devices[i];
        const size_t bytes = engines_prefix(device);
        if (!bytes) for_all = device;
        if (bytes == strlen(name) && bytes && !memcmp(device, name, bytes))
            return device + bytes + 1;
    }
    return for_all;
}

/* Copies `bytes` bytes into a string that lives as long as the list; NULL if there is no room. */
static char *copy_text(struct engines *e, const char *text, size_t bytes) {
    if (bytes >= sizeof e->text - e->used) return NULL;
    char *to = e->text + e->used;
    memcpy(to, text, bytes);
    to[bytes] = 0;
    e->used += bytes + 1;
    return to;
}

static int too_long(const char *device) {
    return fail(EXIT_USAGE, "--device expects a shorter text, found '%s'.", device);
}

/* Reads "DEVICE" or "DEVICE,OPTION,...". */
static int read_device(struct engines *e, apus_engine_config *c, const char *device) {
    const size_t bytes = strcspn(device, ",");
    c->device = copy_text(e, device, bytes);
    if (device[bytes]) c->options = copy_text(e, device + bytes + 1, strlen(device + bytes + 1));
    return c->device && (c->options || !device[bytes]) ? EXIT_OK : too_long(device);
}

static int map_overlay(struct engines *e, uint32_t index, const char *path) {
    apus_map *map = &e->overlay[index];
    if (map->data) return fail(EXIT_USAGE, "--device names two overlays; an NPU has one.");
    int error = apus_map_open(map, path);
    if (error) {
        memset(map, 0, sizeof *map);
        return fail(EXIT_UNAVAILABLE, "the overlay '%s' cannot be read: %s.", path,
                    strerror(error));
    }
    e->engine[index].overlay = map->data, e->engine[index].overlay_bytes = map->size;
    return EXIT_OK;
}

/* Reads the device of an NPU: "overlay=FILE", "npu=N" or the number alone, and options, in any
 * order. */
static int read_npu(struct engines *e, uint32_t index, const char *device) {
    apus_engine_config *c = &e->engine[index];
    char options[256] = "";
    for (const char *at = device; *at;) {
        const size_t bytes = strcspn(at, ",");
        char part[300];
        if (bytes >= sizeof part || strlen(options) + bytes + 2 > sizeof options)
            return too_long(device);
        snprintf(part, sizeof part, "%.*s", (int)bytes, at);
        int status = EXIT_OK;
        if (!strncmp(part, "overlay=", 8))
            status = map_overlay(e, index, part + 8);
        else if (!strncmp(part, "npu=", 4) || (*part >= '0' && *part <= '9'))
            c->device = copy_text(e, strchr(part, '=') ? part + 4 : part, bytes);
        else
            strcat(strcat(options, *options ? "," : ""), part);
        if (status) return status;
        at += bytes + (at[bytes] == ',');
    }
    if (*options) c->options = copy_text(e, options, strlen(options));
    return EXIT_OK;
}

/* A device for an engine that computes no layers is a mistake of the user. */
static int check_prefixes(const struct settings *settings) {
    for (size_t i = 0; i < settings->devices_count; i++) {
        char name[40];
        const size_t bytes = engines_prefix(settings->devices[i]);
        if (!bytes) continue;
        int found = 0;
        for (int draft = 0; draft < 2; draft++) {
            const char *at = draft ? settings->draft_engine : settings->engine;
            uint32_t layers;
            for (int more = 2; more == 2;) {
                more = next_name(&at, name, &layers);
                found |= strlen(name) == bytes && !memcmp(name, settings->devices[i], bytes);
            }
        }
        if (!found)
            return fail(EXIT_USAGE, "--device %s is for an engine that --engine does not name.",
                        settings->devices[i]);
    }
    return EXIT_OK;
}

int engines_read(struct engines *e, const char *names, const struct settings *settings) {
    const char *at = names;
    memset(e, 0, sizeof *e);
    int status = check_prefixes(settings);
    for (int more = 2; !status && more == 2; e->count++) {
        char name[32];
        uint32_t layers;
        more = e->count < APUS_ENGINES_MAX ? next_name(&at, name, &layers) : 0;
        if (!more) return not_a_list(names);
        apus_engine_config *c = &e->engine[e->count];
        *c = (apus_engine_config){.size = sizeof *c, .layers = layers};
        c->name = copy_text(e, name, strlen(name));
        const char *device = strcmp(name, "cpu") ? device_of(settings, name) : NULL;
        if (device)
            status =
                strcmp(name, "npu") ? read_device(e, c, device) : read_npu(e, e->count, device);
    }
    if (status) engines_close(e);
    return status;
}

void engines_close(struct engines *e) {
    for (uint32_t i = 0; i < APUS_ENGINES_MAX; i++)
        if (e->overlay[i].data) apus_map_close(&e->overlay[i]);
    memset(e, 0, sizeof *e);
}
