/* apus perplexity: how well the model foretells a text, by the definition of llama.cpp's tool so that figures can be compared.
 *
 * The text is tokenized whole, BOS in front where the model wants one, and cut into windows of N tokens; what is left over is dropped. Each
 * window is a context of its own, its first token replaced by BOS (where the model wants one). Positions N/2 .. N-2 are scored, each on the
 * token after it: N - 1 - N/2 scores a window. Perplexity is exp of the mean of -ln p. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "fail.h"
#include "input.h"
#include "json.h"
#include "load.h"

struct scores {
    double sum, sum_squares; /* of -ln p */
    uint64_t count;
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

/* One window: the first half as context only, the second in runs of `run` positions, whose logits fit the buffer. */
static int score_window(struct scores *scores, struct loaded *loaded, const int32_t *ids, size_t n, float *logits, size_t run) {
    uint32_t vocab = loaded->info.vocab;
    apus_status done = apus_rewind(loaded->session, 0);
    if (done >= 0 && n / 2) done = apus_eval(loaded->session, ids, n / 2, NULL, NULL);
    for (size_t at = n / 2; at < n - 1 && done >= 0; at += run) {
        size_t count = n - 1 - at < run ? n - 1 - at : run;
        done = apus_eval(loaded->session, ids + at, count, logits, NULL);
        for (size_t i = 0; i < count && done >= 0; i++) {
            double s = surprise(logits + i * vocab, vocab, ids[at + i + 1]);
            scores->sum += s;
            scores->sum_squares += s * s;
            scores->count++;
        }
    }
    return done < 0 ? fail_status(done, "evaluating") : EXIT_OK;
}

static int score(struct scores *scores, struct loaded *loaded, const struct ids *ids, size_t n, const struct settings *settings) {
    size_t vocab = loaded->info.vocab, windows = ids->count / n;
    size_t most = ((size_t)64 << 20) / (vocab * sizeof(float));
    size_t run = most < 1 ? 1 : most > 128 ? 128 : most;
    int progress = !settings->json && isatty(STDERR_FILENO);
    float *logits = malloc(run * vocab * sizeof *logits);
    if (!logits) return fail(EXIT_FAULT, "no memory left for %zu positions of logits.", run);
    int status = EXIT_OK;
    for (size_t w = 0; w < windows && !status; w++) {
        int32_t *window = ids->ids + w * n;
        if (loaded->info.add_bos && loaded->info.bos >= 0) window[0] = loaded->info.bos;
        status = score_window(scores, loaded, window, n, logits, run);
        if (progress && !status)
            fprintf(stderr, "\rwindow %zu of %zu, perplexity %.4f ", w + 1, windows, exp(scores->sum / (double)scores->count));
    }
    if (progress) fputs("\r\033[K", stderr);
    free(logits);
    return status;
}

static int print_result(const struct scores *scores, size_t windows, size_t n, double seconds, const struct settings *settings) {
    double count = (double)scores->count, mean = scores->sum / count;
    double variance = scores->sum_squares / count - mean * mean;
    double error = scores->count > 1 && variance > 0 ? exp(mean) * sqrt(variance / (count - 1)) : 0;
    if (!settings->json) {
        printf("perplexity %.4f +/- %.4f over %" PRIu64 " tokens, the second halves of %zu windows of %zu (%.1f s)\n", exp(mean), error,
               scores->count, windows, n, seconds);
        return output_flush();
    }
    json_t *object = json_object();
    json_object_set_new(object, "perplexity", json_number(exp(mean)));
    json_object_set_new(object, "error", json_number(error));
    json_object_set_new(object, "nll", json_number(mean));
    json_object_set_new(object, "tokens", json_integer((json_int_t)scores->count));
    json_object_set_new(object, "windows", json_integer((json_int_t)windows));
    json_object_set_new(object, "ctx", json_integer((json_int_t)n));
    json_object_set_new(object, "seconds", json_number(seconds));
    return json_print(object);
}

static int evaluate(struct loaded *loaded, const struct ids *ids, const struct settings *settings) {
    uint32_t most = loaded->info.max_positions;
    size_t n = settings->context ? (size_t)settings->context : most < 512 ? most : 512;
    struct scores scores = {0, 0, 0};
    if (n > most) return fail(EXIT_USAGE, "--ctx %zu is more than the %u positions of this model.", n, most);
    if (n < 4) return fail(EXIT_USAGE, "windows of %zu tokens are too short to score; this takes 4.", n);
    if (ids->count < n)
        return fail(EXIT_FAULT, "the text has %zu tokens, fewer than one window of %zu: give a longer text or a smaller --ctx.", ids->count,
                    n);
    int status = load_session(loaded, settings, (uint32_t)n);
    uint64_t begin = now_ns();
    if (!status) status = score(&scores, loaded, ids, n, settings);
    return status ? status : print_result(&scores, ids->count / n, n, (double)(now_ns() - begin) * 1e-9, settings);
}

static int perplexity_main(const struct settings *settings) {
    struct loaded loaded;
    struct text text;
    struct ids ids = {NULL, 0};
    int status = load_blob(&loaded, settings->model);
    if (status) return status;
    status = input_text(&text, settings, "text",
                        "Give a file behind the model or with -f, or use a pipe.");
    if (!status) {
        const apus_part parts[] = {{APUS_BOS, 0, NULL, 0}, {APUS_TEXT, 0, text.bytes, text.count}};
        status = input_tokenize(&ids, &loaded.blob, parts, 2);
        free(text.bytes);
    }
    if (!status) status = evaluate(&loaded, &ids, settings);
    free(ids.ids);
    unload(&loaded);
    return status;
}

static const struct option options[] = {
    OPTION_MODEL,
    OPTION_FILE,
    {"-c", "--ctx", OPTION_COUNT, offsetof(struct settings, context), 4, 4294967295.0, "N",
     "tokens of a window (default: 512, or what the model holds if that is less)",
     "tokens of a window (default 512)"},
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
    .operands = {OPERAND_MODEL, {"FILE", offsetof(struct settings, file)}},
    .main = perplexity_main,
};
