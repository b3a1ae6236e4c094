#include "weights/pack/pack_options.h"

#include <string.h>

#include "apps/kit/exit.h"
#include "apps/kit/fail.h"
#include "apps/kit/hints.h"
#include "apps/template/fim_forms.h"
#include "weights/format.h"
#include "weights/pack/quantize/parallel.h"
#include "weights/pack/vocab/vocab_pre.h"

#define AT(member) offsetof(struct settings, member)

const struct option pack_options[] = {
    {"-o", "--output", OPTION_STRING, AT(out), 0, 0, "FILE",
     "The blob; written whole or not at all.", "the blob; written whole or not at all"},
    {NULL, "--weights", OPTION_STRING, AT(weights), 0, 0, "TYPE",
     "int8 or int4, for the layers' weights; embedding and output head always keep 8 bits. With "
     "int4 the tensors that hurt most at 4 bits get 5, 6 or 8, within a budget: --bits. The "
     "default is int8 for models below a billion parameters and int4 from there on.",
     "int8 (default below 1e9 parameters) or int4"},
    {NULL, "--bits", OPTION_REAL, AT(bits), 2, 8, "X",
     "With int4, what the layers may take in bits a weight: 4.125 to 8, and from 2.875 on where "
     "weights are sparse. Counted are the integers, the 8-bit scale of every group of 64 and 3 "
     "bits for every four sparse weights, not the scale of a row nor what pads groups and rows of "
     "narrow tensors. The default is 4.25, for sparse tensors 3, or what 6 bits for all V tensors "
     "(8 for sparse ones) take where that is more, as it is in models whose heads do not share V. "
     "What each tensor costs at 4 bits is measured as KL on calibration text; bits go where they "
     "save most: tensors get 5, 6 or 8, sparse ones 8. Without calibration the kinds of tensors "
     "stand in a fixed order. Fewer bits than 4-bit weights with their scales take are an error.",
     "with int4: bits a weight, up to 8 (default: 4.25)"},
    {NULL, "--ctx", OPTION_COUNT, AT(positions), 1, BLOB_POSITIONS_MAX, "N",
     "Positions the blob holds at most, 1 to 131072. The default is what the model was made for, "
     "at most 32768. Each position costs 4 bytes times the width of a head.",
     "positions at most (default: the model's; 32768)"},
    {NULL, "--pre", OPTION_STRING, AT(pre), 0, 0, "NAME",
     "The pre-tokenizer, by the name that llama.cpp has for it, in the place of what the source "
     "says: gpt-2, smollm, starcoder, llama-bpe, qwen2, gpt-4o, tekken, deepseek-coder, "
     "seed-coder and others. For sources that name none, a wrong one, or one that "
     "is not known; a wrong name gives wrong ids.",
     "the pre-tokenizer, by llama.cpp's name for it"},
    {NULL, "--fim", OPTION_STRING, AT(fim), 0, 0, "NAME",
     "How a middle is asked for, in the place of what the names of the source's markers say: "
     "qwen-spm, starcoder-spm, codellama-spm and others. For models that were trained with the "
     "suffix first, which no name tells.",
     "how a middle is asked for, by a family's name"},
    {NULL, "--name", OPTION_STRING, AT(name), 0, 0, "NAME",
     "The model's name in the blob, at most 127 bytes. The default is the source's own, or its "
     "file name.",
     "the model's name (default: the source's)"},
    {NULL, "--report", OPTION_STRING, AT(report), 0, 0, "FILE",
     "Writes figures as JSON, to a new file or in the place of an earlier report: for every tensor "
     "its type, size, relative root mean square error, mean squared error and largest error "
     "against the folded weights, and the part of its fours of weights along a row that have two "
     "zeros or more in the source; bits per weight, bytes, seconds, peak memory, notes.",
     "figures as JSON: errors, sizes, time, memory"},
    {NULL, "--calibrate", OPTION_STRING, AT(calibrate), 0, 0, "FILES",
     "Text to calibrate with, files with commas between them: 12 to 384 windows of 64 tokens, by "
     "the model's width, evenly over "
     "all of it, fewer where there is less. The default is a text of the project's own, inside the "
     "program: code in a dozen programming languages and prose in twenty natural ones.",
     "text that says which errors matter (has one)"},
    {NULL, "--effort", OPTION_STRING, AT(effort), 0, 0, "E",
     "quick or full: how much work calibration takes. quick needs about a fifth of the time of "
     "full, the default, for more than four fifths of what it gains (docs/accuracy.md).",
     "quick, or full (default): five times as long"},
    {NULL, "--no-calibrate", OPTION_FLAG, AT(no_calibrate), 0, 0, NULL,
     "Rounds each weight by itself. Quicker, and much worse: int4 then changes every third or "
     "fourth token of a small model.",
     "round each weight by itself: quicker, much worse"},
    {NULL, "--no-rotate", OPTION_FLAG, AT(no_rotate), 0, 0, NULL,
     "Leaves the residual stream and the values in the model's own basis. Errors are much larger; "
     "it is there for comparison.",
     "keep the model's own basis, for comparison"},
    {NULL, "--prune", OPTION_STRING, AT(prune), 0, 0, "2:4",
     "For experiments: of every four weights of a layer's matrices along their inputs, the two "
     "that "
     "matter less become 0, by the inputs of calibration or, without calibration, by magnitude. A "
     "model that was not trained for it loses very much (docs/accuracy.md). Models with such zeros "
     "of their own need no option.",
     "keep two of every four weights, for experiments"},
    {NULL, "--draft-vocab", OPTION_COUNT, AT(draft_vocab), 1, BLOB_VOCAB_MAX - 1, "N",
     "Makes a model that only proposes for another one: its output head keeps rows for N ids "
     "alone, "
     "special tokens and end tokens first, then the ids that are the commonest in a text. The head "
     "of a large vocabulary is most of what a small model reads; other ids are never proposed, and "
     "the target's output stays what it is.",
     "a draft: the head keeps rows for N ids"},
    {NULL, "--draft-text", OPTION_STRING, AT(draft_text), 0, 0, "FILES",
     "With --draft-vocab: the text in which ids are counted, files with commas between them, such "
     "as what the draft will propose. The default is the text for calibration.",
     "with --draft-vocab: where ids are counted"},
    {NULL, "--resume", OPTION_FLAG, AT(resume), 0, 0, NULL,
     "After every layer saves what is done, beside the output: the blob so far in OUT.part, in "
     "OUT.state the activations that the next layer needs and the figures so far. Whatever ends "
     "the work, the same command goes on after the last finished layer and writes the bytes that "
     "it would have written at once; both files are gone at the end. Another source, other options "
     "or another build of the program begin anew. The source counts by its content, so that all of "
     "it is read once before the work. A file of one of these names that is not this user's own "
     "unfinished work is in the way, and said to be; it is never followed, changed or removed. The "
     "default when a model of a billion parameters or more is calibrated.",
     "save each finished layer, and go on from there"},
    {NULL, "--header", OPTION_STRING, AT(header), 0, 0, "FILE",
     "Writes a C header for images whose memory is static: SOURCE is a blob that was packed "
     "before, and FILE gets its bytes, by an .incbin of the assembler, with the sizes and the "
     "alignment of the memory that a model and a session of --ctx positions (the default is that "
     "of apus_config.context) on --threads threads (1) of the CPU take. Names in it begin with the "
     "file's.",
     "of the blob SOURCE, a C header for static images"},
    {NULL, "--draft", OPTION_STRING, AT(draft), 0, 0, "BLOB",
     "With --header: the blob of a draft, which comes into the header too.",
     "with --header: the blob of a draft"},
    {NULL, "--array", OPTION_FLAG, AT(array), 0, 0, NULL,
     "With --header: the bytes as a C array, for compilers without .incbin; four times as large.",
     "with --header: bytes as an array, not by .incbin"},
    {"-t", "--threads", OPTION_COUNT, AT(threads), 1, PARALLEL_MAX, "N",
     "1 to 64; the default is the number of processors.", "threads (default: the processors)"},
    {NULL, "--json", OPTION_FLAG, AT(json), 0, 0, NULL,
     "Prints one JSON object about the result on standard output: output, name, parameters, "
     "layer_bits, bits_per_weight, two_of_four_zero, bytes, seconds, resumed_tensors, calibrated. "
     "What goes to standard error is an object a line too.",
     "one JSON object on standard output"},
    {"-q", "--quiet", OPTION_FLAG, AT(quiet), 0, 0, NULL,
     "Says nothing but errors, and with --json the result.", "say nothing but errors"},
    {"-h", "--help", OPTION_FLAG, AT(help), 0, 0, NULL, "Shows the options.", "this text"},
    {NULL, "--man", OPTION_FLAG, AT(man), 0, 0, NULL, "Prints this page, for man -l -.",
     "print the manual page, for man -l -"},
    {NULL, "--completion", OPTION_STRING, AT(completion), 0, 0, "SHELL",
     "Prints what bash, zsh or fish needs to complete command lines of apus-pack.",
     "what bash, zsh or fish needs to complete lines"},
    {NULL, "--version", OPTION_FLAG, AT(version), 0, 0, NULL, "Shows the version.",
     "which version this is"},
};

