/* The options that every command takes, and those whose values apus reads itself. */
#include <string.h>

#include "apus/port.h"
#include "command.h"
#include "engine_list.h"
#include "kit/exit.h"
#include "kit/fail.h"
#include "kit/hints.h"
#include "kit/options.h"

#define AT(member) offsetof(struct settings, member)

static const char SETS[] = "ref avx2 avxvnni avx512 neon";
static const char CACHES[] = "8 4 k8v4 k4v8";

const struct option global_options[] = {
    {NULL, "--json", OPTION_FLAG, AT(json), 0, 0, NULL,
     "print one JSON object on standard output and nothing else there; what goes to standard error "
     "is an object a line too",
     "one JSON object on standard output"},
    {"-q", "--quiet", OPTION_FLAG, AT(quiet), 0, 0, NULL,
     "say nothing on standard error but errors and warnings", NULL},
    {"-t", "--threads", OPTION_COUNT, AT(threads), 1, 64, "N",
     "most threads to compute with; fewer do where more do not pay (default: the processors "
     "that this process may use)",
     "threads (default: the processors there are)"},
    {NULL, "--cpu", OPTION_STRING, AT(cpu_name), 0, 0, "SET",
     "strongest instruction set to use: ref, avx2, avxvnni, avx512 or neon (default: the best "
     "here)",
     NULL},
    {NULL, "--engine", OPTION_STRING, AT(engine), 0, 0, "NAME",
     "engine to compute on: cpu (default), igpu, a GPU through Vulkan, or npu, a Ryzen AI NPU; "
     "igpu:20,cpu has the first 20 layers on one "
     "and the rest on the other",
     "cpu (default), igpu or npu"},
    {NULL, "--device", OPTION_SEVERAL, AT(devices), 0, 0, "DEVICE",
     "device of that engine, as apus probe lists them: its number from 0, or part of its name "
     "(default: the best); \",-dot\", "
     "\",-import\", \",-wave64\" and \",-matrix\" behind it switch features off; for npu: "
     "overlay=FILE, of which none for hardware exists yet, "
     "\",npu=N\" of several, \",all\" for small matrices too, and \",provider=xrt\" to go through "
     "AMD's runtime; where several engines compute, igpu=DEVICE is for that one, and the option "
     "can "
     "be given for each",
     NULL},
    {NULL, "--compiled", OPTION_STRING, AT(pipeline_cache), 0, 0, "FILE",
     "keep what the device's driver compiles in this file, so that the next start takes less time; "
     "it is believed like a program",
     NULL},
    {"-h", "--help", OPTION_FLAG, AT(want_help), 0, 0, NULL, "explain the command", NULL},
};
void settings_defaults(struct settings *settings) {
    memset(settings, 0, sizeof *settings);
    settings->tokens = 256;
    settings->engine = settings->draft_engine = "cpu";
    settings->seconds = 30;
    settings->port = 8012;
}

static int store_seed(const struct option *o, struct settings *settings, const char *value) {
    settings->random_seed = !strcmp(value, "-1");
    return settings->random_seed ? EXIT_OK : option_count(o, &settings->seed, value);
}

static int store_device(const struct option *o, struct settings *settings, const char *value) {
    if (settings->devices_count == DEVICES_MAX)
        return fail(EXIT_USAGE, "%s can be given %d times at most.", o->name, DEVICES_MAX);
    settings->devices[settings->devices_count++] = value;
    return EXIT_OK;
}

static int store_stop(const struct option *o, struct settings *settings, const char *value) {
    if (settings->stops_count == APUS_STOPS_MAX)
        return fail(EXIT_USAGE, "%s can be given %d times at most.", o->name, APUS_STOPS_MAX);
    if (!*value || strlen(value) > 63)
        return fail(EXIT_USAGE, "%s expects 1 to 63 bytes of text, found %zu.", o->name,
                    strlen(value));
    settings->stops[settings->stops_count++] = value;
    return EXIT_OK;
}

static int store_name(const struct option *o, const char **names, size_t *count,
                      const char *value) {
    if (*count == SERVE_NAMES_MAX)
        return fail(EXIT_USAGE, "%s can be given %d times at most.", o->name, SERVE_NAMES_MAX);
    names[(*count)++] = value;
    return EXIT_OK;
}

int settings_store(const struct option *o, struct settings *settings, const char *value) {
    if (o->offset == AT(origins))
        return store_name(o, settings->origins, &settings->origins_count, value);
    if (o->offset == AT(hosts))
        return store_name(o, settings->hosts, &settings->hosts_count, value);
    if (o->offset == AT(devices)) return store_device(o, settings, value);
    return o->offset == AT(stops) ? store_stop(o, settings, value) : store_seed(o, settings, value);
}

/* Each --device may be for another engine, and each --stop adds a text. */
int settings_apart(const struct option *o, const char *before, const char *value) {
    const size_t bytes = engines_prefix(before);
    if (o->offset != AT(devices)) return 1;
    return bytes != engines_prefix(value) || memcmp(before, value, bytes) != 0;
}

static int read_kv(struct settings *settings) {
    static const struct {
        const char *name;
        uint32_t kv_bits, v_bits;
    } known[] = {{"8", 8, 0}, {"4", 4, 0}, {"k8v4", 8, 4}, {"k4v8", 4, 8}};
    if (!settings->kv) return EXIT_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(settings->kv, known[i].name)) {
            settings->kv_bits = known[i].kv_bits, settings->v_bits = known[i].v_bits;
            return EXIT_OK;
        }
    hint_value(settings->kv, CACHES);
    return fail(EXIT_USAGE, "--kv expects 8, 4, k8v4 or k4v8, found '%s'.", settings->kv);
}

int settings_resolve(struct settings *settings) {
    if (!settings->threads) {
        uint32_t here = apus_port_processors();
        settings->threads = here < 64 ? here : 64;
    }
    int status = engines_check(settings->engine);
    if (!status) status = engines_check(settings->draft_engine);
    if (!status) status = read_kv(settings);
    if (status) return status;
    if (!settings->cpu_name) return EXIT_OK;
    for (int cpu = APUS_CPU_REF; cpu <= APUS_CPU_NEON; cpu++)
        if (!strcmp(settings->cpu_name, apus_cpu_name((apus_cpu)cpu)))
            settings->cpu = (apus_cpu)cpu;
    if (settings->cpu == APUS_CPU_BEST) hint_value(settings->cpu_name, SETS);
    if (settings->cpu == APUS_CPU_BEST)
        return fail(EXIT_USAGE, "--cpu expects ref, avx2, avxvnni, avx512 or neon, found '%s'.",
                    settings->cpu_name);
    if (!apus_cpu_has(settings->cpu))
        return fail(
            EXIT_UNAVAILABLE,
            "--cpu %s cannot run here: the strongest instruction set of this machine is %s.",
            settings->cpu_name, apus_cpu_name(apus_cpu_best()));
    return EXIT_OK;
}
