/* apus help. */
#include <stdio.h>

#include "command.h"
#include "kit/shell_complete.h"
#include "kit/exit.h"
#include "kit/fail.h"
#include "kit/help.h"
#include "kit/hints.h"
#include "kit/json.h"

static int help_main(const struct settings *settings) {
    const struct command *topic = settings->topic ? program_command(&apus, settings->topic) : NULL;
    if (settings->topic && !topic) {
        hint_command(&apus, settings->topic, 0, NULL);
        return fail(EXIT_USAGE, "there is no command '%s'.", settings->topic);
    }
    if (settings->json) return help_json(&apus, topic);
    if (settings->man) return help_man(&apus);
    if (settings->completion) return shell_complete(&apus, settings->completion);
    if (topic && settings->all)
        help_command(stdout, &apus, topic);
    else if (topic)
        help_brief(stdout, &apus, topic);
    else
        help_overview(stdout, &apus);
    return output_flush();
}

static const struct option options[] = {
    {NULL, "--man", OPTION_FLAG, offsetof(struct settings, man), 0, 0, NULL,
     "print the manual page, for man -l -", "print the manual page, for man -l -"},
    {NULL, "--all", OPTION_FLAG, offsetof(struct settings, all), 0, 0, NULL,
     "everything that the command takes and gives", "everything that the command takes and gives"},
    {NULL, "--completion", OPTION_STRING, offsetof(struct settings, completion), 0, 0, "SHELL",
     "print what bash, zsh or fish needs to complete command lines of apus",
     "what bash, zsh or fish needs to complete lines"},
};

const struct command command_help = {
    .name = "help",
    .summary = "explain a command",
    .usage = "[COMMAND] [--all] [--man] [--completion SHELL]",
    .description =
        "Prints what the commands are, or what one command takes: on one screen, or with --all "
        "everything.\n\nWith --json: commands (name, summary, usage, description, options), "
        "options (of every command).",
    .example = "apus help run\napus help run --all",
    .options = options,
    .options_count = COUNT_OF(options),
    .operands = {{"COMMAND", offsetof(struct settings, topic), 0}},
    .main = help_main,
};
