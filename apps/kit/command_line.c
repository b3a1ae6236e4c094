#include "command_line.h"

#include <stdio.h>
#include <string.h>

#include "exit.h"
#include "fail.h"
#include "help.h"
#include "hints.h"
#include "json.h"
#include "options.h"
#include "start.h"

const struct command *program_command(const struct program *program, const char *name) {
    for (size_t i = 0; i < program->commands_count; i++)
        if (!strcmp(program->commands[i]->name, name)) return program->commands[i];
    return NULL;
}

int program_is_plain(const struct program *program) {
    return program->commands_count == 1 && !*program->commands[0]->name;
}

const char *program_words(const struct program *program, const struct command *command) {
    static char words[64];
    snprintf(words, sizeof words, "%s%s%s", program->name, *command->name ? " " : "",
             command->name);
    return words;
}

const char *program_help(const struct program *program, const struct command *command) {
    static char words[64];
    if (program_is_plain(program))
        snprintf(words, sizeof words, "%s --help", program->name);
    else
        snprintf(words, sizeof words, "%s help%s%s", program->name, command ? " " : "",
                 command ? command->name : "");
    return words;
}

static int print_version(const struct program *program, int json) {
    if (!json) {
        printf("%s %s\n", program->name, program->version);
        return output_flush();
    }
    json_t *object = json_object();
    json_object_set_new(object, "version", json_string(program->version));
    return json_print(object);
}

/* Whether sentences must be JSON objects. This is known before any sentence is printed. */
static int asks_for_json(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--json") || !strcmp(argv[i], "--jsonl")) return 1;
    return 0;
}

/* Whether the command line is `apus --version`, with nothing else but --json. */
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

static int help(const struct program *program, const struct command *command, int json) {
    if (json) return help_json(program, command);
    if (command)
        help_brief(stdout, program, command);
    else
        help_overview(stdout, program);
    return output_flush();
}

/* Chooses the command. Returns NULL, with the exit status in *status, if there is none to run. */
static const struct command *choose(const struct program *program, struct settings *settings,
                                    int argc, char **argv, int *at, int *status) {
    if (program_is_plain(program)) return program->commands[0];
    *status = options_parse(program, NULL, settings, argc, argv, 1, at);
    if (*status) return NULL;
    if (*at < argc) {
        const struct command *command = program_command(program, argv[(*at)++]);
        if (command) return command;
        hint_command(program, argv[*at - 1], argc, argv);
        *status = fail(EXIT_USAGE, "there is no command '%s'.", argv[*at - 1]);
    } else if (options_flag(settings, program->help)) {
        *status = help(program, NULL, options_flag(settings, program->json));
    } else if (options_flag(settings, program->json)) {
        *status = fail(EXIT_USAGE, "no command was given.");
    } else {
        help_overview(stderr, program);
        *status = EXIT_USAGE;
    }
    return NULL;
}

int command_line_run(const struct program *program, struct settings *settings, int argc,
                     char **argv) {
    int at = 1, json = 0, status = EXIT_OK;
    program_start();
    fail_program(program->name);
    if (asks_for_json(argc, argv)) fail_json();
    if (asks_for_version(argc, argv, &json)) return print_version(program, json);
    const struct command *command = choose(program, settings, argc, argv, &at, &status);
    if (!command) return status;
    fail_command(command->name);
    status = options_parse(program, command, settings, argc, argv, at, NULL);
    if (status) return status;
    if (options_flag(settings, program->help))
        return help(program, command, options_flag(settings, program->json));
    if (options_flag(settings, program->quiet)) fail_quiet();
    if (program->resolve) status = program->resolve(settings);
    return status ? status : command->main(settings);
}
