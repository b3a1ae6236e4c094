/* apus perplexity: how well the model predicts a text, by the definition of llama.cpp's tool, so
 * that figures can be compared.
 *
 * The whole text is tokenized, with BOS in front if the model wants one, and cut into windows of N
 * tokens; tokens that do not fill a window are dropped. Each window is a context of its own, in
 * which BOS replaces the first token (if the model wants BOS). Positions N/2 .. N-2 are scored,
 * each by the probability of the token after it, which gives N - 1 - N/2 scores for each window.
 * Perplexity is exp of the mean of -ln p. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "evaluation.h"
#include "fail_status.h"
#include "interrupt.h"
#include "kit/json.h"
#include "kit/progress.h"
#include "load.h"

struct scores {
    double sum, sum_squares; /* of -ln p */
    uint64_t count;
    size_t windows;
};

/* -ln of the probability of `id` under softmax of the logits, in double. */
static double surprise(const float *logits, uint32_t vocab, int32_t id) {
    double max = logits[0];
    for (uint32_t i = 1; i < vocab; i++)
        if (logits[i] > max) max = logits[i];
    double sum = exp((double)logits[0] - max);
    for (uint32_t i = 1; i < vocab; i++) sum += exp((double)logits[i] - max);
    return log(sum) - ((double)logits[id] - max);
}

/* Phases of the progress: the first halves of windows, which give no logits, and the second. */
enum { READING, SCORING };
enum { STRETCH = 1024 }; /* positions between two reports of progress */

/* Scores one window. The first half is only context. The second half is evaluated in runs of `run`
 * positions, whose logits fit into the buffer. */
static apus_status score_window(struct scores *scores, struct loaded *loaded, const int32_t *ids,
                                size_t n, float *logits, struct progress *progress) {
    uint32_t vocab = loaded->info.vocab;
    const size_t run = evaluation_run(vocab), half = n / 2;
    apus_status done = apus_rewind(loaded->session, 0);
    for (size_t at = 0; at < half && done == APUS_OK; at += STRETCH) {
        size_t count = half - at < STRETCH ? half - at : STRETCH;
        done = apus_eval(loaded->session, ids + at, count, NULL, NULL);
        progress_step(progress, READING, (double)count);
    }
    for (size_t at = half; at < n - 1 && done == APUS_OK; at += run) {
        size_t count = n - 1 - at < run ? n - 1 - at : run;
        done = apus_eval(loaded->session, ids + at, count, logits, NULL);
        for (size_t i = 0; i < count && done == APUS_OK; i++) {
            double s = surprise(logits + i * vocab, vocab, ids[at + i + 1]);
            scores->sum += s;
            scores->sum_squares += s * s;
            scores->count++;
        }
        progress_step(progress, SCORING, (double)count);
    }
    return done;
}

/* Scores whole windows: all of them, or until an interrupt. */
static int score(struct scores *scores, struct loaded *loaded, const struct ids *ids, size_t n,
                 const struct settings *settings) {
    const uint32_t vocab = loaded->info.vocab;
    const size_t windows = ids->count / n, run = evaluation_run(vocab);
    float *logits = malloc(run * vocab * sizeof *logits);
    if (!logits) return fail(EXIT_FAULT, "no memory left for %zu positions of logits.", run);
    struct progress progress;
    command_progress(&progress, settings, "perplexity");
    progress_phase(&progress, "evaluating", (double)(windows * (n / 2)));
    progress_phase(&progress, "evaluating", (double)(windows * (n - 1 - n / 2)));
    apus_status done = APUS_OK;
    interrupt_watch(loaded->session, NULL);
    for (size_t w = 0; w < windows && done == APUS_OK && !interrupt_status(); w++) {
        int32_t *window = ids->ids + w * n;
        struct scores with = *scores;
        progress_enter(&progress, SCORING,
                       w ? "window %zu of %zu, perplexity %.4f" : "window %zu of %zu", w + 1,
                       windows, exp(scores->sum / (double)scores->count));
        if (loaded->info.add_bos && loaded->info.bos >= 0) window[0] = loaded->info.bos;
        done = score_window(&with, loaded, window, n, logits, &progress);
        with.windows++;
        if (done == APUS_OK) *scores = with;
    }
    interrupt_watch(NULL, NULL);
    progress_end(&progress);
    free(logits);
    if (done < 0) return fail_status(done, "evaluating");
    if (!isfinite(scores->sum))
        return fail(EXIT_FAULT,
                    "the text has ids that the model's head has no row for: it was made "
                    "to propose for another model, and has no perplexity.");
    return scores->windows
               ? EXIT_OK
               : fail(interrupt_status(), "interrupted before the first window was done.");
}

