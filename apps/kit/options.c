#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit.h"
#include "fail.h"
#include "hints.h"

/* The options that were given, to notice one that is given again. */
enum { GIVEN_MAX = 64 }; /* more than there are options */
static struct given {
    const struct option *option;
    const char *value;
} given[GIVEN_MAX];
static size_t given_count;

static const struct option *find_in(const struct option *options, size_t count, const char *text,
                                    size_t length) {
    for (size_t i = 0; i < count; i++) {
        const struct option *o = &options[i];
        if (strlen(o->name) == length && !memcmp(o->name, text, length)) return o;
        if (o->letter && strlen(o->letter) == length && !memcmp(o->letter, text, length)) return o;
    }
    return NULL;
}

/* The option as it can be typed: "-n (--tokens)". */
const char *option_named(const struct option *o) {
    static char text[64];
    if (!o->letter) return o->name;
    snprintf(text, sizeof text, "%s (%s)", o->letter, o->name);
    return text;
}

int option_count(const struct option *o, uint64_t *to, const char *value) {
    char *end = NULL;
    errno = 0;
    if (o->low < 0 && !strcmp(value, "-1")) {
        *to = 0;
        return EXIT_OK;
    }
    unsigned long long n = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno)
        return fail(EXIT_USAGE, "%s expects a whole number, found '%s'.", option_named(o), value);
    if ((double)n < o->low || (o->high > 0 && (double)n > o->high))
        return fail(EXIT_USAGE, "%s expects a number from %.0f to %.0f, found %s.", option_named(o),
                    o->low, o->high, value);
    *to = n;
    return EXIT_OK;
}

static int store_real(const struct option *o, double *to, const char *value) {
    char *end = NULL;
    double x = strtod(value, &end);
    if (end == value || *end || !isfinite(x))
        return fail(EXIT_USAGE, "%s expects a number, found '%s'.", option_named(o), value);
    if (x < o->low || x > o->high)
        return fail(EXIT_USAGE, "%s expects a number from %g to %g, found %s.", option_named(o),
                    o->low, o->high, value);
    *to = x;
    return EXIT_OK;
}

/* An option that is given twice is a mistake, unless the value is the same or the option takes
 * several. */
static int note_given(const struct program *program, const struct option *o, const char *value) {
    if (o->kind == OPTION_FLAG) return EXIT_OK;
    for (size_t i = 0; i < given_count; i++) {
        const struct given *before = &given[i];
        if (before->option->offset != o->offset) continue;
        if (!strcmp(before->value, value)) return EXIT_OK;
        if (o->kind == OPTION_SEVERAL && program->apart(o, before->value, value)) continue;
        return fail(EXIT_USAGE, "%s was given twice, as '%s' and as '%s': give it once.",
                    option_named(o), before->value, value);
    }
    if (given_count < GIVEN_MAX) given[given_count++] = (struct given){o, value};
    return EXIT_OK;
}

static int store(const struct program *program, const struct option *o, struct settings *settings,
                 const char *value) {
    void *to = (char *)settings + o->offset;
    switch (o->kind) {
    case OPTION_FLAG:
        *(int *)to = 1;
        return EXIT_OK;
    case OPTION_STRING:
        *(const char **)to = value;
        return EXIT_OK;
    case OPTION_COUNT:
        return option_count(o, to, value);
    case OPTION_REAL:
        return store_real(o, to, value);
    case OPTION_OWN:
    case OPTION_SEVERAL:
        break;
    }
    return program->store(o, settings, value);
}

int options_flag(const struct settings *settings, size_t offset) {
    return *(const int *)(const void *)((const char *)settings + offset);
}

static const char **text_at(struct settings *settings, size_t offset) {
    return (const char **)(void *)((char *)settings + offset);
}

static const struct option *option_of(const struct command *command,
                                      const struct operand *operand) {
    for (size_t i = 0; i < command->options_count; i++)
        if (command->options[i].kind == OPTION_STRING &&
            command->options[i].offset == operand->offset)
            return &command->options[i];
    return NULL;
}

/* There is one argument too many: something was given twice, or the shell has split a prompt into
 * words. */
static int unexpected(const struct program *program, const struct command *command,
                      struct settings *settings, const char *const *words, size_t count) {
    const char *argument = words[count - 1];
    for (int i = 0; i < OPERANDS_MAX && command->operands[i].name; i++) {
        const struct option *o = option_of(command, &command->operands[i]);
        const char *value = *text_at(settings, command->operands[i].offset);
        int by_option = value != NULL;
        for (size_t k = 0; k < count; k++) by_option &= value != words[k];
        if (o && by_option)
            return fail(EXIT_USAGE,
                        "unexpected argument '%s': the %s was given twice, here and with %s.",
                        argument, o->name + 2, option_named(o));
    }
    if (command->surplus)
        fail_hint("%s", command->surplus);
    else
        fail_hint("See: %s", program_help(program, command));
    return fail(EXIT_USAGE, "unexpected argument '%s'.", argument);
}

/* Stores the arguments without a dash, in their order, in the operands that no option has set. "-"
 * in place of a text means standard input. */
static int place(const struct program *program, const struct command *command,
                 struct settings *settings, const char *const *words, size_t count) {
    size_t placed = 0;
    for (int i = 0; i < OPERANDS_MAX && command->operands[i].name && placed < count; i++) {
        const struct operand *operand = &command->operands[i];
        if (*text_at(settings, operand->offset)) continue;
        int is_input = operand->input && !strcmp(words[placed], "-");
        *text_at(settings, is_input ? operand->input : operand->offset) = words[placed++];
    }
    return placed == count ? EXIT_OK : unexpected(program, command, settings, words, count);
}

/* The option that an argument names, whose name is `length` long. */
static const struct option *find(const struct program *program, const struct command *command,
                                 const char *arg, size_t length) {
    const struct option *o = find_in(program->options, program->options_count, arg, length);
    if (!o && command) o = find_in(command->options, command->options_count, arg, length);
    if (o) return o;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)length, arg);
    const char *here = length < sizeof name ? hint_synonym(program, name) : NULL;
    return here && command ? find_in(command->options, command->options_count, here, strlen(here))
                           : NULL;
}

int options_parse(const struct program *program, const struct command *command,
                  struct settings *settings, int argc, char **argv, int first, int *next) {
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
                return unexpected(program, command, settings, operands, operands_count);
            continue;
        }
        const char *equals = arg[1] == '-' ? strchr(arg, '=') : NULL;
        size_t length = equals ? (size_t)(equals - arg) : strlen(arg);
        const struct option *o = find(program, command, arg, length);
        if (!o) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)length, arg);
            hint_option(program, command, name, argc, argv);
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
        int status = note_given(program, o, value);
        if (!status) status = store(program, o, settings, value ? value : "");
        if (status) return status;
    }
    if (next) *next = i;
    return command && !options_flag(settings, program->help)
               ? place(program, command, settings, operands, operands_count)
               : EXIT_OK;
}
