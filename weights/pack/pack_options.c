#include "weights/pack/pack_options.h"

#include <stdlib.h>
#include <string.h>

#include "apps/kit/closest.h"
#include "weights/format.h"
#include "weights/pack/quantize/parallel.h"
#include "weights/pack/vocab/vocab_pre.h"

const char OPTIONS_HELP[] =
    "usage: apus-pack SOURCE -o OUT.apus [options]\n"
    "\n"
    "Packs a checkpoint into the blob that apus runs. SOURCE is a GGUF file, or a Hugging Face "
    "directory with\n"
    "config.json, safetensors and a tokenizer.\n"
    "\n"
    "  -o, --output FILE     the blob; written whole or not at all\n"
    "      --weights TYPE    int8 or int4 for the layers; default: int8 below a billion "
    "parameters, else int4\n"
    "      --bits X          with int4: bits a weight that the layers may take, scales of groups "
    "included, 4 to 9; tensors\n"
    "                        that hurt most at 4 bits get 8. Default: 4.25, or what 8 bits for all "
    "V take where that is more\n"
    "      --ctx N           positions the blob holds at most; default: the model's, 32768 at "
    "most\n"
    "      --name NAME       the model's name; default: the source's\n"
    "      --pre NAME        the pre-tokenizer, by llama.cpp's name for it (gpt-2, llama-bpe, "
    "qwen2, "
    "seed-coder ...), where\n"
    "                        the source names none, a wrong one, or one that is not known\n"
    "      --report FILE     figures as JSON: the error of every tensor, bits per weight, time, "
    "memory\n"
    "      --calibrate FILE[,FILE]  text whose tokens say which errors matter; default: a text of "
    "the project's own\n"
    "      --effort E        quick or full, the default: quick calibrates in about a fifth of the "
    "time "
    "for most of the gain\n"
    "      --no-calibrate    rounds each weight by itself: quicker, and int4 ruins small models\n"
    "      --no-rotate       keeps the model's own basis: larger errors, for comparison\n"
    "      --resume          saves each finished layer beside the output; the same command goes on "
    "from there. Default when\n"
    "                        a model of a billion parameters or more is calibrated\n"
    "  -t, --threads N       default: the machine's cores\n"
    "  -q, --quiet           says nothing but errors\n"
    "  -h, --help            this text\n"
    "      --version         the version\n"
    "\n"
    "Exit status: 0 done, 1 a file is at fault, 2 wrong usage.\n";

static bool number(const char *option, const char *text, unsigned long most, unsigned long *out,
                   struct diag *d) {
    char *end;
    unsigned long value = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    if (value < 1 || value > most || *end)
        return diag_fail(d, "%s is \"%s\" where a number from 1 to %lu is expected", option, text,
                         most);
    *out = value;
    return true;
}

enum what {
    NOTHING,
    OUTPUT,
    WEIGHTS,
    BITS,
    CTX,
    NAME,
    PRE,
    REPORT,
    CALIBRATE,
    EFFORT,
    NO_CALIBRATE,
    NO_ROTATE,
    RESUME,
    THREADS,
    QUIET,
    HELP,
    VERSION
};
static const struct option {
    const char *name, *letter;
    enum what what;
    bool takes_value;
} OPTIONS[] = {{"--output", "-o", OUTPUT, true},
               {"--weights", "", WEIGHTS, true},
               {"--bits", "", BITS, true},
               {"--ctx", "", CTX, true},
               {"--name", "", NAME, true},
               {"--pre", "", PRE, true},
               {"--report", "", REPORT, true},
               {"--threads", "-t", THREADS, true},
               {"--calibrate", "", CALIBRATE, true},
               {"--effort", "", EFFORT, true},
               {"--no-calibrate", "", NO_CALIBRATE, false},
               {"--no-rotate", "", NO_ROTATE, false},
               {"--resume", "", RESUME, false},
               {"--quiet", "-q", QUIET, false},
               {"--help", "-h", HELP, false},
               {"--version", "", VERSION, false}};

/* With what was meant, where that is near. */
static bool wrong_weights(const char *value, struct diag *d) {
    struct closest closest = {.typed = value};
    closest_offer(&closest, "int8");
    closest_offer(&closest, "int4");
    return diag_fail(d, "--weights is \"%s\" where int8 or int4 is expected%s%s%s", value,
                     closest.best ? "; did you mean " : "", closest.best ? closest.best : "",
                     closest.best ? "?" : "");
}

static bool unknown(const char *argument, struct diag *d) {
    char name[64] = "";
    strncat(name, argument,
            strcspn(argument, "=") < sizeof name ? strcspn(argument, "=") : sizeof name - 1);
    struct closest closest = {.typed = name};
    for (size_t i = 0; i < sizeof OPTIONS / sizeof OPTIONS[0]; i++)
        closest_offer(&closest, OPTIONS[i].name);
    return diag_fail(d, "unknown option %s%s%s%s", argument, closest.best ? "; did you mean " : "",
                     closest.best ? closest.best : "", closest.best ? "?" : "");
}

