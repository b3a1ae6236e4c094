/* apus logits: writes the raw logits behind given ids to a file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "evaluation.h"
#include "fail_status.h"
#include "kit/json.h"
#include "kit/outfile.h"
#include "kit/progress.h"
#include "load.h"

/* A file of logits has no mark by which to recognise it, but a file with the mark of a model is
 * none and is not replaced. */
static bool is_no_model(int fd) {
    char magic[4] = "";
    return pread(fd, magic, sizeof magic, 0) != sizeof magic ||
           (memcmp(magic, "APUS", 4) != 0 && memcmp(magic, "GGUF", 4) != 0);
}

static const struct outfile_kind logits_kind = {"file of logits", is_no_model};

/* Evaluates some positions at a time, so that memory stays bounded for large vocabularies. */
static int write_logits(struct outfile *output, struct loaded *loaded, const struct ids *ids,
                        struct progress *progress) {
    const size_t vocab = loaded->info.vocab, run = evaluation_run(loaded->info.vocab);
    float *logits = malloc(run * vocab * sizeof *logits);
    if (!logits) return fail(EXIT_FAULT, "no memory left for %zu positions of logits.", run);
    int status = EXIT_OK;
    progress_phase(progress, "evaluating", (double)ids->count);
    uint64_t offset = 0;
    for (size_t at = 0; at < ids->count && !status; at += run) {
        size_t count = ids->count - at < run ? ids->count - at : run;
        progress_enter(progress, 0, "position %zu of %zu", at, ids->count);
        apus_status done = apus_eval(loaded->session, ids->ids + at, count, logits, NULL);
        if (done < 0)
            status = fail_status(done, "evaluating");
        else if (!outfile_put(output, offset, logits, count * vocab * sizeof *logits))
            status = fail(EXIT_FAULT, "%s.", output->why);
        offset += count * vocab * sizeof *logits;
        progress_step(progress, 0, (double)count);
    }
    free(logits);
    return status;
}

static int print_result(const struct loaded *loaded, const struct ids *ids,
                        const struct settings *settings, double seconds) {
    uint64_t bytes = (uint64_t)ids->count * loaded->info.vocab * sizeof(float);
    if (!settings->json) {
        printf("%s: %zu positions of %u logits, %" PRIu64 " bytes\n", settings->output, ids->count,
               loaded->info.vocab, bytes);
        return output_flush();
    }
    json_t *object = json_object();
    json_object_set_new(object, "output", json_bytes(settings->output, strlen(settings->output)));
    json_object_set_new(object, "positions", json_integer((json_int_t)ids->count));
    json_object_set_new(object, "vocab", json_integer(loaded->info.vocab));
    json_object_set_new(object, "bytes", json_integer((json_int_t)bytes));
    json_object_set_new(object, "seconds", json_number(seconds));
    return json_print(object);
}

static int evaluate(struct loaded *loaded, const struct ids *ids, const struct settings *settings) {
    struct outfile output;
    if (ids->count > loaded->info.max_positions)
        return fail(EXIT_USAGE, "%zu ids were given, but this model holds %u positions.",
                    ids->count, loaded->info.max_positions);
    int status = load_session(loaded, settings, (uint32_t)ids->count);
    if (!status && !outfile_open(&output, settings->output, &logits_kind))
        status = fail(EXIT_FAULT, "%s.", output.why);
    if (status) return status;
    uint64_t begin = now_ns();
    struct progress progress;
    command_progress(&progress, settings, "logits");
    status = write_logits(&output, loaded, ids, &progress);
    progress_end(&progress);
    if (!status && !outfile_commit(&output)) status = fail(EXIT_FAULT, "%s.", output.why);
    outfile_abandon(&output);
    return status ? status : print_result(loaded, ids, settings, (double)(now_ns() - begin) * 1e-9);
}

static int logits_main(const struct settings *settings) {
    struct loaded loaded;
    struct ids ids = {NULL, 0, 0};
    if (!settings->ids)
        return fail(EXIT_USAGE, "no ids were given: use --ids LIST, such as --ids 1,2,3.");
    if (!settings->output || !*settings->output)
        return fail(EXIT_USAGE, "no output was given: use -o OUT.f32.");
    if (!strcmp(settings->output, "-"))
        return fail(EXIT_USAGE, "-o expects a file, which takes its name when it is complete; "
                                "standard output (-) is none. A file of that name is ./-");
    int status = load_blob(&loaded, settings->model);
    if (status) return status;
    status = input_ids(&ids, settings->ids, loaded.info.vocab);
    if (!status) status = evaluate(&loaded, &ids, settings);
    free(ids.ids);
    unload(&loaded);
    return status;
}

static const struct option options[] = {
    OPTION_MODEL,
    OPTION_IDS,
    {"-o", "--output", OPTION_STRING, offsetof(struct settings, output), 0, 0, "FILE",
     "where to write; the file appears when it is complete", "where to write"},
    OPTION_KV,
};

const struct command command_logits = {
    .name = "logits",
    .summary = "write the raw logits behind token ids",
    .usage = "MODEL.apus --ids LIST -o OUT.f32",
    .description = "Writes float32 values in the machine's byte order, [positions][vocabulary]: "
                   "row i is what the model says of the token after id i. "
                   "Nothing is put in front of the ids.\n\nWith --json: output, positions, vocab, "
                   "bytes, seconds.",
    .example = "apus logits model.apus --ids 1604,803,24 -o logits.f32",
    .options = options,
    .options_count = COUNT_OF(options),
    .operands = {OPERAND_MODEL},
    .main = logits_main,
};