/* Refuses "-": an output gets its name when it is complete, which is not possible for standard
 * output. */
static int check_file(const char *option, const char *path) {
    if (!path || strcmp(path, "-") != 0) return EXIT_OK;
    return fail(EXIT_USAGE,
                "%s is - (standard output) where a file is expected; one of that name is ./-.",
                option);
}

/* What has nothing to do with a header is a slip. */
static int check_header(const struct settings *s) {
    if (s->out)
        return fail(EXIT_USAGE, "both -o and --header are given; a header is made of a blob that "
                                "was packed before.");
    if (s->report || s->weights || s->bits > 0 || s->calibrate || s->effort || s->no_calibrate ||
        s->no_rotate || s->prune || s->resume || s->draft_vocab || s->draft_text || s->pre ||
        s->fim || s->name)
        return fail(EXIT_USAGE, "--header takes --draft, --array, --ctx, --threads, --json and "
                                "--quiet alone; other options are for packing.");
    if (!s->source[0] || !s->header[0] || (s->draft && !s->draft[0]))
        return fail(EXIT_USAGE, "a file name is empty.");
    return check_file("--header", s->header);
}

static int check_names(const struct settings *s) {
    if (!s->source || (!s->out && !s->header)) fail_hint("See: apus-pack --help");
    if (!s->source) return fail(EXIT_USAGE, "no SOURCE was given.");
    if (s->header) return check_header(s);
    if (s->draft || s->array)
        return fail(EXIT_USAGE, "%s is for --header.", s->draft ? "--draft" : "--array");
    if (!s->out) return fail(EXIT_USAGE, "no output was given: -o OUT.apus is missing.");
    if (!s->source[0] || !s->out[0]) return fail(EXIT_USAGE, "a file name is empty.");
    if (!strcmp(s->source, "-"))
        return fail(EXIT_USAGE, "SOURCE is - (standard input) where a GGUF file or a directory is "
                                "expected.");
    int status = check_file("-o", s->out);
    if (!status) status = check_file("--report", s->report);
    if (status) return status;
    if (s->report && strcmp(s->report, s->out) == 0)
        return fail(EXIT_USAGE, "-o and --report both name %s.", s->out);
    if (s->name && (!s->name[0] || strlen(s->name) > 127))
        return fail(EXIT_USAGE, "--name has %zu bytes where 1 to 127 are expected.",
                    strlen(s->name));
    return EXIT_OK;
}