static bool set(struct options *options, const struct option *option, const char *value,
                struct diag *d) {
    unsigned long n = 0;
    switch (option->what) {
    case OUTPUT:
        options->out = value;
        break;
    case NAME:
        options->name = value;
        break;
    case PRE:
        if (!vocab_pre_find(value, strlen(value)))
            return diag_fail(d, "--pre is \"%s\", which is not one of " VOCAB_PRE_SOME, value);
        options->pre = value;
        break;
    case REPORT:
        options->report = value;
        break;
    case WEIGHTS:
        if (strcmp(value, "int8") != 0 && strcmp(value, "int4") != 0)
            return wrong_weights(value, d);
        options->layer_bits = value[3] == '8' ? 8 : 4;
        break;
    case BITS: {
        char *end;
        options->bits = value[0] >= '0' && value[0] <= '9' ? strtod(value, &end) : 0;
        if (!(options->bits >= 4 && options->bits <= 9) || *end)
            return diag_fail(d, "--bits is \"%s\" where a number from 4 to 9 is expected", value);
        break;
    }
    case CTX:
        if (!number("--ctx", value, BLOB_POSITIONS_MAX, &n, d)) return false;
        options->positions = (uint32_t)n;
        break;
    case THREADS:
        if (!number("--threads", value, PARALLEL_MAX, &n, d)) return false;
        options->threads = (unsigned)n;
        break;
    case CALIBRATE:
        options->calibrate = value;
        break;
    case EFFORT:
        if (strcmp(value, "quick") != 0 && strcmp(value, "full") != 0)
            return diag_fail(d, "--effort is \"%s\" where quick or full is expected", value);
        options->effort = value;
        break;
    case NO_CALIBRATE:
        options->no_calibrate = true;
        break;
    case NO_ROTATE:
        options->rotate = false;
        break;
    case RESUME:
        options->resume = true;
        break;
    case QUIET:
        options->quiet = true;
        break;
    case HELP:
        options->help = true;
        break;
    case VERSION:
        options->version = true;
        break;
    case NOTHING:
        break;
    }
    return true;
}

/* The option that an argument names, and where its value is: after '=', or NULL for the next
 * argument. */
static const struct option *find(const char *argument, const char **value) {
    *value = NULL;
    for (size_t i = 0; i < sizeof OPTIONS / sizeof OPTIONS[0]; i++) {
        size_t length = strlen(OPTIONS[i].name);
        if (strcmp(argument, OPTIONS[i].name) == 0 ||
            (OPTIONS[i].letter[0] && strcmp(argument, OPTIONS[i].letter) == 0))
            return &OPTIONS[i];
        if (OPTIONS[i].takes_value && strncmp(argument, OPTIONS[i].name, length) == 0 &&
            argument[length] == '=') {
            *value = argument + length + 1;
            return &OPTIONS[i];
        }
    }
    return NULL;
}

/* What is written takes its name when it is complete, which standard output cannot. */
static bool names_file(const char *option, const char *path, struct diag *d) {
    return !path || strcmp(path, "-") != 0 ||
           diag_fail(d,
                     "%s is - (standard output) where a file is expected; one of that name is ./-",
                     option);
}

static bool complete(const struct options *options, struct diag *d) {
    if (!options->source) return diag_fail(d, "no SOURCE given");
    if (!options->out) return diag_fail(d, "no output given: -o OUT.apus is missing");
    if (!options->source[0] || !options->out[0]) return diag_fail(d, "an empty file name");
    if (!names_file("-o", options->out, d) || !names_file("--report", options->report, d))
        return false;
    if (options->report && strcmp(options->report, options->out) == 0)
        return diag_fail(d, "-o and --report both name %s", options->out);
    if (options->bits > 0 && options->layer_bits == 8)
        return diag_fail(d, "--bits is for int4, and --weights says int8");
    if (options->effort && options->no_calibrate)
        return diag_fail(
            d,
            "both --effort and --no-calibrate are given; --effort says how much calibration does");
    if (options->calibrate && options->no_calibrate)
        return diag_fail(d, "both --calibrate and --no-calibrate are given");
    if (options->calibrate && !options->calibrate[0])
        return diag_fail(d, "--calibrate names an empty file");
    if (options->name && (!options->name[0] || strlen(options->name) > 127))
        return diag_fail(d, "--name has %zu bytes where 1 to 127 are expected",
                         strlen(options->name));
    return true;
}

/* A value twice is a slip of somebody's, unless it is the same. */
static bool given_once(const struct option *option, const char **given, const char *value,
                       struct diag *d) {
    const char **before = &given[option - OPTIONS];
    if (!option->takes_value) return true;
    if (*before && strcmp(*before, value) != 0)
        return diag_fail(d, "%s is given twice, as %s and as %s: give it once", option->name,
                         *before, value);
    *before = value;
    return true;
}

bool options_read(struct options *options, int argc, char **argv, struct diag *d) {
    *options = (struct options){.rotate = true};
    bool only_names = false;
    const char *given[sizeof OPTIONS / sizeof OPTIONS[0]] = {NULL};
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i], *value;
        if (!only_names && strcmp(argument, "--") == 0) {
            only_names = true;
            continue;
        }
        if (only_names || argument[0] != '-') {
            if (options->source)
                return diag_fail(d, "two sources given: %s and %s; the output stands behind -o",
                                 options->source, argument);
            options->source = argument;
            continue;
        }
        const struct option *option = find(argument, &value);
        if (!strcmp(argument, "-"))
            return diag_fail(d, "SOURCE is - (standard input) where a GGUF file or a directory is "
                                "expected");
        if (!option) return unknown(argument, d);
        if (option->takes_value && !value) value = i + 1 < argc ? argv[++i] : NULL;
        if (option->takes_value && !value) return diag_fail(d, "%s needs a value", argument);
        if (!given_once(option, given, value, d)) return false;
        if (!set(options, option, value ? value : "", d)) return false;
        if (options->help || options->version) return true;
    }
    if (!complete(options, d)) return false;
    if (options->bits > 0) options->layer_bits = 4;
    return true;
}
