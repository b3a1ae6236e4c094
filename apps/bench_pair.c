#include "bench_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apus/port.h"
#include "bench/roof.h"
#include "fail_status.h"
#include "input.h"
#include "kit/json.h"
#include "kit/progress.h"
#include "load.h"

enum { TURNS = 5, PAIR_CONTEXT = 512, PAIR_TOKENS = 96, PAIR_TURNS = 25 };

static double seconds_since(uint64_t begin) { return (double)(now_ns() - begin) * 1e-9; }

/* -------------------------------------------------------------------------------------- pair -- */

const char *const bench_prompts[] = {
    "def fibonacci(n):\n    if n < 2:\n        return n\n",
    "#include <stdio.h>\n\nint main(void) {\n    /* Print the numbers from 1 to 10 */\n",
    "import json\n\ndef load(path):\n    \"\"\"Reads a JSON file and returns its content.\"\"\"\n",
    "The history of the steam engine begins with",
};
enum { PROMPTS = COUNT_OF(bench_prompts) };
_Static_assert((int)PROMPTS == BENCH_PROMPTS, "as the header says");

/* Numbers of proposals. 0: none; AUTO: the session chooses. */
static const uint32_t proposals[] = {0, 16, 1, 2, 3, 4, 5, 7, 10, 15};
enum { PROPOSAL_COUNTS = COUNT_OF(proposals), AUTO = 16 };
static const double temperatures[] = {0, 0.8};
enum { TEMPERATURES = COUNT_OF(temperatures) };

struct cell {
    double seconds[PAIR_TURNS * PROMPTS]; /* for a token */
    size_t count;
    uint64_t tokens, rounds, proposed, accepted, hash;
    double ms, rest_ms; /* time in apus_next, and of that the time outside of model passes */
};

static apus_status generate(struct loaded *loaded, const struct ids *prompt, double temperature,
                            struct cell *cell, size_t index) {
    const apus_part part = {APUS_PART_IDS, 0, prompt->ids, prompt->count};
    const apus_sampling sampling = {.size = sizeof sampling,
                                    .temperature = (float)temperature,
                                    .max_tokens = PAIR_TOKENS,
                                    .ignore_end = 1,
                                    .want_hash = 1,
                                    .seed = index + 1};
    apus_piece piece = {.size = sizeof piece};
    apus_stats s = {.size = sizeof s};
    apus_status status = apus_prompt(loaded->session, &part, 1, 0);
    if (status >= 0) status = apus_begin(loaded->session, &sampling);
    do
        if (status >= 0) status = apus_next(loaded->session, &piece);
    while (status >= 0 && !piece.stop);
    if (status >= 0) status = apus_get_stats(loaded->session, &s);
    if (status < 0) return status;
    uint64_t passes_ns = s.draft_ns + s.draft_prompt_ns + s.verify_ns;
    cell->seconds[cell->count++] = (double)s.next_ns * 1e-9 / (double)s.new_tokens;
    cell->tokens += s.new_tokens, cell->rounds += s.rounds, cell->proposed += s.proposed,
        cell->accepted += s.accepted;
    cell->hash = cell->hash * 31 + s.logits_hash;
    cell->ms += (double)s.next_ns * 1e-6;
    cell->rest_ms += (double)(s.next_ns - passes_ns) * 1e-6;
    return APUS_OK;
}

/* Completes one prompt at all temperatures with every number of proposals, one after the other. */
static int sweep_prompt(const struct settings *given, size_t index,
                        struct cell cells[TEMPERATURES][PROPOSAL_COUNTS],
                        struct progress *progress) {
    const apus_part parts[] = {
        {APUS_PART_BOS, 0, NULL, 0},
        {APUS_PART_TEXT, 0, bench_prompts[index], strlen(bench_prompts[index])}};
    for (size_t n = 0; n < PROPOSAL_COUNTS; n++) {
        struct settings settings = *given;
        struct loaded loaded;
        struct ids ids = {NULL, 0, 0};
        settings.proposals = proposals[n] == AUTO ? 0 : proposals[n];
        if (!proposals[n]) settings.draft = NULL;
        int status = load_blob(&loaded, settings.model);
        if (status) return status;
        status = load_session(&loaded, &settings,
                              PAIR_CONTEXT < loaded.info.max_positions ? PAIR_CONTEXT
                                                                       : loaded.info.max_positions);
        if (status) return status;
        status = input_tokenize(&ids, &loaded.blob, parts, 2);
        for (size_t t = 0; t < TEMPERATURES && !status; t++) {
            apus_status done = generate(&loaded, &ids, temperatures[t], &cells[t][n], index);
            if (done < 0) status = fail_status(done, "generating");
        }
        free(ids.ids);
        unload(&loaded);
        if (status) return status;
        progress_step(progress, 0, 1);
    }
    return EXIT_OK;
}

