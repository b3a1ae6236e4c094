/* What the commands share: their table, and the settings that options fill in.
 *
 * Each command is one file with its options, its help and its function. `apus help` and
 * docs/man/apus.1 are made from the same tables. */
#ifndef APPS_COMMAND_H
#define APPS_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"
#include "kit/command_line.h"
#include "kit/exit.h"

/* How often --device can be given, and each of --allow-origin and --allow-host. */
enum { DEVICES_MAX = 4, SERVE_NAMES_MAX = 16 };

/* Everything that options can set. Zero means that the option was not given, except for those with
 * a default in settings_defaults. */
struct settings {
    int json, jsonl, quiet;
    uint64_t threads; /* settings_resolve replaces 0 by a number before a command runs */
    const char *cpu_name;
    apus_cpu cpu;
    const char *engine, *draft_engine, *pipeline_cache; /* --compiled */
    const char *devices[DEVICES_MAX]; /* --device, for all engines or for one each */
    size_t devices_count;
    int want_help;

    const char *model;
    const char *reference;    /* of compare */
    const char *draft;        /* -d */
    const char *kv;           /* --kv, for kv_bits and v_bits */
    uint32_t kv_bits, v_bits; /* as in apus_config */
    const char *draft_tokens; /* "auto" or a number, for proposals */
    const char *overlap_text; /* "auto", "on" or "off", for overlap */
    int overlap;              /* as apus_config.overlap */
    const char *text;         /* -p */
    const char *file;         /* -f */
    const char *ids;          /* --ids */
    const char *system;       /* --system of chat */
    const char *chat_template;
    const char *output;
    const char *topic, *completion; /* of help */
    const char *trace_first, *trace_second;

    uint64_t answer_tokens; /* -n of chat; 0: to the end */
    uint64_t tokens, context, top_k, seed, repeat_last, deadline_ms, seconds, at, proposals,
        draft_context;
    double replay, temperature, top_p, min_p, repeat_penalty;
    const char *stops[APUS_STOPS_MAX];
    size_t stops_count;
    const char *host, *fim, *key, *key_file; /* of serve */
    uint64_t port, slots, queue, connections, body;
    const char *origins[SERVE_NAMES_MAX], *hosts[SERVE_NAMES_MAX];
    size_t origins_count, hosts_count;
    int no_lookup, log_requests;
    int pair, agreement, lookup, ignore_eos, bos, special, heal, raw, verify, man, all, escape,
        random_seed, next_edit;
};

extern const struct command command_run, command_chat, command_info, command_tokenize,
    command_detokenize, command_logits, command_perplexity, command_compare, command_bench,
    command_trace, command_probe, command_lsp, command_serve, command_help;

extern const struct program apus;
enum { GLOBAL_OPTIONS = 8 };
extern const struct option global_options[GLOBAL_OPTIONS];
extern const struct synonym apus_synonyms[];
extern const struct strange apus_strange_commands[], apus_strange_options[];

/* Fills in the defaults; all others are zero. */
void settings_defaults(struct settings *settings);

/* The functions that command_line.h needs from a program. settings_store takes the options whose
 * values apus reads itself (--seed, --device, --stop ...). settings_resolve turns the names of
 * threads, cpu and engine into values and checks that this machine has them. */
int settings_store(const struct option *option, struct settings *settings, const char *value);
int settings_apart(const struct option *option, const char *before, const char *value);
int settings_resolve(struct settings *settings);

struct progress; /* kit/progress.h */

/* Begins to show the progress of a command's long work: with --json as one object on each line, and
 * not at all with --quiet. */
void command_progress(struct progress *progress, const struct settings *settings, const char *name);

/* For commands that take a text behind the model: the hint if more arguments come. */
#define SURPLUS_TEXT "Text of several words goes into quotes."

/* Options and operands that mean the same in several commands. */
/* clang-format off */
#define OPERAND_MODEL {"MODEL.apus", offsetof(struct settings, model), 0}
#define OPERAND_TEXT {"TEXT", offsetof(struct settings, text), offsetof(struct settings, file)}
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
#define OPTION_KV \
    {NULL, "--kv", OPTION_STRING, offsetof(struct settings, kv), 0, 0, "BITS", \
     "bits of a value in the cache of keys and values: 8 (default), 4, or k8v4 and k4v8 for keys " \
     "and values apart; 4 make long contexts smaller and faster, and less exact", NULL}
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