static int print_result(const struct scores *scores, size_t n, double seconds,
                        const struct settings *settings) {
    double count = (double)scores->count, mean = scores->sum / count;
    double variance = scores->sum_squares / count - mean * mean;
    double error = scores->count > 1 && variance > 0 ? exp(mean) * sqrt(variance / (count - 1)) : 0;
    if (!settings->json) {
        printf("perplexity %.4f +/- %.4f over %" PRIu64
               " tokens, the second halves of %zu windows of %zu (%.1f s)\n",
               exp(mean), error, scores->count, scores->windows, n, seconds);
        return output_flush();
    }
    json_t *object = json_object();
    json_object_set_new(object, "perplexity", json_number(exp(mean)));
    json_object_set_new(object, "error", json_number(error));
    json_object_set_new(object, "nll", json_number(mean));
    json_object_set_new(object, "tokens", json_integer((json_int_t)scores->count));
    json_object_set_new(object, "windows", json_integer((json_int_t)scores->windows));
    json_object_set_new(object, "ctx", json_integer((json_int_t)n));
    json_object_set_new(object, "seconds", json_number(seconds));
    if (interrupt_status()) json_object_set_new(object, "interrupted", json_true());
    return json_print(object);
}

static int evaluate(struct loaded *loaded, const struct ids *ids, const struct settings *settings) {
    struct scores scores = {0, 0, 0, 0};
    size_t n;
    int status = evaluation_window(&n, ids, loaded->info.max_positions, settings);
    if (!status) status = load_session(loaded, settings, (uint32_t)n);
    uint64_t begin = now_ns();
    if (!status) status = score(&scores, loaded, ids, n, settings);
    if (!status) status = print_result(&scores, n, (double)(now_ns() - begin) * 1e-9, settings);
    return status ? status : interrupt_status();
}

static int perplexity_main(const struct settings *settings) {
    struct loaded loaded;
    struct ids ids = {NULL, 0, 0};
    int status = load_blob(&loaded, settings->model);
    if (status) return status;
    status = input_text_ids(&ids, &loaded.blob, settings, true, 0,
                            "Give a file behind the model or with -f, or use a pipe.");
    if (!status) status = evaluate(&loaded, &ids, settings);
    free(ids.ids);
    unload(&loaded);
    return status;
}

static const struct option options[] = {
    OPTION_MODEL,
    OPTION_FILE,
    OPTION_WINDOW,
    OPTION_KV,
};

const struct command command_perplexity = {
    .name = "perplexity",
    .summary = "measure how well the model foretells a text",
    .usage = "MODEL.apus [FILE] [--ctx N]",
    .description = "Cuts the tokens of the text into windows of N, each with the model's "
                   "beginning-of-text token in place of its first where the "
                   "model "
                   "wants one, and scores the second half of each: the definition of llama.cpp's "
                   "tool. What does not fill a window is left out.\n\n"
                   "With --json: perplexity, error (standard error), nll (mean, nats), tokens "
                   "(that were scored), windows, ctx, seconds.",
    .example = "apus perplexity model.apus text.txt --ctx 512",
    .options = options,
    .options_count = COUNT_OF(options),
    .surplus = SURPLUS_TEXT,
    .operands = {OPERAND_MODEL, {"FILE", offsetof(struct settings, file), 0}},
    .main = perplexity_main,
};