static double share(double part, double of) { return of > 0 ? part / of : 0; }

/* The median of the speed-ups over the plain run of the same prompt in the same turn, since a
 * machine that slows down for a while slows both. */
static double speedup_of(const struct cell *plain, const struct cell *c) {
    double ratios[PAIR_TURNS * PROMPTS] = {0};
    for (size_t i = 0; i < c->count; i++) ratios[i] = share(plain->seconds[i], c->seconds[i]);
    return roof_median(ratios, c->count);
}

static int report_pair(const struct settings *settings,
                       struct cell cells[TEMPERATURES][PROPOSAL_COUNTS]) {
    json_t *rows = json_array();
    if (!settings->json)
        printf(
            "temperature  proposals  tokens/s  speed-up  accepted  tokens/round  outside passes\n");
    for (size_t t = 0; t < TEMPERATURES; t++) {
        const struct cell plain = cells[t][0]; /* a copy, because the cell's own values are sorted
                                                  below */
        for (size_t n = 0; n < PROPOSAL_COUNTS; n++) {
            struct cell *c = &cells[t][n];
            if (c->hash != cells[t][0].hash)
                return fail(
                    EXIT_FAULT,
                    "the text with %u proposals differs from the plain one: please report this.",
                    proposals[n]);
            double speedup = speedup_of(&plain, c), each = roof_median(c->seconds, c->count),
                   accepted = share((double)c->accepted, (double)c->proposed),
                   a_round = share((double)c->tokens, (double)c->rounds),
                   rest = share(c->rest_ms, c->ms);
            char name[16];
            snprintf(name, sizeof name, "%u", proposals[n]);
            if (proposals[n] == AUTO) snprintf(name, sizeof name, "auto");
            if (!settings->json)
                printf("%11.1f  %9s  %8.2f  %7.2fx  %7.0f%%  %12.2f  %13.1f%%\n", temperatures[t],
                       name, share(1, each), speedup, 100 * accepted, a_round, 100 * rest);
            json_array_append_new(rows, json_pack("{s:f,s:s,s:f,s:f,s:f,s:f,s:f}", "temperature",
                                                  temperatures[t], "proposals", name, "tps",
                                                  share(1, each), "speedup", speedup, "accepted",
                                                  accepted, "tokens_per_round", a_round,
                                                  "outside_passes", rest));
        }
    }
    if (!settings->json) {
        json_decref(rows);
        return output_flush();
    }
    return json_print(json_pack("{s:o,s:i,s:i,s:i}", "pair", rows, "prompts", (int)PROMPTS,
                                "tokens", (int)PAIR_TOKENS, "turns",
                                (int)(cells[0][0].count / PROMPTS)));
}

/* Takes turns as long as they fit into the time, and one in any case. */
static int measure_pair(const struct settings *settings,
                        struct cell cells[TEMPERATURES][PROPOSAL_COUNTS],
                        struct progress *progress) {
    const double budget = (double)settings->seconds, a_turn = PROMPTS * PROPOSAL_COUNTS;
    uint64_t begin = now_ns();
    progress_phase(progress, "measuring", a_turn);
    progress_expect(progress, budget);
    for (size_t turn = 0; turn < PAIR_TURNS; turn++) {
        double each = turn ? seconds_since(begin) / (double)turn : 0;
        if (turn && each * (double)(turn + 1) > budget) break;
        double turns =
            turn && budget / each < PAIR_TURNS ? (double)(size_t)(budget / each) : PAIR_TURNS;
        if (turn) progress_resize(progress, 0, a_turn * turns);
        for (size_t i = 0; i < PROMPTS; i++) {
            progress_enter(progress, 0, "turn %zu, prompt %zu of %d", turn + 1, i + 1,
                           (int)PROMPTS);
            int status = sweep_prompt(settings, i, cells, progress);
            if (status) return status;
        }
    }
    return EXIT_OK;
}

