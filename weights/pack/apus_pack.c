/* apus-pack: a checkpoint becomes a blob. docs/man/apus-pack.1 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "apps/kit/shell_complete.h"
#include "apps/kit/exit.h"
#include "apps/kit/fail.h"
#include "apps/kit/help.h"
#include "apus/apus.h"
#include "weights/pack/header.h"
#include "weights/pack/pack.h"
#include "weights/pack/pack_options.h"

static const struct program apus_pack;

static int pack_main(const struct settings *settings) {
    struct diag d = {0};
    if (settings->man) return help_man(&apus_pack);
    if (settings->completion) return shell_complete(&apus_pack, settings->completion);
    if (settings->version)
        printf("%s %s\n", apus_pack.name, apus_pack.version);
    else if (!(settings->header ? header_write : pack)(settings, &d))
        return fail(EXIT_FAULT, "%s.", d.text);
    errno = 0;
    if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE)
        return fail(EXIT_FAULT, "standard output cannot be written.");
    return EXIT_OK;
}

static const struct command command_pack = {
    .name = "",
    .summary = "make the blob that apus runs from a checkpoint",
    .usage = "SOURCE -o OUT.apus [options], or BLOB --header OUT.h [options]",
    .description =
        "apus-pack reads a language model and writes it as one file in the layout the kernels "
        "want, with the tokenizer and the RoPE tables inside. SOURCE is a GGUF file, or a Hugging "
        "Face directory with config.json, safetensors and a tokenizer. What it does not understand "
        "it refuses by name. GGUF tensors may have any type from F64 to IQ1_S, TQ1_0, MXFP4 and "
        "NVFP4; safetensors are F64, F32, F16 and BF16. Heads of other sizes than multiples of 16 "
        "are filled up with zeros.\n\n"
        "Norms are folded into the weights, the residual stream and the values of attention are "
        "rotated, and weights are rounded to integers of 8 or 4 bits. Which errors matter is taken "
        "from text: its tokens run through the model as it is packed, tensor by tensor, and each "
        "weight is rounded with regard for the errors of those before it and for the inputs that "
        "the runtime will see. The same source and options give the same bytes, whatever the "
        "machine and the number of threads.\n\n"
        "Weights pass through in pieces. Without calibration memory stays near the size of the "
        "largest attention output or down projection as 32-bit floats; with calibration the "
        "activations of one layer over all windows and a square matrix of the largest width are "
        "added.\n\n"
        "The output is written beside its final name and takes that name when it is complete, on "
        "the disk and read back once. After an error or an interrupt nothing is left behind, "
        "unless work is kept: --resume. An existing file is replaced only if it is a blob or "
        "empty, and the new one keeps its mode. Links, directories, FIFOs and devices are refused, "
        "for --report as well. What a killed run left beside the output (OUT.tmp-PID-XXXXXX) is "
        "removed by the next one that writes the same output.",
    .example = "apus-pack SmolLM2-135M-Instruct.Q4_1.gguf -o smollm2.apus\n"
               "apus-pack CodeLlama-7b-hf/ -o codellama.apus --ctx 8192 --report codellama.json\n"
               "apus-pack target.apus --draft draft.apus --header pair.h --ctx 512 --threads 2",
    .surplus = "The output stands behind -o.",
    .options = pack_options,
    .options_count = PACK_OPTIONS,
    .operands = {{"SOURCE", offsetof(struct settings, source), 0}},
    .main = pack_main,
};
static const struct command *const commands[] = {&command_pack};

static const char *const statuses[] = {
    "0", "The blob is there.",
    "1", "A file is at fault, or memory is short; standard error says what was expected and found.",
    "2", "Wrong usage.",
    NULL};

static const struct program apus_pack = {
    .name = "apus-pack",
    .version = PROGRAM_VERSION(APUS_VERSION_MAJOR, APUS_VERSION_MINOR, APUS_VERSION_PATCH),
    .summary = "make the blob that apus runs from a checkpoint",
    .commands = commands,
    .commands_count = COUNT_OF(commands),
    .json = offsetof(struct settings, json),
    .quiet = offsetof(struct settings, quiet),
    .help = offsetof(struct settings, help),
    .resolve = pack_options_check,
    .made_by = "apus-pack --man",
    .statuses = statuses,
    .failures =
        "What may not be expected is said in notes on standard error, in the report and in the "
        "blob's provenance: positions cut at 32768, a --ctx that the model does "
        "not reach, weights that 4 bits round a second time, a missing tokenizer.\n\n"
        "Standard error tells how far the work is and what is left of all of it, by one estimate "
        "over measuring, calibrating, quantizing and writing: a line on a terminal, elsewhere one "
        "every ten seconds. One line about the result goes to standard output. With --json a "
        "failure is an object {\"error\": {code, status, command, message, hint}}, a note one "
        "{\"warning\": {command, message}}.",
    .see_also = "apus",
};

int main(int argc, char **argv) {
    struct settings settings = {0};
    signal(SIGPIPE, SIG_IGN); /* the blob is wanted even if nobody reads standard output any more */
    return command_line_run(&apus_pack, &settings, argc, argv);
}
