/* apus: the command line. This file finds the command; each command is a file of its own. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "kit/fail.h"
#include "help.h"
#include "hints.h"
#include "kit/json.h"
#include "kit/progress.h"
#include "kit/start.h"
#include "options.h"

const struct command *const commands[] = {&command_run,        &command_info,   &command_tokenize,
                                          &command_detokenize, &command_logits, &command_perplexity,
                                          &command_compare,    &command_bench,  &command_trace,
                                          &command_probe,      &command_help};
const size_t commands_count = COUNT_OF(commands);

const struct command *command_find(const char *name) {
    for (size_t i = 0; i < commands_count; i++)
        if (!strcmp(commands[i]->name, name)) return commands[i];
    return NULL;
}

void command_progress(struct progress *progress, const struct settings *settings,
                      const char *name) {
    static char program[32];
    snprintf(program, sizeof program, "apus %s", name);
    progress_begin(progress,
                   settings->quiet  ? PROGRESS_NONE
                   : settings->json ? PROGRESS_OBJECTS
                                    : PROGRESS_TEXT,
                   program, name);
}

static int print_version(int json) {
    uint32_t v = apus_version();
    unsigned major = v >> 16, minor = v >> 8 & 255, patch = v & 255;
    if (!json) {
        printf("apus %u.%u.%u\n", major, minor, patch);
        return output_flush();
    }
    json_t *object = json_object();
    json_object_set_new(object, "version", json_sprintf("%u.%u.%u", major, minor, patch));
    return json_print(object);
}

/* Whether sentences are to be objects; before anything can be wrong. */
static int asks_for_json(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--json") || !strcmp(argv[i], "--jsonl")) return 1;
    return 0;
}

/* `apus --version` with nothing else but --json. */
static int asks_for_version(int argc, char **argv, int *json) {
    int version = 0;
    *json = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--version"))
            version = 1;
        else if (!strcmp(argv[i], "--json"))
            *json = 1;
        else
            return 0;
    }
    return version;
}

int main(int argc, char **argv) {
    struct settings settings;
    int at = 1, json = 0;
    program_start();
    fail_program("apus");
    signal(SIGPIPE, SIG_DFL); /* who reads no more of the text ends it, without a word */
    settings_defaults(&settings);
    if (asks_for_json(argc, argv)) fail_json();
    if (asks_for_version(argc, argv, &json)) return print_version(json);
    int status = options_parse(NULL, &settings, argc, argv, 1, &at);
    if (status) return status;
    if (at == argc && settings.want_help) return command_help.main(&settings);
    if (at == argc) {
        if (settings.json) return fail(EXIT_USAGE, "no command was given.");
        help_overview(stderr);
        return EXIT_USAGE;
    }
    const struct command *command = command_find(argv[at]);
    if (!command) {
        hint_command(argv[at], argc, argv);
        return fail(EXIT_USAGE, "there is no command '%s'.", argv[at]);
    }
    fail_command(command->name);
    status = options_parse(command, &settings, argc, argv, at + 1, NULL);
    if (status) return status;
    if (settings.want_help) {
        settings.topic = command->name;
        return command_help.main(&settings);
    }
    if (settings.quiet) fail_quiet();
    status = options_resolve(&settings);
    return status ? status : command->main(&settings);
}