int bench_pair(const struct settings *settings) {
    static struct cell cells[TEMPERATURES][PROPOSAL_COUNTS];
    struct progress progress;
    command_progress(&progress, settings, "bench");
    int status = measure_pair(settings, cells, &progress);
    progress_end(&progress);
    return status ? status : report_pair(settings, cells);
}

/* ------------------------------------------------------------------------------------ replay -- */

enum { TRACE = 4096, REPLAY_ROUNDS = 8, BASE = 64, CALIBRATED_AT = 5 };
static const uint32_t replayed[] = {1, 3, 5, 7, 9, 12, 15};
enum { REPLAYED = COUNT_OF(replayed) };

/* Makes a trace: for each next token whether the draft would be right about it. Real acceptance
 * comes in bursts: in a good stretch nearly every proposal is accepted, in a bad one few are. */
static void make_trace(uint8_t good[TRACE], double to_good) {
    uint64_t state = 11;
    int in_good = 1;
    for (size_t i = 0; i < TRACE; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double a = (double)(state >> 40) * 0x1p-24;
        state = state * 6364136223846793005u + 1442695040888963407u;
        double b = (double)(state >> 40) * 0x1p-24;
        if (in_good ? a < 1.0 / 40 : a < to_good) in_good = !in_good;
        good[i] = b < (in_good ? 0.97 : 0.3);
    }
}

static void independent_trace(uint8_t good[TRACE], double alpha) {
    uint64_t state = 12;
    for (size_t i = 0; i < TRACE; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        good[i] = (double)(state >> 40) * 0x1p-24 < alpha;
    }
}

static uint32_t accepted_from(const uint8_t good[TRACE], size_t at, uint32_t k) {
    uint32_t n = 0;
    while (n < k && good[(at + n) % TRACE]) n++;
    return n;
}

/* Replays the whole trace with k proposals in a round. *tokens_a_round gets the tokens of a round;
 * returns the share of accepted proposals. */
static double walk(const uint8_t good[TRACE], uint32_t k, double *tokens_a_round) {
    size_t at = 0, rounds = 0, accepted = 0;
    for (; at < TRACE; rounds++) {
        uint32_t n = accepted_from(good, at, k);
        accepted += n;
        at += n + 1;
    }
    *tokens_a_round = 1 + (double)accepted / (double)rounds;
    return (double)accepted / (double)(rounds * k);
}

/* The two-state trace whose share at CALIBRATED_AT proposals is alpha. */
static void calibrated_trace(uint8_t good[TRACE], double alpha) {
    double low = 0.0005, high = 1, tokens;
    for (int i = 0; i < 30; i++) {
        double middle = 0.5 * (low + high);
        make_trace(good, middle);
        if (walk(good, CALIBRATED_AT, &tokens) < alpha)
            low = middle;
        else
            high = middle;
    }
}

struct replay {
    struct loaded target, draft;
    float *logits;
    double plain[TURNS], step[TURNS], verify[REPLAYED][TURNS], round[REPLAYED][TURNS]; /* seconds */
};

static apus_status evaluate(struct loaded *loaded, uint32_t at, uint32_t count, float *logits,
                            double *seconds) {
    int32_t ids[16];
    for (uint32_t i = 0; i < count; i++) ids[i] = (int32_t)((at + i) * 7919u % loaded->info.vocab);
    apus_status status = apus_rewind(loaded->session, at);
    uint64_t begin = now_ns();
    if (status >= 0) status = apus_eval(loaded->session, ids, count, logits, NULL);
    *seconds += seconds_since(begin);
    return status;
}

/* Runs rounds as they would run: k draft steps and one verification; then both models go back. */
static apus_status replay_rounds(struct replay *r, uint32_t k, double *seconds) {
    apus_status status = APUS_OK;
    for (int i = 0; i < REPLAY_ROUNDS && status >= 0; i++) {
        for (uint32_t s = 0; s < k && status >= 0; s++)
            status = evaluate(&r->draft, BASE + s, 1, r->logits, seconds);
        if (status >= 0) status = evaluate(&r->target, BASE, k + 1, r->logits, seconds);
    }
    *seconds /= REPLAY_ROUNDS;
    return status;
}

