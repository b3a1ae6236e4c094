/* apus tokenize and apus detokenize: text to ids and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "fail_status.h"
#include "input.h"
#include "kit/json.h"
#include "kit/terminal.h"
#include "load.h"

#define AT(member) offsetof(struct settings, member)

static int print_ids(const struct ids *ids, const struct settings *settings) {
    if (settings->json) {
        json_t *object = json_object();
        json_object_set_new(object, "ids", json_ids(ids->ids, ids->count));
        json_object_set_new(object, "dropped_bytes", json_integer((json_int_t)ids->dropped));
        return json_print(object);
    }
    for (size_t i = 0; i < ids->count; i++) printf("%s%d", i ? "," : "", (int)ids->ids[i]);
    putchar('\n');
    return output_flush();
}

static int tokenize_main(const struct settings *settings) {
    struct loaded loaded;
    struct ids ids = {NULL, 0, 0};
    int status = load_blob(&loaded, settings->model);
    if (status) return status;
    status = input_text_ids(&ids, &loaded.blob, settings, settings->bos != 0,
                            settings->special ? APUS_TEXT_SPECIALS : 0,
                            "Give it behind the model in quotes, with -f FILE, or through a pipe.");
    if (!status) status = print_ids(&ids, settings);
    free(ids.ids);
    unload(&loaded);
    return status;
}

static int print_text(const char *text, size_t count, const struct settings *settings) {
    if (settings->json) {
        json_t *object = json_object();
        json_object_set_new(object, "text", json_bytes(text, count));
        return json_print(object);
    }
    terminal_print(text, count, settings->raw);
    if (isatty(STDOUT_FILENO)) putchar('\n');
    return output_flush();
}

static int detokenize_ids(const struct loaded *loaded, const struct ids *ids,
                          const struct settings *settings) {
    size_t count = 0;
    char none;
    apus_status done = apus_detokenize(&loaded->blob, ids->ids, ids->count, 1, settings->special,
                                       &none, 0, &count);
    if (done < 0 && done != APUS_E_SPACE) return fail_status(done, "detokenizing");
    char *text = malloc(count + 1);
    if (!text) return fail(EXIT_FAULT, "no memory left for %zu bytes of text.", count);
    done = apus_detokenize(&loaded->blob, ids->ids, ids->count, 1, settings->special, text, count,
                           &count);
    int status = done < 0 ? fail_status(done, "detokenizing") : print_text(text, count, settings);
    free(text);
    return status;
}

static int detokenize_main(const struct settings *settings) {
    struct loaded loaded;
    struct ids ids = {NULL, 0, 0};
    int status = load_blob(&loaded, settings->model);
    if (status) return status;
    status =
        settings->ids
            ? input_ids(&ids, settings->ids, loaded.info.vocab)
            : fail(EXIT_USAGE,
                   "no ids were given: use --ids LIST, such as --ids 1,2,3; --ids - reads them.");
    if (!status) status = detokenize_ids(&loaded, &ids, settings);
    free(ids.ids);
    unload(&loaded);
    return status;
}

static const struct option tokenize_options[] = {
    OPTION_MODEL,
    OPTION_TEXT,
    OPTION_ESCAPE,
    OPTION_FILE,
    {NULL, "--bos", OPTION_FLAG, AT(bos), 0, 0, NULL,
     "put in front what the model puts in front of a prompt",
     "with what the model puts in front of a prompt"},
    {NULL, "--special", OPTION_FLAG, AT(special), 0, 0, NULL,
     "take control tokens spelled out in the text as such; apus info --json lists them",
     "control tokens spelled out are taken as such"},
};

const struct command command_tokenize = {
    .name = "tokenize",
    .summary = "turn text into token ids",
    .usage = "MODEL.apus [TEXT] [options]",
    .description =
        "Prints the ids of the text alone, separated by commas, as --ids of the other "
        "commands takes them.\n\nWith --json: ids, and dropped_bytes, which no token has.",
    .example = "apus tokenize model.apus 'def add(a, b):'",
    .options = tokenize_options,
    .options_count = COUNT_OF(tokenize_options),
    .surplus = SURPLUS_TEXT,
    .operands = {OPERAND_MODEL, OPERAND_TEXT},
    .main = tokenize_main,
};

static const struct option detokenize_options[] = {
    OPTION_MODEL,
    OPTION_IDS,
    {NULL, "--special", OPTION_FLAG, AT(special), 0, 0, NULL,
     "spell control tokens out; without it they give no text", "spell control tokens out"},
    OPTION_RAW,
};

const struct command command_detokenize = {
    .name = "detokenize",
    .summary = "turn token ids into text",
    .usage = "MODEL.apus LIST [--special]",
    .description = "Prints the bytes that the ids stand for.\n\nWith --json: text, with U+FFFD in "
                   "place of bytes that are not UTF-8.",
    .example = "apus detokenize model.apus 1604,803,24",
    .options = detokenize_options,
    .options_count = COUNT_OF(detokenize_options),
    .surplus = SURPLUS_TEXT,
    .operands = {OPERAND_MODEL, {"LIST", AT(ids), 0}},
    .main = detokenize_main,
};
