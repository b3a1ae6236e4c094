#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline_cache_file.h"
#include "fail_status.h"
#include "kit/hints.h"
#include "kit/kind.h"

static apus_port port;

const apus_port *load_port(void) {
    port = *apus_port_host();
    port.log = fail_log;
    return &port;
}

uint64_t now_ns(void) { return apus_port_host()->now_ns(apus_port_host()->user); }

/* ------------------------------------------------------------------------- files that shrink -- */

enum { MAPS = 2 }; /* a model and its draft */
static const char *volatile mapped_begin[MAPS], *volatile mapped_end[MAPS];

/* The handler of SIGBUS: a page of a model's file could not be read, because somebody cut the file
 * short or its disk failed. It may only make async-signal-safe calls. */
static void on_bus_error(int number, siginfo_t *info, void *context) {
    (void)context;
    const char *at = info->si_addr;
    for (int i = 0; i < MAPS; i++) {
        if (at < mapped_begin[i] || at >= mapped_end[i]) continue;
        static const char text[] = "apus: the model's file was cut short, or could not be read, "
                                   "while it was in use. Restore it and start again.\n";
        ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
        (void)ignored;
        _exit(EXIT_FAULT);
    }
    signal(number, SIG_DFL); /* it was no model's page: the instruction runs again, and the process
                                ends as it would have */
}

static void watch_map(const apus_map *map) {
    int i = mapped_begin[0] ? 1 : 0;
    mapped_begin[i] = map->data;
    mapped_end[i] = mapped_begin[i] + map->size;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGBUS, &action, NULL);
}

/* -------------------------------------------------------------------------------------- blob -- */

/* Hints at the command line that makes a blob of the checkpoint, so that it can be copied. */
static void hint_pack(const char *path) {
    char from[512], to[512], copy[512], name[560];
    snprintf(copy, sizeof copy, "%s", path);
    size_t length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/') copy[--length] = 0;
    char *base = strrchr(copy, '/') ? strrchr(copy, '/') + 1 : copy, *dot = strrchr(base, '.');
    if (dot && !strcmp(dot, ".gguf")) *dot = 0;
    snprintf(name, sizeof name, "%s.apus",
             *base && strcmp(base, ".") != 0 && strcmp(base, "..") != 0 ? base : "model");
    fail_hint("Pack it first: apus-pack %s -o %s", shell_quote(from, sizeof from, path),
              shell_quote(to, sizeof to, name));
}

static int is_in(const char *directory, const char *name) {
    char path[4096];
    struct stat st;
    return snprintf(path, sizeof path, "%s/%s", directory, name) < (int)sizeof path &&
           stat(path, &st) == 0;
}

static int cannot_map(const char *path, int error) {
    struct stat st;
    int known = stat(path, &st) == 0;
    if (known && S_ISDIR(st.st_mode)) {
        if (is_in(path, "config.json"))
            hint_pack(path);
        else
            fail_hint("Name a file in it: a blob, or a GGUF file to pack.");
        return fail(EXIT_FAULT, "'%s' is a directory, not a blob.", path);
    }
    if (known && S_ISREG(st.st_mode) && st.st_size == 0)
        return fail(EXIT_FAULT, "'%s' is empty, not a blob.", path);
    if (known && !S_ISREG(st.st_mode))
        return fail(EXIT_FAULT, "'%s' is not a regular file; a blob is mapped and must be one.",
                    path);
    if (strchr(path, ' ') && !known) fail_hint("The model comes first, then the prompt.");
    return fail(EXIT_FAULT, "cannot open the model '%s': %s.", path, strerror(error));
}

/* Makes a sentence of what to do with such a file. */
static void hint_kind(const struct kind *kind) {
    if (!strncmp(kind->then, "give the directory", 18))
        fail_hint("Pack the directory that it lies in, with config.json and the tokenizer.");
    else
        fail_hint("%c%s%s.", kind->then[0] - 'a' + 'A', kind->then + 1,
                  strstr(kind->then, "GGUF") ? "; apus-pack makes a blob of it" : "");
}

