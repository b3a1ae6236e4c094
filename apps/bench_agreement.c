/* How often a draft chooses the same token as its target, for several ways of drawing. The target
 * writes a text. At each of its tokens the draft chooses with the same random numbers, as Apus
 * proposes. From both distributions it is computed what other ways would reach: independent draws,
 * which agree with probability sum p q, and rejection sampling, which accepts what the draft draws
 * with probability sum min(p, q). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_pair.h"
#include "fail_status.h"
#include "input.h"
#include "kit/json.h"
#include "kit/progress.h"
#include "load.h"

enum { AGREEMENT_TOKENS = 128, AGREEMENT_CONTEXT = 512 };
static const double temperatures[] = {0, 0.4, 0.8, 1};
enum { TEMPERATURES = COUNT_OF(temperatures) };

struct side {
    struct loaded loaded;
    double *p; /* [vocab] probabilities at the last choice */
    uint32_t vocab;
    double temperature;
};

struct sums {
    double tokens, shared, rejection, independent;
};

/* The logits callback: keeps the softmax of the raw logits at the temperature. At temperature 0 the
 * best id has probability 1. It changes no logits. */
static void save_probabilities(void *user, float *logits, uint32_t vocab, const int32_t *ids,
                               size_t count) {
    struct side *s = user;
    (void)ids, (void)count;
    uint32_t best = 0;
    double sum = 0;
    for (uint32_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best]) best = i;
    for (uint32_t i = 0; i < vocab; i++) {
        s->p[i] = s->temperature > 0 ? exp((logits[i] - (double)logits[best]) / s->temperature)
                                     : i == best;
        sum += s->p[i];
    }
    for (uint32_t i = 0; i < vocab; i++) s->p[i] /= sum;
}

static apus_status choose(struct side *s, const int32_t *ids, size_t count, uint64_t seed,
                          int32_t *id) {
    const apus_part part = {APUS_PART_IDS, 0, ids, count};
    const apus_sampling sampling = {.size = sizeof sampling,
                                    .temperature = (float)s->temperature,
                                    .max_tokens = 1,
                                    .ignore_end = 1,
                                    .seed = seed,
                                    .logits = save_probabilities,
                                    .logits_user = s};
    apus_piece piece = {.size = sizeof piece};
    apus_status status = apus_prompt(s->loaded.session, &part, 1, 0);
    if (status >= 0) status = apus_begin(s->loaded.session, &sampling);
    if (status >= 0) status = apus_next(s->loaded.session, &piece);
    if (status >= 0) *id = piece.ids[0];
    return status;
}

static apus_status compare(struct side *target, struct side *draft, const struct ids *prompt,
                           uint64_t seed, struct sums *sums) {
    int32_t ids[AGREEMENT_CONTEXT], proposed;
    size_t count = 0;
    uint32_t both = target->vocab < draft->vocab ? target->vocab : draft->vocab;
    for (; count < prompt->count; count++) ids[count] = prompt->ids[count];
    for (int i = 0; i < AGREEMENT_TOKENS; i++, count++) {
        apus_status status = choose(target, ids, count, seed, &ids[count]);
        if (status >= 0) status = choose(draft, ids, count, seed, &proposed);
        if (status < 0) return status;
        sums->tokens++;
        sums->shared += proposed == ids[count];
        for (uint32_t k = 0; k < both; k++) {
            sums->rejection += fmin(target->p[k], draft->p[k]);
            sums->independent += target->p[k] * draft->p[k];
        }
    }
    return APUS_OK;
}

static int report(const struct settings *settings, const struct sums sums[TEMPERATURES]) {
    json_t *rows = json_array();
    if (!settings->json)
        printf("temperature  tokens  shared noise  rejection sampling  independent draws\n");
    for (size_t t = 0; t < TEMPERATURES; t++) {
        const struct sums *s = &sums[t];
        double shared = s->shared / s->tokens, rejection = s->rejection / s->tokens,
               independent = s->independent / s->tokens;
        if (!settings->json)
            printf("%11.1f  %6.0f  %10.1f %%  %16.1f %%  %15.1f %%\n", temperatures[t], s->tokens,
                   100 * shared, 100 * rejection, 100 * independent);
        json_array_append_new(rows,
                              json_pack("{s:f,s:i,s:f,s:f,s:f}", "temperature", temperatures[t],
                                        "tokens", (int)s->tokens, "shared_noise", shared,
                                        "rejection", rejection, "independent", independent));
    }
    if (!settings->json) {
        json_decref(rows);
        return output_flush();
    }
    return json_print(json_pack("{s:o}", "agreement", rows));
}