/* Checks that a value is one of two words. */
static int check_word(const char *option, const char *value, const char *first,
                      const char *second) {
    char both[32];
    if (!value || !strcmp(value, first) || !strcmp(value, second)) return EXIT_OK;
    strcat(strcat(strcpy(both, first), " "), second);
    hint_value(value, both);
    return fail(EXIT_USAGE, "%s expects %s or %s, found '%s'.", option, first, second, value);
}

static int check_together(const struct settings *s) {
    if (s->prune && strcmp(s->prune, "2:4") != 0)
        return fail(EXIT_USAGE, "--prune is '%s' where 2:4 is expected: two of four are kept.",
                    s->prune);
    if (s->bits > 0 && s->layer_bits == 8)
        return fail(EXIT_USAGE, "--bits is for int4, and --weights says int8.");
    if (s->effort && s->no_calibrate)
        return fail(EXIT_USAGE, "both --effort and --no-calibrate are given; --effort says how "
                                "much calibration does.");
    if (s->calibrate && s->no_calibrate)
        return fail(EXIT_USAGE, "both --calibrate and --no-calibrate are given.");
    if (s->draft_text && !s->draft_vocab)
        return fail(EXIT_USAGE, "--draft-text is for --draft-vocab.");
    if (s->draft_text && !s->draft_text[0])
        return fail(EXIT_USAGE, "--draft-text names an empty file.");
    if (s->calibrate && !s->calibrate[0])
        return fail(EXIT_USAGE, "--calibrate names an empty file.");
    return EXIT_OK;
}

int pack_options_check(struct settings *s) {
    if (s->version || s->man || s->completion) return EXIT_OK;
    int status = check_names(s);
    if (!status) status = check_word("--weights", s->weights, "int8", "int4");
    if (!status) status = check_word("--effort", s->effort, "quick", "full");
    if (!status && s->pre && !vocab_pre_find(s->pre, strlen(s->pre)))
        status =
            fail(EXIT_USAGE, "--pre is \"%s\", which is not one of " VOCAB_PRE_SOME ".", s->pre);
    if (!status && s->fim && !fim_form_named(s->fim))
        status = fail(EXIT_USAGE,
                      "--fim is \"%s\", which is not one of qwen, qwen-spm, codellama, "
                      "codellama-spm, starcoder, starcoder2, deepseek-coder and so on.",
                      s->fim);
    if (status) return status;
    if (s->weights) s->layer_bits = s->weights[3] == '8' ? 8 : 4;
    status = check_together(s);
    if (s->bits > 0) s->layer_bits = 4;
    return status;
}
