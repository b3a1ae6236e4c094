/* apus compare: how far a model's predictions of a text are from those of a reference. The
 * reference is another blob with the same vocabulary, or a file of logits.
 *
 * The text is tokenized and cut into windows as by `apus perplexity`. KL(reference || model) in
 * nats and agreement of the likeliest token are over all positions, the perplexities over the
 * second half of each window. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "evaluation.h"
#include "fail_status.h"
#include "interrupt.h"
#include "kit/json.h"
#include "kit/progress.h"
#include "load.h"

/* One of the two that are compared: a model, or a file of float32 [positions][vocabulary]. */
struct side {
    struct loaded loaded;
    FILE *file;
    const char *name;
    float *logits; /* of the positions that are evaluated at a time */
};

struct comparison {
    double *kl; /* [positions] */
    uint64_t positions, same, scored;
    double surprise[2]; /* sums of -ln p, of the reference and of the model */
    size_t windows, length, run;
};

/* ------------------------------------------------------------------------------ one position -- */

/* The natural logarithm of the sum of exp, and the index of the largest logit (of equal ones the
 * lower). */
static double log_sum(const float *logits, uint32_t vocab, uint32_t *best) {
    *best = 0;
    for (uint32_t i = 1; i < vocab; i++)
        if (logits[i] > logits[*best]) *best = i;
    double max = logits[*best], sum = 1; /* exp(0), of the largest itself */
    for (uint32_t i = 0; i < vocab; i++)
        if (i != *best) sum += exp((double)logits[i] - max);
    return max + log(sum);
}

/* next: the token that follows, or -1 if the position is not scored. */
static void compare_position(struct comparison *c, const float *reference, const float *model,
                             uint32_t vocab, int32_t next) {
    uint32_t best[2];
    double total[2] = {log_sum(reference, vocab, &best[0]), log_sum(model, vocab, &best[1])},
           kl = 0;
    for (uint32_t i = 0; i < vocab; i++) {
        double p = (double)reference[i] - total[0], q = (double)model[i] - total[1];
        kl += exp(p) * (p - q);
    }
    c->kl[c->positions++] = kl > 0 ? kl : 0; /* it is negative only by rounding */
    c->same += best[0] == best[1];
    if (next < 0) return;
    c->surprise[0] += total[0] - (double)reference[next];
    c->surprise[1] += total[1] - (double)model[next];
    c->scored++;
}

/* ----------------------------------------------------------------------------------- windows -- */

/* Evaluates ids, or reads their logits from the file. Returns APUS_PARTIAL if an interrupt came;
 * for a failure a sentence was printed. */
static apus_status side_evaluate(struct side *side, const int32_t *ids, size_t count,
                                 size_t vocab) {
    if (!side->file) {
        apus_status done = apus_eval(side->loaded.session, ids, count, side->logits, NULL);
        if (done < 0) fail_status(done, "evaluating");
        if (done != APUS_OK) return done;
    } else if (fread(side->logits, sizeof *side->logits, count * vocab, side->file) !=
               count * vocab) {
        fail(EXIT_FAULT, "'%s' ends too early.", side->name);
        return APUS_E_FORMAT;
    }
    for (size_t i = 0; i < count * vocab; i++) {
        if (isfinite(side->logits[i])) continue;
        fail(EXIT_FAULT,
             side->file ? "'%s' holds values that are not finite."
                        : "'%s' has no logits for some ids: its head has fewer rows.",
             side->name);
        return APUS_E_FORMAT;
    }
    return APUS_OK;
}

/* Phases of the progress. The first two are also the indices of the sides. */
enum { REFERENCE, MODEL, COMPARING };

static apus_status compare_window(struct comparison *c, struct side side[2], const int32_t *ids,
                                  uint32_t vocab, struct progress *progress) {
    for (int s = 0; s < 2; s++) {
        apus_session *session = side[s].loaded.session;
        apus_status done = session ? apus_rewind(session, 0) : APUS_OK;
        if (done < 0) fail_status(done, "beginning a window");
        if (done < 0) return done;
    }
    for (size_t at = 0; at < c->length; at += c->run) {
        size_t count = c->length - at < c->run ? c->length - at : c->run;
        for (int s = 0; s < 2; s++) {
            apus_status done = side_evaluate(&side[s], ids + at, count, vocab);
            if (done != APUS_OK) return done;
            progress_step(progress, s, (double)count);
        }
        for (size_t i = 0; i < count; i++) {
            size_t position = at + i;
            int32_t next =
                position >= c->length / 2 && position + 1 < c->length ? ids[position + 1] : -1;
            compare_position(c, side[0].logits + i * vocab, side[1].logits + i * vocab, vocab,
                             next);
        }
        progress_step(progress, COMPARING, (double)count);
    }
    return APUS_OK;
}

