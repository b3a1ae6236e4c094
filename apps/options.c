#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apus/port.h"
#include "engine_list.h"
#include "kit/fail.h"
#include "hints.h"

#define AT(member) offsetof(struct settings, member)

static const char SETS[] = "ref avx2 avxvnni avx512";

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
     "strongest instruction set to use: ref, avx2, avxvnni or avx512 (default: the best here)",
     NULL},
    {NULL, "--engine", OPTION_STRING, AT(engine), 0, 0, "NAME",
     "engine to compute on: cpu (default), igpu, a GPU through Vulkan, or npu, a Ryzen AI NPU; "
     "igpu:20,cpu has the first 20 layers on one "
     "and the rest on the other",
     "cpu (default), igpu or npu"},
    {NULL, "--device", OPTION_DEVICE, AT(devices), 0, 0, "DEVICE",
     "device of that engine, as apus probe lists them: its number from 0, or part of its name "
     "(default: the best); \",-dot\", "
     "\",-import\", \",-wave64\" and \",-matrix\" behind it switch features off; for npu: "
     "overlay=FILE, of which none for hardware exists yet, "
     "\",npu=N\" of several, \",all\" for small matrices too, and \",provider=xrt\" to go through "
     "AMD's runtime; where several engines compute, igpu=DEVICE is for that one, and the option "
     "can "
     "be given for each",
     NULL},
    {NULL, "--compiled", OPTION_STRING, AT(compiled), 0, 0, "FILE",
     "keep what the device's driver compiles in this file, so that the next start takes less time; "
     "it is believed like a program",
     NULL},
    {"-h", "--help", OPTION_FLAG, AT(want_help), 0, 0, NULL, "explain the command", NULL},
};
const size_t global_options_count = COUNT_OF(global_options);

void settings_defaults(struct settings *settings) {
    memset(settings, 0, sizeof *settings);
    settings->tokens = 256;
    settings->engine = settings->draft_engine = "cpu";
    settings->seconds = 30;
}

static const struct option *find_in(const struct option *options, size_t count, const char *text,
                                    size_t length) {
    for (size_t i = 0; i < count; i++) {
        const struct option *o = &options[i];
        if (strlen(o->name) == length && !memcmp(o->name, text, length)) return o;
        if (o->letter && strlen(o->letter) == length && !memcmp(o->letter, text, length)) return o;
    }
    return NULL;
}

/* As it can be typed: "-n (--tokens)". */
static const char *named(const struct option *o) {
    static char text[64];
    if (!o->letter) return o->name;
    snprintf(text, sizeof text, "%s (%s)", o->letter, o->name);
    return text;
}

static int store_count(const struct option *o, uint64_t *to, const char *value) {
    char *end = NULL;
    errno = 0;
    if (o->low < 0 && !strcmp(value, "-1")) {
        *to = 0;
        return EXIT_OK;
    }
    unsigned long long n = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno)
        return fail(EXIT_USAGE, "%s expects a whole number, found '%s'.", named(o), value);
    if ((double)n < o->low || (o->high > 0 && (double)n > o->high))
        return fail(EXIT_USAGE, "%s expects a number from %.0f to %.0f, found %s.", named(o),
                    o->low, o->high, value);
    *to = n;
    return EXIT_OK;
}

static int store_real(const struct option *o, double *to, const char *value) {
    char *end = NULL;
    double x = strtod(value, &end);
    if (end == value || *end || !isfinite(x))
        return fail(EXIT_USAGE, "%s expects a number, found '%s'.", named(o), value);
    if (x < o->low || x > o->high)
        return fail(EXIT_USAGE, "%s expects a number from %g to %g, found %s.", named(o), o->low,
                    o->high, value);
    *to = x;
    return EXIT_OK;
}

static int store_seed(const struct option *o, struct settings *settings, const char *value) {
    settings->random_seed = !strcmp(value, "-1");
    return settings->random_seed ? EXIT_OK : store_count(o, &settings->seed, value);
}

