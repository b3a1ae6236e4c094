/* apus: the command line. Each command is a file of its own. */
#include <signal.h>
#include <stdio.h>

#include "command.h"
#include "kit/progress.h"

static const struct command *const commands[] = {
    &command_run,        &command_chat,   &command_info,       &command_tokenize,
    &command_detokenize, &command_logits, &command_perplexity, &command_compare,
    &command_bench,      &command_trace,  &command_probe,      &command_lsp,
#ifdef APUS_SERVE
    &command_serve,
#endif
    &command_help};

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

static const char *const statuses[] = {
    "0",        "done",
    "1",        "a file is at fault, or something failed",
    "2",        "the command line is wrong",
    "3",        "an instruction set or engine was asked for that is not here",
    "130, 143", "an interrupt (Ctrl-C) or SIGTERM came; what there was until then is printed",
    NULL};

const struct program apus = {
    .name = "apus",
    .version = PROGRAM_VERSION(APUS_VERSION_MAJOR, APUS_VERSION_MINOR, APUS_VERSION_PATCH),
    .summary = "text generation from a packed weight blob",
    .closing =
        "A blob is made with apus-pack. An example: apus run model.apus 'def add(a, b):' -n 32\n"
        "apus help COMMAND explains a command; apus --version says which version this is.",
    .commands = commands,
    .commands_count = COUNT_OF(commands),
    .usual = &command_run,
    .options = global_options,
    .options_count = COUNT_OF(global_options),
    .json = offsetof(struct settings, json),
    .quiet = offsetof(struct settings, quiet),
    .help = offsetof(struct settings, want_help),
    .store = settings_store,
    .apart = settings_apart,
    .resolve = settings_resolve,
    .synonyms = apus_synonyms,
    .strange_options = apus_strange_options,
    .strange_commands = apus_strange_commands,
    .made_by = "apus help --man",
    .about = "apus runs a language model out of one file, the blob, that apus-pack makes of a "
             "GGUF file or of a directory with safetensors. "
             "The text and every logit are the same bits for every instruction set and number of "
             "threads.",
    .statuses = statuses,
    .failures = "A failure prints one or two sentences on standard error and nothing on standard "
                "output, but for text that run had streamed. With --json standard error has an "
                "object a line: {\"error\": {code, status, command, message, hint}}, where code is "
                "usage, fault, unavailable or the library's own "
                "word, {\"warning\": {command, message}} or {\"progress\": {command, phase, "
                "detail, done, left_s}}.",
};

int main(int argc, char **argv) {
    struct settings settings;
    signal(SIGPIPE, SIG_DFL); /* if the reader of the text closes the pipe, the program ends without
                                 a message */
    settings_defaults(&settings);
    return command_line_run(&apus, &settings, argc, argv);
}
