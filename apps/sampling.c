#include "sampling.h"

#include <string.h>
#include <sys/random.h>

#include "kit/escape.h"
#include "kit/fail.h"

int sampling_seed(struct settings *settings) {
    uint32_t seed;
    if (!settings->random_seed) return EXIT_OK;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return fail(EXIT_FAULT, "the system gives no random seed: give --seed N.");
    settings->seed = seed;
    return EXIT_OK;
}

int sampling_make(apus_sampling *sampling, apus_stop stops[APUS_STOPS_MAX],
                  const struct settings *settings) {
    if (settings->temperature > 0 && settings->temperature < 0.01)
        return fail(EXIT_USAGE, "--temp expects 0 or a number from 0.01 to 100, found %g.",
                    settings->temperature);
    if (settings->repeat_penalty > 0 && settings->repeat_penalty < 0.1)
        return fail(EXIT_USAGE, "--repeat-penalty expects a number from 0.1 to 10, found %g.",
                    settings->repeat_penalty);
    static char escaped[APUS_STOPS_MAX][64];
    for (size_t i = 0; i < settings->stops_count; i++) {
        const char *text = settings->stops[i];
        stops[i] = (apus_stop){text, strlen(text)};
        if (settings->escape) stops[i] = (apus_stop){escaped[i], escape_text(escaped[i], text)};
    }
    *sampling = (apus_sampling){.size = sizeof *sampling,
                                .temperature = (float)settings->temperature,
                                .top_k = (uint32_t)settings->top_k,
                                .top_p = (float)settings->top_p,
                                .min_p = (float)settings->min_p,
                                .repeat_penalty = (float)settings->repeat_penalty,
                                .repeat_last = (uint32_t)settings->repeat_last,
                                .seed = settings->seed,
                                .max_tokens = (uint32_t)settings->tokens,
                                .ignore_end = settings->ignore_eos,
                                .want_hash = settings->json,
                                .stops = stops,
                                .stops_count = (uint32_t)settings->stops_count};
    return EXIT_OK;
}
