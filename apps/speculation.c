#include "speculation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/fail.h"
#include "kit/hints.h"
#include "kit/json.h"

static int overlap_setting(struct settings *settings) {
    const char *text = settings->overlap_text;
    if (!text) return EXIT_OK;
    settings->overlap = !strcmp(text, "on") ? 1 : !strcmp(text, "off") ? -1 : 0;
    if (!settings->overlap && strcmp(text, "auto") != 0) {
        hint_value(text, "auto on off");
        return fail(EXIT_USAGE, "--overlap expects auto, on or off, found '%s'.", text);
    }
    return settings->draft ? EXIT_OK : fail(EXIT_USAGE, "--overlap needs a draft (-d FILE).");
}

int speculation_settings(struct settings *settings) {
    int status = overlap_setting(settings);
    if (status) return status;
    const char *text = settings->draft_tokens;
    if (!text || !strcmp(text, "auto")) return EXIT_OK;
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9') hint_value(text, "auto");
    if (*text < '0' || *text > '9' || *end || n < 1 || n > 15)
        return fail(EXIT_USAGE, "--draft-tokens expects auto or a number from 1 to 15, found '%s'.",
                    text);
    if (!settings->draft && !settings->lookup)
        return fail(EXIT_USAGE, "--draft-tokens needs a draft (-d FILE) or --lookup.");
    settings->proposals = n;
    return EXIT_OK;
}

static double share(uint64_t part, uint64_t of) { return of ? (double)part / (double)of : 0; }

/* Time in apus_next that neither the draft nor the target took. */
static double overhead_ms(const apus_stats *s) {
    uint64_t passes = s->draft_ns + s->draft_prompt_ns + s->verify_ns;
    return s->next_ns > passes ? (double)(s->next_ns - passes) * 1e-6 : 0;
}

void speculation_print(const apus_stats *s) {
    fprintf(stderr,
            "[proposed %llu, accepted %llu (%.0f %%), of %llu branches %llu, %.2f tokens a round; "
            "draft %.0f ms, verifying %.0f ms, the "
            "rest %.1f ms; off in %llu "
            "of %llu rounds]\n",
            (unsigned long long)s->proposed, (unsigned long long)s->accepted,
            100 * share(s->accepted, s->proposed), (unsigned long long)s->branches,
            (unsigned long long)s->branches_taken, share(s->new_tokens, s->rounds),
            (double)(s->draft_ns + s->draft_prompt_ns) * 1e-6, (double)s->verify_ns * 1e-6,
            overhead_ms(s), (unsigned long long)s->off_rounds, (unsigned long long)s->rounds);
    if (s->overlap_ns)
        fprintf(stderr,
                "[while verifying, for %.0f ms of it, the draft went on: %llu tokens ahead, %llu "
                "proposed]\n",
                (double)s->overlap_ns * 1e-6, (unsigned long long)s->ahead,
                (unsigned long long)s->ahead_kept);
}

void speculation_json(json_t *object, const apus_stats *s) {
    json_t *at = json_array();
    for (size_t i = 0; i < COUNT_OF(s->accepted_at) && s->proposed_at[i]; i++)
        json_array_append_new(at, json_number(share(s->accepted_at[i], s->proposed_at[i])));
    json_object_set_new(object, "rounds", json_integer((json_int_t)s->rounds));
    json_object_set_new(object, "proposed", json_integer((json_int_t)s->proposed));
    json_object_set_new(object, "accepted", json_integer((json_int_t)s->accepted));
    json_object_set_new(object, "accepted_at", at);
    json_object_set_new(object, "branches", json_integer((json_int_t)s->branches));
    json_object_set_new(object, "branches_taken", json_integer((json_int_t)s->branches_taken));
    json_object_set_new(object, "tokens_per_round", json_number(share(s->new_tokens, s->rounds)));
    json_object_set_new(object, "draft_ms", json_number((double)s->draft_ns * 1e-6));
    json_object_set_new(object, "draft_prompt_ms", json_number((double)s->draft_prompt_ns * 1e-6));
    json_object_set_new(object, "verify_ms", json_number((double)s->verify_ns * 1e-6));
    json_object_set_new(object, "overlap_ms", json_number((double)s->overlap_ns * 1e-6));
    json_object_set_new(object, "ahead", json_integer((json_int_t)s->ahead));
    json_object_set_new(object, "ahead_kept", json_integer((json_int_t)s->ahead_kept));
    json_object_set_new(object, "overhead_ms", json_number(overhead_ms(s)));
    json_object_set_new(object, "draft_off_rounds", json_integer((json_int_t)s->off_rounds));
}