static apus_status measure_turn(struct replay *r, size_t turn) {
    double ignored = 0;
    apus_status status = evaluate(&r->target, BASE, 1, r->logits, &ignored);
    for (size_t n = 0; n < REPLAYED && status >= 0; n++) {
        if (n == 0) status = evaluate(&r->target, BASE, 1, r->logits, &r->plain[turn]);
        if (status >= 0) status = evaluate(&r->draft, BASE, 1, r->logits, &ignored);
        if (n == 0 && status >= 0) status = evaluate(&r->draft, BASE, 1, r->logits, &r->step[turn]);
        if (status >= 0)
            status = evaluate(&r->target, BASE, replayed[n] + 1, r->logits, &r->verify[n][turn]);
        if (status >= 0) status = replay_rounds(r, replayed[n], &r->round[n][turn]);
    }
    return status;
}

static int report_replay(const struct settings *settings, struct replay *r) {
    static uint8_t bursts[TRACE], independent[TRACE];
    double alpha = settings->replay, plain = roof_median(r->plain, TURNS),
           step = roof_median(r->step, TURNS);
    json_t *rows = json_array();
    calibrated_trace(bursts, alpha);
    independent_trace(independent, alpha);
    if (!settings->json)
        printf("target %.2f ms a token, draft %.2f ms a step\n\nproposals  accepted  tokens/round  "
               "speed-up  ceiling   independent: "
               "speed-up  ceiling\n",
               plain * 1e3, step * 1e3);
    for (size_t n = 0; n < REPLAYED; n++) {
        uint32_t k = replayed[n];
        double tokens, tokens_alone, accepted = walk(bursts, k, &tokens),
                                     round = roof_median(r->round[n], TURNS),
                                     verify = roof_median(r->verify[n], TURNS);
        walk(independent, k, &tokens_alone);
        double ideal = verify + k * step;
        if (!settings->json)
            printf("%9u  %7.0f%%  %12.2f  %7.2fx  %6.2fx  %20.2fx  %6.2fx\n", k, 100 * accepted,
                   tokens, tokens * plain / round, tokens * plain / ideal,
                   tokens_alone * plain / round, tokens_alone * plain / ideal);
        json_array_append_new(
            rows, json_pack("{s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "proposals", (int)k, "accepted",
                            accepted, "tokens_per_round", tokens, "verify_ms", verify * 1e3,
                            "speedup", tokens * plain / round, "ceiling", tokens * plain / ideal,
                            "independent_speedup", tokens_alone * plain / round,
                            "independent_ceiling", tokens_alone * plain / ideal));
    }
    if (!settings->json) {
        json_decref(rows);
        return output_flush();
    }
    return json_print(json_pack("{s:f,s:f,s:f,s:o}", "alpha", alpha, "target_ms", plain * 1e3,
                                "draft_ms", step * 1e3, "replay", rows));
}

static int replay_loaded(struct replay *r, const struct settings *settings) {
    struct settings alone = *settings;
    alone.draft = NULL;
    int status = load_session(&r->target, &alone, 128);
    if (!status) status = load_session(&r->draft, &alone, 128);
    if (status) return status;
    uint32_t vocab =
        r->target.info.vocab > r->draft.info.vocab ? r->target.info.vocab : r->draft.info.vocab;
    r->logits = malloc((size_t)16 * vocab * sizeof *r->logits);
    if (!r->logits) return fail(EXIT_FAULT, "no memory left.");
    struct loaded *both[] = {&r->target, &r->draft};
    apus_status done = APUS_OK;
    for (size_t m = 0; m < 2; m++) {
        double ignored = 0;
        for (uint32_t at = 0; at < BASE && done >= 0; at += 16)
            done = evaluate(both[m], at, 16, NULL, &ignored);
    }
    struct progress progress;
    command_progress(&progress, settings, "bench");
    progress_phase(&progress, "measuring", TURNS);
    for (size_t turn = 0; turn < TURNS && done >= 0; turn++) {
        progress_enter(&progress, 0, "turn %zu of %d", turn + 1, (int)TURNS);
        done = measure_turn(r, turn);
        progress_step(&progress, 0, 1);
    }
    progress_end(&progress);
    return done < 0 ? fail_status(done, "measuring") : report_replay(settings, r);
}

int bench_replay(const struct settings *settings) {
    struct replay *r = calloc(1, sizeof *r);
    if (!r) return fail(EXIT_FAULT, "no memory left.");
    int status = load_blob(&r->target, settings->model);
    if (!status) {
        status = load_blob(&r->draft, settings->draft);
        if (!status) {
            status = replay_loaded(r, settings);
            unload(&r->draft);
        }
        unload(&r->target);
    }
    free(r->logits);
    free(r);
    return status;
}
