/* The settings of the model, and what it has counted. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/npu/sim/sim_parts.h"

struct sim_state sim = {
    .config = {.generation = NPU_XDNA2}, .fail_first = UINT64_MAX, .sync_dropped = UINT64_MAX};

const struct uapi_firmware sim_firmware_version = {1, 5, 5, 391};

int sim_complain(const char *format, ...) {
    va_list list;
    va_start(list, format);
    if (!sim.complaint[0]) vsnprintf(sim.complaint, sizeof sim.complaint, format, list);
    va_end(list);
    return -1;
}

void sim_noise(uint8_t *to, uint64_t bytes, uint32_t seed) {
    uint64_t x = 0x9e3779b97f4a7c15ull * (seed + 1), i = 0;
    for (; i + 8 <= bytes; i += 8) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(to + i, &x, 8);
    }
    memcpy(to + i, &x, bytes - i);
}

static int number(const char *text, uint64_t *n) {
    char *end;
    *n = strtoull(text, &end, 10);
    return end != text && (!*end || *end == ':');
}

static int one_setting(const char *word) {
    static const char *const ends[SIM_ENDS] = {"right",  "refused", "error", "timeout",
                                               "silent", "abort",   "gone"};
    uint64_t n;
    if (!strcmp(word, "xdna1"))
        sim.config.generation = NPU_XDNA1;
    else if (!strcmp(word, "xdna2"))
        sim.config.generation = NPU_XDNA2;
    else if (!strcmp(word, "coherent"))
        sim.config.coherent = 1;
    else if (!strcmp(word, "shared"))
        sim.config.shared_addresses = 1;
    else if (!strcmp(word, "nowait"))
        sim.config.without_wait = 1;
    else if (!strcmp(word, "poses"))
        sim.config.poses = 1;
    else if (!strncmp(word, "lockable=", 9) && number(word + 9, &n))
        sim.config.lockable = n;
    else if (!strncmp(word, "open=", 5) && number(word + 5, &n))
        sim.config.open_error = (int)n;
    else if (!strncmp(word, "context=", 8) && number(word + 8, &n))
        sim.config.context_error = (int)n;
    else if (!strncmp(word, "drop=", 5) && number(word + 5, &n))
        sim.sync_dropped = n;
    else if (!strncmp(word, "report=", 7))
        snprintf(sim.config.report, sizeof sim.config.report, "%s", word + 7);
    else if (!strncmp(word, "fail=", 5) && number(word + 5, &n) && strchr(word, ':')) {
        for (int e = 0; e < SIM_ENDS; e++)
            if (!strcmp(strchr(word, ':') + 1, ends[e])) {
                sim.fail_first = n, sim.fail_times = 1, sim.fail_end = (enum sim_end)e;
                return 1;
            }
        return 0;
    } else
        return 0;
    return 1;
}

int sim_settings(const char *text) {
    char word[256];
    while (*text) {
        size_t n = strcspn(text, ",");
        if (n >= sizeof word) return 0;
        memcpy(word, text, n);
        word[n] = 0;
        if (n && !one_setting(word)) return 0;
        text += n + (text[n] == ',');
    }
    return 1;
}

void sim_report(void) {
    FILE *f = sim.config.report[0] ? fopen(sim.config.report, "w") : NULL;
    const struct sim_figures *g = &sim.figures;
    if (!f) return;
    fprintf(f, "submissions %llu\ncommands %llu\nbuffers %llu\nsyncs %llu\n",
            (unsigned long long)g->submissions, (unsigned long long)g->commands,
            (unsigned long long)g->buffers, (unsigned long long)g->requests[UAPI_SYNC_BUFFER]);
    fprintf(f, "unknown %llu\n", (unsigned long long)g->unknown);
    fprintf(f, "requests %llu\ncomplaint %s\n", (unsigned long long)g->all_requests, sim.complaint);
    fclose(f);
}