static int open_side(struct side *s, const struct settings *settings, const char *path) {
    struct settings alone = *settings;
    alone.draft = NULL;
    int status = load_blob(&s->loaded, path);
    if (status) return status;
    s->vocab = s->loaded.info.vocab;
    s->p = calloc(s->vocab, sizeof *s->p);
    if (!s->p) return fail(EXIT_FAULT, "no memory left.");
    if (s->loaded.info.max_positions < AGREEMENT_CONTEXT)
        return fail(EXIT_FAULT, "'%s' holds %u positions, too few to measure: it takes %d.", path,
                    s->loaded.info.max_positions, AGREEMENT_CONTEXT);
    return load_session(&s->loaded, &alone, AGREEMENT_CONTEXT);
}

/* Checks that the same ids mean the same text for both models. */
static int check_pair(const struct side *target, const struct side *draft) {
    const apus_config config = {
        .size = sizeof config, .model = target->loaded.model, .draft = draft->loaded.model};
    apus_memory need = {.size = sizeof need};
    apus_status status = apus_measure(&config, &need);
    if (status == APUS_E_MISMATCH)
        return fail(EXIT_FAULT, "'%s' cannot draft for '%s': %s.", draft->loaded.path,
                    target->loaded.path, fail_logged());
    return status < 0 ? fail_status(status, "pairing the models") : EXIT_OK;
}

static int compare_prompts(struct side *target, struct side *draft, struct sums sums[TEMPERATURES],
                           struct progress *progress) {
    progress_phase(progress, "comparing", (double)BENCH_PROMPTS * TEMPERATURES);
    for (size_t i = 0; i < BENCH_PROMPTS; i++) {
        const apus_part parts[] = {{APUS_PART_BOS, 0, NULL, 0},
                                   {APUS_PART_TEXT, 0, bench_prompts[i], strlen(bench_prompts[i])}};
        struct ids prompt = {NULL, 0, 0};
        int status = input_tokenize(&prompt, &target->loaded.blob, parts, 2);
        apus_status done = APUS_OK;
        if (!status && prompt.count + AGREEMENT_TOKENS > AGREEMENT_CONTEXT)
            status = fail(EXIT_FAULT, "this tokenizer makes a prompt too long.");
        for (size_t t = 0; t < TEMPERATURES && !status && done >= 0; t++) {
            target->temperature = draft->temperature = temperatures[t];
            progress_enter(progress, 0, "prompt %zu of %d, temperature %g", i + 1,
                           (int)BENCH_PROMPTS, temperatures[t]);
            done = compare(target, draft, &prompt, i + 1, &sums[t]);
            progress_step(progress, 0, 1);
        }
        free(prompt.ids);
        if (!status && done < 0) status = fail_status(done, "comparing");
        if (status) return status;
    }
    return EXIT_OK;
}

int bench_agreement(const struct settings *settings) {
    struct sums sums[TEMPERATURES] = {{0, 0, 0, 0}};
    struct side sides[2], *target = &sides[0], *draft = &sides[1];
    memset(sides, 0, sizeof sides);
    int status = open_side(target, settings, settings->model);
    if (!status) status = open_side(draft, settings, settings->draft);
    if (!status) status = check_pair(target, draft);
    struct progress progress;
    command_progress(&progress, settings, "bench");
    if (!status) status = compare_prompts(target, draft, sums, &progress);
    progress_end(&progress);
    if (!status) status = report(settings, sums);
    for (int i = 1; i >= 0; i--) {
        if (sides[i].loaded.map.data) unload(&sides[i].loaded);
        free(sides[i].p);
    }
    return status;
}