static int not_a_blob(const struct loaded *loaded, apus_status status) {
    const char *path = loaded->path;
    if (loaded->map.size >= 4 && !memcmp(loaded->map.data, "GGUF", 4)) {
        hint_pack(path);
        return fail(EXIT_FAULT, "'%s' is a GGUF file, not a blob.", path);
    }
    size_t head = loaded->map.size < KIND_HEAD ? loaded->map.size : KIND_HEAD;
    const struct kind *kind = kind_of(loaded->map.data, head, path);
    if (kind && status != APUS_E_VERSION) {
        hint_kind(kind);
        return fail(EXIT_FAULT, "'%s' is %s, not a blob.", path, kind->what);
    }
    if (status == APUS_E_VERSION)
        return fail(EXIT_FAULT,
                    "'%s' is a blob of another version%s%s. Pack the model again with this "
                    "version's apus-pack.",
                    path, *fail_logged() ? ": " : "", fail_logged());
    if (*fail_logged())
        return fail(EXIT_FAULT, "'%s' is not a sound blob: %s.", path, fail_logged());
    return fail(EXIT_FAULT, "cannot use '%s': %s.", path, apus_status_text(status));
}

int load_blob(struct loaded *loaded, const char *path) {
    memset(loaded, 0, sizeof *loaded);
    if (!path) {
        fail_hint("It is a blob, a file that apus-pack makes of a checkpoint: apus-pack MODEL.gguf "
                  "-o MODEL.apus");
        return fail(EXIT_USAGE, "no model was given.");
    }
    loaded->path = path;
    int error = apus_map_open(&loaded->map, path);
    if (error) return cannot_map(path, error);
    watch_map(&loaded->map);
    apus_status status =
        apus_blob_open(&loaded->blob, loaded->map.data, loaded->map.size, load_port());
    loaded->info.size = sizeof loaded->info;
    if (status == APUS_OK) status = apus_blob_describe(&loaded->blob, &loaded->info);
    if (status == APUS_OK) return EXIT_OK;
    int exit_status = not_a_blob(loaded, status);
    unload(loaded);
    return exit_status;
}

/* ---------------------------------------------------------------------------- model, session -- */

/* Asks for huge pages, because the arena is read with large strides. */
void *load_allocate(const apus_memory *need, const char *what) {
    const uint64_t huge = (uint64_t)2 << 20;
    uint64_t alignment = need->bytes >= huge ? huge : 64;
    if (alignment < need->alignment) alignment = need->alignment;
    uint64_t bytes = (need->bytes + alignment - 1) / alignment * alignment;
    if (!bytes) bytes = alignment;
    void *memory =
        need->bytes > SIZE_MAX / 2 ? NULL : aligned_alloc((size_t)alignment, (size_t)bytes);
    if (!memory) {
        fail(EXIT_FAULT, "no memory left: %s takes %.1f MB. A smaller --ctx takes less.", what,
             (double)need->bytes * 1e-6);
        return NULL;
    }
    if (alignment >= huge) madvise(memory, (size_t)bytes, MADV_HUGEPAGE);
    return memory;
}

static int open_with(struct loaded *loaded, const struct settings *settings,
                     const struct pipeline_cache_file *cache) {
    apus_memory need = {.size = sizeof need};
    struct engines *engines = &loaded->engines;
    int failed = engines_read(engines, settings->engine, settings);
    if (failed) return failed;
    for (uint32_t i = 0; i < engines->count; i++)
        engines->engine[i].pipeline_cache = cache->data,
        engines->engine[i].pipeline_cache_bytes = cache->bytes;
    const apus_model_config config = {.size = sizeof config,
                                      .blob = &loaded->blob,
                                      .port = load_port(),
                                      .cpu = settings->cpu,
                                      .engines_count = engines->count,
                                      .engines = engines->engine};
    apus_status status = apus_model_measure(&config, &need);
    if (status != APUS_OK) return fail_status(status, "opening the model");
    loaded->model_memory = load_allocate(&need, "the model");
    if (!loaded->model_memory) return EXIT_FAULT;
    status = apus_model_open(&loaded->model, &config, loaded->model_memory, (size_t)need.bytes);
    if (status != APUS_OK) loaded->model = NULL;
    return status == APUS_OK ? EXIT_OK : fail_status(status, "opening the model");
}

static int open_model(struct loaded *loaded, const struct settings *settings) {
    struct pipeline_cache_file cache;
    pipeline_cache_load(&cache, settings->pipeline_cache);
    int status = open_with(loaded, settings, &cache);
    pipeline_cache_store(&cache, status ? NULL : loaded->model, loaded->engines.count);
    return status;
}