/* Compares whole windows: all of them, or until an interrupt. */
static int compare_all(struct comparison *c, struct side side[2], struct ids *ids,
                       const struct settings *settings) {
    const apus_info *info = &side[1].loaded.info;
    const double positions = (double)(c->windows * c->length);
    struct progress progress;
    size_t windows = c->windows;
    apus_status done = APUS_OK;
    command_progress(&progress, settings, "compare");
    for (int phase = REFERENCE; phase <= COMPARING; phase++)
        progress_phase(&progress, "comparing", positions);
    interrupt_watch(side[0].loaded.session, side[1].loaded.session);
    c->windows = 0;
    while (c->windows < windows && done == APUS_OK && !interrupt_status()) {
        int32_t *window = ids->ids + c->windows * c->length;
        struct comparison with = *c;
        if (c->windows)
            progress_enter(&progress, COMPARING, "window %zu of %zu, agreement %.1f %%",
                           c->windows + 1, windows, 100 * (double)c->same / (double)c->positions);
        else
            progress_enter(&progress, COMPARING, "window 1 of %zu", windows);
        if (info->add_bos && info->bos >= 0) window[0] = info->bos;
        done = compare_window(&with, side, window, info->vocab, &progress);
        with.windows++;
        if (done == APUS_OK) *c = with;
    }
    interrupt_watch(NULL, NULL);
    progress_end(&progress);
    if (done < 0) return EXIT_FAULT;
    return c->windows ? EXIT_OK
                      : fail(interrupt_status(), "interrupted before the first window was done.");
}

/* ----------------------------------------------------------------------------------- results -- */

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int print_result(const struct comparison *c, double seconds,
                        const struct settings *settings) {
    double mean = 0, count = (double)c->positions, scored = (double)c->scored;
    for (uint64_t i = 0; i < c->positions; i++) mean += c->kl[i] / count;
    qsort(c->kl, (size_t)c->positions, sizeof *c->kl, by_size);
    double p99 = c->kl[(c->positions - 1) * 99 / 100],
           perplexity[2] = {exp(c->surprise[0] / scored), exp(c->surprise[1] / scored)};
    if (!settings->json) {
        printf("KL %.5f mean, %.5f 99th percentile; same likeliest token %.2f %%; perplexity %.4f, "
               "of the reference %.4f\n"
               "%" PRIu64 " positions, %zu windows of %zu (%.1f s)\n",
               mean, p99, 100 * (double)c->same / count, perplexity[1], perplexity[0], c->positions,
               c->windows, c->length, seconds);
        return output_flush();
    }
    json_t *object = json_object();
    json_object_set_new(object, "kl", json_number(mean));
    json_object_set_new(object, "kl_p99", json_number(p99));
    json_object_set_new(object, "top1", json_number((double)c->same / count));
    json_object_set_new(object, "perplexity", json_number(perplexity[1]));
    json_object_set_new(object, "perplexity_reference", json_number(perplexity[0]));
    json_object_set_new(object, "positions", json_integer((json_int_t)c->positions));
    json_object_set_new(object, "windows", json_integer((json_int_t)c->windows));
    json_object_set_new(object, "ctx", json_integer((json_int_t)c->length));
    json_object_set_new(object, "seconds", json_number(seconds));
    if (interrupt_status()) json_object_set_new(object, "interrupted", json_true());
    return json_print(object);
}

/* ------------------------------------------------------------------------------------- sides -- */

/* Opens a regular file. It is read from its beginning more than once, which a pipe does not
 * allow. */
static FILE *open_regular(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        fail(EXIT_FAULT, "cannot open '%s': %s.", path, strerror(errno));
        return NULL;
    }
    FILE *file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? fdopen(fd, "rb") : NULL;
    if (file) return file;
    fail(EXIT_FAULT, "'%s' is not a regular file; a reference must be one.", path);
    close(fd);
    return NULL;
}

static int open_logits(struct side *side, const char *path, size_t positions, size_t vocab) {
    side->file = open_regular(path);
    if (!side->file) return EXIT_FAULT;
    uint64_t expected = (uint64_t)positions * vocab * sizeof(float);
    off_t size = fseeko(side->file, 0, SEEK_END) ? -1 : ftello(side->file);
    if (size < 0 || (uint64_t)size != expected)
        return fail(EXIT_FAULT,
                    "'%s' has %lld bytes where %" PRIu64
                    " are expected: float32, %zu positions of %zu.",
                    path, (long long)size, expected, positions, vocab);
    rewind(side->file);
    return EXIT_OK;
}