/* Whether two values of --device are for the same engine, or both for all. */
static int same_engine(const char *a, const char *b) {
    const size_t bytes = engines_prefix(a);
    return bytes == engines_prefix(b) && !memcmp(a, b, bytes);
}

/* A value twice is a slip of somebody's, unless it is the same, or the option takes several. */
static int note_given(const struct option *o, struct settings *settings, const char *value) {
    if (o->kind == OPTION_FLAG || o->kind == OPTION_STOP) return EXIT_OK;
    for (size_t i = 0; i < settings->given_count; i++) {
        const struct given *before = &settings->given[i];
        if (before->option->offset != o->offset) continue;
        if (o->kind == OPTION_DEVICE && !same_engine(before->value, value)) continue;
        if (!strcmp(before->value, value)) return EXIT_OK;
        return fail(EXIT_USAGE, "%s was given twice, as '%s' and as '%s': give it once.", named(o),
                    before->value, value);
    }
    if (settings->given_count < GIVEN_MAX)
        settings->given[settings->given_count++] = (struct given){o, value};
    return EXIT_OK;
}

static int store(const struct option *o, struct settings *settings, const char *value) {
    void *to = (char *)settings + o->offset;
    switch (o->kind) {
    case OPTION_FLAG:
        *(int *)to = 1;
        return EXIT_OK;
    case OPTION_STRING:
        *(const char **)to = value;
        return EXIT_OK;
    case OPTION_COUNT:
        return store_count(o, to, value);
    case OPTION_SEED:
        return store_seed(o, settings, value);
    case OPTION_REAL:
        return store_real(o, to, value);
    case OPTION_DEVICE:
        if (settings->devices_count == DEVICES_MAX)
            return fail(EXIT_USAGE, "%s can be given %d times at most.", o->name, DEVICES_MAX);
        settings->devices[settings->devices_count++] = value;
        return EXIT_OK;
    case OPTION_STOP:
        break;
    }
    if (settings->stops_count == APUS_STOPS_MAX)
        return fail(EXIT_USAGE, "%s can be given %d times at most.", o->name, APUS_STOPS_MAX);
    if (!*value || strlen(value) > 63)
        return fail(EXIT_USAGE, "%s expects 1 to 63 bytes of text, found %zu.", o->name,
                    strlen(value));
    settings->stops[settings->stops_count++] = value;
    return EXIT_OK;
}

static const char **value_of(struct settings *settings, const struct operand *operand) {
    return (const char **)(void *)((char *)settings + operand->offset);
}

static const struct option *option_of(const struct command *command,
                                      const struct operand *operand) {
    for (size_t i = 0; i < command->options_count; i++)
        if (command->options[i].kind == OPTION_STRING &&
            command->options[i].offset == operand->offset)
            return &command->options[i];
    return NULL;
}

/* One too many: given twice, or a prompt that the shell has taken apart. */
static int unexpected(const struct command *command, struct settings *settings,
                      const char *const *given, size_t count) {
    const char *argument = given[count - 1];
    for (int i = 0; i < OPERANDS_MAX && command->operands[i].name; i++) {
        const struct option *o = option_of(command, &command->operands[i]);
        const char *value = *value_of(settings, &command->operands[i]);
        int by_option = value != NULL;
        for (size_t k = 0; k < count; k++) by_option &= value != given[k];
        if (o && by_option)
            return fail(EXIT_USAGE,
                        "unexpected argument '%s': the %s was given twice, here and with %s.",
                        argument, o->name + 2, named(o));
    }
    if (command->operands[1].name)
        fail_hint("Text of several words goes into quotes.");
    else
        fail_hint("See: apus help %s", command->name);
    return fail(EXIT_USAGE, "unexpected argument '%s'.", argument);
}

/* Arguments without a dash, in the order they came, to what no option has given. "-" for a text is
 * standard input. */