int load_model(struct loaded *loaded, const struct settings *settings) {
    int status = load_blob(loaded, settings->model);
    if (status) return status;
    status = open_model(loaded, settings);
    if (status) unload(loaded);
    return status;
}

int load_measure(const struct loaded *loaded, const apus_config *config, apus_memory *need) {
    if (config->draft_context && !loaded->draft)
        return fail(EXIT_USAGE, "--draft-ctx needs a draft (-d FILE).");
    if (config->draft_context && config->draft_context > loaded->draft->info.max_positions)
        return fail(EXIT_USAGE, "--draft-ctx %u is more than the %u positions of the draft.",
                    config->draft_context, loaded->draft->info.max_positions);
    apus_status status = apus_measure(config, need);
    if (status == APUS_E_MISMATCH && loaded->draft)
        return fail(EXIT_FAULT, "'%s' cannot draft for '%s': %s.", loaded->draft->path,
                    loaded->path, fail_logged());
    return status == APUS_OK ? EXIT_OK : fail_status(status, "opening the session");
}

static int open_session(struct loaded *loaded, const struct settings *settings, uint32_t context) {
    /* Prompts come as ids that are tokenized before, so the session needs no room for text. */
    const apus_config config = {.size = sizeof config,
                                .model = loaded->model,
                                .context = context,
                                .threads = (uint32_t)settings->threads,
                                .prompt_bytes = 64,
                                .draft = loaded->draft ? loaded->draft->model : NULL,
                                .draft_context = (uint32_t)settings->draft_context,
                                .proposals = (uint32_t)settings->proposals,
                                .lookup = settings->lookup,
                                .overlap = settings->overlap,
                                .kv_bits = settings->kv_bits,
                                .v_bits = settings->v_bits};
    apus_memory need = {.size = sizeof need};
    int failed = load_measure(loaded, &config, &need);
    if (failed) return failed;
    loaded->arena = load_allocate(&need, "the session");
    if (!loaded->arena) return EXIT_FAULT;
    apus_status status = apus_open(&loaded->session, &config, loaded->arena, (size_t)need.bytes);
    if (status != APUS_OK) loaded->session = NULL;
    return status == APUS_OK ? EXIT_OK : fail_status(status, "opening the session");
}

int load_draft(struct loaded *loaded, const struct settings *settings) {
    if (!settings->draft) return EXIT_OK;
    struct settings of_draft = *settings;
    of_draft.model = settings->draft;
    of_draft.engine = settings->draft_engine;
    loaded->draft = calloc(1, sizeof *loaded->draft);
    return loaded->draft ? load_model(loaded->draft, &of_draft)
                         : fail(EXIT_FAULT, "no memory left for the draft.");
}

int load_session(struct loaded *loaded, const struct settings *settings, uint32_t context) {
    int status = loaded->model ? EXIT_OK : open_model(loaded, settings);
    if (!status) status = load_draft(loaded, settings);
    if (!status) status = open_session(loaded, settings, context);
    if (status) unload(loaded);
    return status;
}

void unload(struct loaded *loaded) {
    if (loaded->session) apus_close(loaded->session);
    if (loaded->model) apus_model_close(loaded->model);
    engines_close(&loaded->engines);
    for (int i = 0; i < MAPS; i++)
        if (mapped_begin[i] == loaded->map.data) mapped_begin[i] = mapped_end[i] = NULL;
    apus_map_close(&loaded->map);
    if (loaded->draft) unload(loaded->draft);
    free(loaded->draft);
    free(loaded->arena);
    free(loaded->model_memory);
    memset(loaded, 0, sizeof *loaded);
}

int choose_context(const struct loaded *loaded, const struct settings *settings, uint64_t need,
                   uint32_t *context) {
    uint32_t most = loaded->info.max_positions;
    if (settings->context > most)
        return fail(EXIT_USAGE, "--ctx %" PRIu64 " is more than the %u positions of this model.",
                    settings->context, most);
    uint64_t chosen = settings->context;
    if (!chosen)
        chosen = need; /* no more: every page of a cache that is touched is cleared first,
                                   a second's work for some */
    *context = chosen < most ? (uint32_t)chosen : most;
    return EXIT_OK;
}