static int open_reference(struct side *side, const struct side *model, const struct comparison *c,
                          const struct settings *settings) {
    side->name = settings->reference;
    char magic[4] = "";
    FILE *file = open_regular(side->name);
    if (!file) return EXIT_FAULT;
    int blob = fread(magic, 1, 4, file) == 4 && !memcmp(magic, "APUS", 4);
    fclose(file);
    if (!blob)
        return open_logits(side, side->name, c->windows * c->length, model->loaded.info.vocab);
    int status = load_blob(&side->loaded, side->name);
    if (status) return status;
    if (side->loaded.info.vocab != model->loaded.info.vocab)
        return fail(EXIT_FAULT,
                    "'%s' has %u vocabulary rows and '%s' has %u: they cannot be compared.",
                    side->name, side->loaded.info.vocab, model->name, model->loaded.info.vocab);
    if (side->loaded.info.max_positions < c->length)
        return fail(EXIT_FAULT,
                    "'%s' holds %u positions, fewer than a window of %zu; give a smaller --ctx.",
                    side->name, side->loaded.info.max_positions, c->length);
    struct settings usual = *settings; /* --kv is the model's */
    usual.kv_bits = usual.v_bits = 0;
    return load_session(&side->loaded, &usual, (uint32_t)c->length);
}

static int evaluate(struct side side[2], struct ids *ids, const struct settings *settings) {
    struct comparison c = {0};
    const uint32_t vocab = side[1].loaded.info.vocab;
    int status = evaluation_window(&c.length, ids, side[1].loaded.info.max_positions, settings);
    if (status) return status;
    c.windows = ids->count / c.length, c.run = evaluation_run(vocab);
    status = open_reference(&side[0], &side[1], &c, settings);
    if (!status) status = load_session(&side[1].loaded, settings, (uint32_t)c.length);
    if (status) return status;
    c.kl = malloc(c.windows * c.length * sizeof *c.kl);
    for (int s = 0; s < 2; s++) side[s].logits = malloc(c.run * vocab * sizeof(float));
    uint64_t begin = now_ns();
    status = c.kl && side[0].logits && side[1].logits
                 ? compare_all(&c, side, ids, settings)
                 : fail(EXIT_FAULT, "no memory left for %zu positions of logits.", c.run);
    if (!status && c.kl) status = print_result(&c, (double)(now_ns() - begin) * 1e-9, settings);
    free(c.kl);
    return status ? status : interrupt_status();
}

static int compare_main(const struct settings *settings) {
    struct side side[2] = {0};
    struct ids ids = {NULL, 0, 0};
    if (!settings->reference && settings->model) {
        fail_hint("Give it behind the model or with --reference: a blob of the same vocabulary, or "
                  "a file of logits.");
        return fail(EXIT_USAGE, "no reference was given.");
    }
    int status = load_blob(&side[1].loaded, settings->model);
    if (status) return status;
    side[1].name = settings->model;
    status = input_text_ids(&ids, &side[1].loaded.blob, settings, true, 0,
                            "Give a file with -f, or use a pipe.");
    if (!status) status = evaluate(side, &ids, settings);
    for (int s = 0; s < 2; s++) {
        free(side[s].logits);
        if (side[s].file) fclose(side[s].file);
        unload(&side[s].loaded);
    }
    free(ids.ids);
    return status;
}

static const struct option options[] = {
    OPTION_MODEL,
    OPTION_FILE,
    {NULL, "--reference", OPTION_STRING, offsetof(struct settings, reference), 0, 0, "FILE",
     "a blob of the same vocabulary, or float32 logits [positions][vocabulary] of the same windows "
     "one after the other",
     "a blob of the same vocabulary, or float32 logits"},
    OPTION_WINDOW,
    OPTION_KV,
};

const struct command command_compare = {
    .name = "compare",
    .summary = "measure how far a model is from a reference on a text",
    .usage = "MODEL.apus REFERENCE -f FILE [--ctx N]",
    .description =
        "Cuts the tokens of the text into windows of N as perplexity does. Prints the "
        "mean and the 99th percentile of KL(reference || "
        "model) "
        "in nats and how often both find the same token likeliest, over all positions; "
        "and both perplexities, over the second half of each "
        "window. --kv is for the model alone; the reference's cache has 8 bits.\n\n"
        "With --json: kl, kl_p99, top1 (a part of 1), perplexity, perplexity_reference, "
        "positions, windows, ctx, seconds; "
        "interrupted where an interrupt (Ctrl-C) ended it, with the windows done until then.",
    .example = "apus compare int4.apus int8.apus -f text.txt",
    .options = options,
    .options_count = COUNT_OF(options),
    .surplus = SURPLUS_TEXT,
    .operands = {OPERAND_MODEL, {"REFERENCE", offsetof(struct settings, reference), 0}},
    .main = compare_main,
};