static int place(const struct command *command, struct settings *settings, const char *const *given,
                 size_t count) {
    size_t placed = 0;
    for (int i = 0; i < OPERANDS_MAX && command->operands[i].name && placed < count; i++) {
        const struct operand *operand = &command->operands[i];
        if (*value_of(settings, operand)) continue;
        int is_input = operand->offset == AT(text) && !strcmp(given[placed], "-");
        *(is_input ? &settings->file : value_of(settings, operand)) = given[placed++];
    }
    return placed == count ? EXIT_OK : unexpected(command, settings, given, count);
}

/* The option that an argument names, whose name is `length` long. */
static const struct option *find(const struct command *command, const char *arg, size_t length) {
    const struct option *o = find_in(global_options, global_options_count, arg, length);
    if (!o && command) o = find_in(command->options, command->options_count, arg, length);
    if (o) return o;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)length, arg);
    const char *here = length < sizeof name ? hint_synonym(name) : NULL;
    return here && command ? find_in(command->options, command->options_count, here, strlen(here))
                           : NULL;
}

int options_parse(const struct command *command, struct settings *settings, int argc, char **argv,
                  int first, int *next) {
    const char *operands[OPERANDS_MAX + 1];
    size_t operands_count = 0;
    int operands_only = 0, i = first;
    for (; i < argc; i++) {
        const char *arg = argv[i];
        if (!operands_only && !strcmp(arg, "--") && command) {
            operands_only = 1;
            continue;
        }
        if (operands_only || arg[0] != '-' || !arg[1]) {
            if (!command) break;
            operands[operands_count++] = arg;
            if (operands_count > OPERANDS_MAX)
                return unexpected(command, settings, operands, operands_count);
            continue;
        }
        const char *equals = arg[1] == '-' ? strchr(arg, '=') : NULL;
        size_t length = equals ? (size_t)(equals - arg) : strlen(arg);
        const struct option *o = find(command, arg, length);
        if (!o) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)length, arg);
            hint_option(command, name, argc, argv);
            return fail(EXIT_USAGE, "unknown option '%s'%s.", name,
                        command ? "" : " in front of a command");
        }
        const char *value = equals ? equals + 1 : NULL;
        if (o->kind == OPTION_FLAG && value)
            return fail(EXIT_USAGE, "%s takes no value, found '%s'.", o->name, value);
        if (o->kind != OPTION_FLAG && !value) {
            if (i + 1 == argc)
                return fail(EXIT_USAGE, "%.*s expects a value (%s) after it.", (int)length, arg,
                            o->value);
            value = argv[++i];
        }
        int status = note_given(o, settings, value);
        if (!status) status = store(o, settings, value ? value : "");
        if (status) return status;
    }
    if (next) *next = i;
    return command && !settings->want_help ? place(command, settings, operands, operands_count)
                                           : EXIT_OK;
}

int options_resolve(struct settings *settings) {
    if (!settings->threads) {
        uint32_t here = apus_port_processors();
        settings->threads = here < 64 ? here : 64;
    }
    int status = engines_check(settings->engine);
    if (!status) status = engines_check(settings->draft_engine);
    if (status) return status;
    if (!settings->cpu_name) return EXIT_OK;
    for (int cpu = APUS_CPU_REF; cpu <= APUS_CPU_AVX512; cpu++)
        if (!strcmp(settings->cpu_name, apus_cpu_name((apus_cpu)cpu)))
            settings->cpu = (apus_cpu)cpu;
    if (settings->cpu == APUS_CPU_BEST) hint_value(settings->cpu_name, SETS);
    if (settings->cpu == APUS_CPU_BEST)
        return fail(EXIT_USAGE, "--cpu expects ref, avx2, avxvnni or avx512, found '%s'.",
                    settings->cpu_name);
    if (!apus_cpu_has(settings->cpu))
        return fail(
            EXIT_UNAVAILABLE,
            "--cpu %s cannot run here: the strongest instruction set of this machine is %s.",
            settings->cpu_name, apus_cpu_name(apus_cpu_best()));
    return EXIT_OK;
}
