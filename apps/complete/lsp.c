/* apus lsp: completion for editors, over standard input and output. */
#include <signal.h>
#include <unistd.h>

#include "command.h"
#include "lsp_server.h"
#include "sampling.h"
#include "speculation.h"

#define AT(member) offsetof(struct settings, member)

static int lsp_main(const struct settings *settings) {
    signal(SIGPIPE, SIG_IGN); /* a client that is gone ends the server in the usual way */
    struct settings with = *settings;
    /* the lookup costs nothing, and edited text often repeats itself */
    with.lookup = !with.no_lookup;
    int status = speculation_settings(&with);
    if (status) return status;
    return lsp_serve(&with, STDIN_FILENO, STDOUT_FILENO);
}

static const struct option lsp_options[] = {
    OPTION_MODEL,
    OPTIONS_DRAFT,
    OPTION_NO_LOOKUP,
    {NULL, "--fim", OPTION_STRING, AT(fim), 0, 0, "NAME",
     "family of the markers for filling in (default: what the blob says)", NULL},
    {NULL, "--next-edit", OPTION_FLAG, AT(next_edit), 0, 0, NULL,
     "answer textDocument/copilotInlineEdit too, for a model that was trained to predict edits",
     NULL},
    {"-c", "--ctx", OPTION_COUNT, AT(context), 16, 1 << 20, "N",
     "positions of the context (default: the model's, at most 8192)", "positions of the context"},
    OPTION_KV,
};

const struct command command_lsp = {
    .name = "lsp",
    .summary = "complete code in an editor, by the language server protocol",
    .usage = "[MODEL.apus] [-d DRAFT.apus] [options]",
    .description =
        "A language server on standard input and output for textDocument/inlineCompletion, which "
        "an editor starts: docs/editors.md has the configurations. The model may also come from "
        "the editor's setting apus.model. Open documents stay in memory and are never written "
        "anywhere.",
    .example = "apus lsp model.apus -d draft.apus",
    .options = lsp_options,
    .options_count = COUNT_OF(lsp_options),
    .operands = {OPERAND_MODEL},
    .main = lsp_main,
};
