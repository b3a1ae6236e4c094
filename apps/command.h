/* What the commands share: their table, and the settings that options fill.
 *
 * A command is one file: its options, its help and what it does. `apus help` and docs/man/apus.1
 * are made from the same tables. */
#ifndef APPS_COMMAND_H
#define APPS_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"
#include "kit/exit.h"

struct option;
/* An option as it was given, for whoever gives it again. */
struct given {
    const struct option *option;
    const char *value;
};
enum { GIVEN_MAX = 64, DEVICES_MAX = 4 }; /* more than there are options; --device given */

/* Everything options can say. Zero means not given, except where settings_defaults says
 * otherwise. */
struct settings {
    int json, jsonl, quiet;
    uint64_t threads; /* resolved to a number before a command runs */
    const char *cpu_name;
    apus_cpu cpu;
    const char *engine, *draft_engine, *compiled;
    const char *devices[DEVICES_MAX]; /* --device, for all engines or for one each */
    size_t devices_count;
    int want_help;

    const char *model;
    const char *reference;    /* of compare */
    const char *draft;        /* -d */
    const char *draft_tokens; /* "auto" or a number, for proposals */
    const char *overlap_text; /* "auto", "on" or "off", for overlap */
    int overlap;              /* as apus_config.overlap */
    const char *text;         /* -p */
    const char *file;         /* -f */
    const char *ids;          /* --ids */
    const char *output;
    const char *topic; /* of help */
    const char *trace_first, *trace_second;

    uint64_t tokens, context, top_k, seed, repeat_last, deadline_ms, seconds, at, proposals,
        draft_context;
    double replay, temperature, top_p, min_p, repeat_penalty;
    const char *stops[APUS_STOPS_MAX];
    size_t stops_count;
    struct given given[GIVEN_MAX];
    size_t given_count;
    int pair, agreement, lookup, ignore_eos, bos, special, raw, verify, man, all, escape,
        random_seed;
};

enum option_kind {
    OPTION_FLAG,   /* int, set to 1 */
    OPTION_STRING, /* const char * */
    OPTION_COUNT,  /* uint64_t in low .. high; a low of -1 is stored as 0: no limit */
    OPTION_SEED,   /* settings.seed; -1: any, and random_seed is set */
    OPTION_REAL,   /* double in low .. high */
    OPTION_DEVICE, /* settings.devices, repeatable for different engines */
    OPTION_STOP    /* settings.stops, repeatable */
};

struct option {
    const char *letter; /* "-m", or NULL */
    const char *name;   /* "--model" */
    enum option_kind kind;
    size_t offset;     /* in struct settings */
    double low, high;  /* high 0: any */
    const char *value; /* "FILE" in the help; NULL for a flag */
    const char *help;  /* a phrase without a period */
    const char *brief; /* the same in 54 characters, for the help of one screen; NULL: not in it */
};

/* An argument without a dash. The first ones go where no option has put something. */
struct operand {
    const char *name; /* "MODEL.apus" */
    size_t offset;    /* of a const char * in struct settings */
};
enum { OPERANDS_MAX = 3 };

struct progress; /* kit/progress.h */

struct command {
    const char *name;
    const char *summary;     /* a phrase without a period, lower case */
    const char *usage;       /* what follows the name */
    const char *description; /* paragraphs, separated by empty lines */
    const char *example;     /* lines of shell */
    const struct option *options;
    size_t options_count;
    struct operand operands[OPERANDS_MAX];        /* up to the first without a name */
    int (*main)(const struct settings *settings); /* gives the exit status */
};

extern const struct command command_run, command_info, command_tokenize, command_detokenize,
    command_logits, command_perplexity, command_compare, command_bench, command_trace,
    command_probe, command_help;
extern const struct command *const commands[]; /* in the order of the help */
extern const size_t commands_count;
extern const struct option global_options[];
extern const size_t global_options_count;

/* The progress of a command's long work: an object a line with --json, nothing with --quiet. */
void command_progress(struct progress *progress, const struct settings *settings, const char *name);

/* NULL if there is none of that name. */
const struct command *command_find(const char *name);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Options and operands that mean the same in several commands. */
/* clang-format off */
#define OPERAND_MODEL {"MODEL.apus", offsetof(struct settings, model)}
#define OPERAND_TEXT {"TEXT", offsetof(struct settings, text)}
#define OPTION_MODEL \
    {"-m", "--model", OPTION_STRING, offsetof(struct settings, model), 0, 0, "FILE", \
     "the blob to use", NULL}
#define OPTION_TEXT \
    {"-p", "--prompt", OPTION_STRING, offsetof(struct settings, text), 0, 0, "TEXT", \
     "the text", "the text"}
#define OPTION_FILE \
    {"-f", "--file", OPTION_STRING, offsetof(struct settings, file), 0, 0, "FILE", \
     "the text, from a file; - is standard input, as is a pipe where no text is given", \
     "the text, from a file; a pipe needs no option"}
#define OPTION_ESCAPE \
    {"-e", "--escape", OPTION_FLAG, offsetof(struct settings, escape), 0, 0, NULL, \
     "take \\n, \\r, \\t, \\\\, \\', \\\" and \\xHH in the text given on the command line as the " \
     "characters they stand for", \
     "\\n, \\t, \\\\, \\xHH in the text are characters"}
#define OPTION_DRAFT_ENGINE \
    {NULL, "--draft-engine", OPTION_STRING, offsetof(struct settings, draft_engine), 0, 0, "NAME", \
     "engine the draft computes on (default: cpu)", NULL}
#define OPTION_IDS \
    {NULL, "--ids", OPTION_STRING, offsetof(struct settings, ids), 0, 0, "LIST", \
     "token ids, such as 1,2,3, taken as they are; - reads them from standard input", \
     "token ids, such as 1,2,3"}
#define OPTION_RAW \
    {NULL, "--raw", OPTION_FLAG, offsetof(struct settings, raw), 0, 0, NULL, \
     "print control characters of the text on a terminal too, where they are spelled out " \
     "otherwise", \
     NULL}
/* clang-format on */

#endif
