/* Ids that come out of speculation have the target's distribution: softmax at the temperature,
 * truncated. Chi-square over 1e5 draws.
 *
 * The target here has no attention, so that its logits depend on the last id alone and its text is
 * a Markov chain whose transitions are known exactly. What is drawn at any position, from any
 * proposals, accepted or not, in any place of a round, is compared with them. Seeds are fixed: the
 * tests pass or fail for good. Ways to sample that are nearly right fail the same comparison. */
#include "tests/speculate/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VOCAB = 258, DRAWS = 100000, PLACES = 16, POOL = 5 };

static const struct tiny_spec chain_spec = {
    .layers = 1, .vocab = VOCAB, .positions = 512, .without_attention = 1, .seed = 9};

/* p[a][b]: that b follows a. rank[a][b]: of b among what may follow a, the likeliest first; VOCAB
 * where it may not. */
struct draft_tokens {
    double p[VOCAB][VOCAB];
    uint16_t rank[VOCAB][VOCAB];
};

static float logits[VOCAB][VOCAB];

static void read_logits(const apus_model *model) {
    apus_session *s = open_session((apus_config){.model = model, .context = VOCAB});
    int32_t ids[VOCAB];
    for (int i = 0; i < VOCAB; i++) ids[i] = i;
    assert_int_equal(apus_eval(s, ids, VOCAB, logits[0], NULL), APUS_OK);
    close_session(s);
}

static const float *row; /* of compare_ranks */
static int compare_ranks(const void *a, const void *b) {
    uint16_t i = *(const uint16_t *)a, j = *(const uint16_t *)b;
    return row[i] != row[j] ? (row[i] < row[j]) - (row[i] > row[j]) : i - j;
}

/* Softmax over what the rules leave, in double. */
static void transitions_from(struct draft_tokens *c, int a, const apus_sampling *s) {
    uint16_t order[VOCAB];
    double e[VOCAB], all = 0, sum = 0, total = 0;
    size_t n = s->top_k ? s->top_k : VOCAB, keep = 0;
    for (int i = 0; i < VOCAB; i++) order[i] = (uint16_t)i;
    row = logits[a];
    qsort(order, VOCAB, sizeof *order, compare_ranks);
    for (size_t r = 0; r < n; r++) all += e[r] = exp((double)row[order[r]] - (double)row[order[0]]);
    if (s->top_p > 0) {
        while (sum < all * (double)s->top_p) sum += e[keep++];
        n = keep;
    }
    while (n > 1 && e[n - 1] < (double)s->min_p) n--;
    for (size_t r = 0; r < VOCAB; r++) {
        c->rank[a][order[r]] = r < n ? (uint16_t)r : VOCAB;
        c->p[a][order[r]] =
            r < n ? exp(((double)row[order[r]] - (double)row[order[0]]) / (double)s->temperature)
                  : 0;
        total += c->p[a][order[r]];
    }
    for (int b = 0; b < VOCAB; b++) c->p[a][b] /= total;
}

static struct draft_tokens *open_chain(const apus_sampling *s) {
    struct draft_tokens *c = keep(calloc(1, sizeof *c));
    for (int a = 0; a < VOCAB; a++) transitions_from(c, a, s);
    return c;
}

/* -------------------------------------------------------------------------------- chi-square -- */

struct draws {
    uint32_t count[VOCAB][VOCAB];  /* of transitions */
    uint32_t from[PLACES][VOCAB];  /* of ids drawn behind, by the place in the round, */
    uint32_t ranks[PLACES][VOCAB]; /* and of ranks that came */
    uint64_t proposed, accepted;
    size_t total;
};

static void count_draw(struct draws *d, const struct draft_tokens *c, int32_t from, int32_t to,
                       size_t place) {
    d->count[from][to]++;
    d->from[place][from]++;
    d->ranks[place][c->rank[from][to] % VOCAB]++;
    d->total++;
}

/* How often softmax says that each rank comes in a place. */
static void expected_ranks(const struct draws *d, const struct draft_tokens *c, int place,
                           double expected[VOCAB]) {
    memset(expected, 0, VOCAB * sizeof *expected);
    for (int a = 0; a < VOCAB; a++)
        for (int b = 0; b < VOCAB; b++)
            if (c->rank[a][b] < VOCAB) expected[c->rank[a][b]] += d->from[place][a] * c->p[a][b];
}

struct sum {
    double chi, df;
};

/* One multinomial. Cells too small to stand alone are one cell, or part of the largest where even
 * that is too small. */
static void add_cells(struct sum *s, const double seen[VOCAB], const double expected[VOCAB]) {
    double rest_seen = 0, rest = 0, cells = 0;
    int largest = 0;
    for (int i = 0; i < VOCAB; i++) {
        if (expected[i] > expected[largest]) largest = i;
        if (expected[i] < POOL) rest_seen += seen[i], rest += expected[i];
    }
    int joined = rest < POOL;
    for (int i = 0; i < VOCAB; i++) {
        if (expected[i] < POOL) continue;
        double e = expected[i], n = seen[i];
        if (joined && i == largest) e += rest, n += rest_seen;
        s->chi += (n - e) * (n - e) / e, cells++;
    }
    if (!joined) s->chi += (rest_seen - rest) * (rest_seen - rest) / rest, cells++;
    if (cells > 1) s->df += cells - 1;
}

/* How far the sum is beyond what one run in 10^4 passes: above 1, the draws are not from this
 * distribution. */
static double beyond(struct sum s) {
    if (s.df < 1) return 0;
    /* Wilson and Hilferty's approximation */
    return s.chi / (s.df * pow(1 - 2 / (9 * s.df) + 3.72 * sqrt(2 / (9 * s.df)), 3));
}

/* The worst of: transitions, ranks overall, ranks in each place of a round. */
static double judge(const struct draws *d, const struct draft_tokens *c) {
    double seen[VOCAB], expected[VOCAB], all_seen[VOCAB] = {0}, all_expected[VOCAB] = {0},
                                         worst = 0;
    struct sum transitions = {0}, ranks = {0};
    for (int a = 0; a < VOCAB; a++) {
        double n = 0;
        for (int b = 0; b < VOCAB; b++) n += d->count[a][b];
        for (int b = 0; b < VOCAB; b++) {
            if (c->p[a][b] == 0) assert_int_equal(d->count[a][b], 0);
            seen[b] = d->count[a][b], expected[b] = n * c->p[a][b];
        }
        add_cells(&transitions, seen, expected);
    }
    for (int k = 0; k < PLACES; k++) {
        struct sum in_place = {0};
        expected_ranks(d, c, k, expected);
        for (int r = 0; r < VOCAB; r++) {
            seen[r] = d->ranks[k][r];
            all_seen[r] += seen[r], all_expected[r] += expected[r];
        }
        add_cells(&in_place, seen, expected);
        worst = fmax(worst, beyond(in_place));
    }
    add_cells(&ranks, all_seen, all_expected);
    return fmax(worst, fmax(beyond(transitions), beyond(ranks)));
}

/* ------------------------------------------------------------------------------------- draws -- */

static struct draws *empty(struct draws *d) {
    memset(d, 0, sizeof *d);
    return d;
}

/* By the library: many generations, each with its own seed. */
static void draw(struct draws *d, const struct draft_tokens *c, apus_config config,
                 apus_sampling sampling, size_t most) {
    apus_session *s = open_session(config);
    sampling.size = sizeof sampling, sampling.ignore_end = 1;
    empty(d);
    while (d->total < most) {
        int32_t last = (int32_t)(d->total % VOCAB);
        const apus_part part = {APUS_PART_IDS, 0, &last, 1};
        apus_piece piece = {.size = sizeof piece};
        apus_stats stats = {.size = sizeof stats};
        assert_int_equal(apus_prompt(s, &part, 1, 0), APUS_OK);
        assert_int_equal(apus_begin(s, &sampling), APUS_OK);
        do {
            assert_int_equal(apus_next(s, &piece), APUS_OK);
            for (size_t i = 0; i < piece.count; last = piece.ids[i++])
                count_draw(d, c, last, piece.ids[i], i);
        } while (!piece.stop);
        assert_int_equal(apus_get_stats(s, &stats), APUS_OK);
        d->proposed += stats.proposed, d->accepted += stats.accepted;
        sampling.seed += 0x9E3779B97F4A7C15u;
    }
    close_session(s);
}

static const apus_sampling settings[] = {
    {.temperature = 1, .top_k = 12, .seed = 1},
    {.temperature = 0.6f, .seed = 2},
    {.temperature = 1.4f, .top_k = 40, .top_p = 0.9f, .min_p = 0.03f, .seed = 3},
};

static void proposals_leave_the_distribution(void **unused) {
    (void)unused;
    const apus_model *target = open_model(&chain_spec), *draft = open_relative(&chain_spec, 0x1f);
    struct draws *d = keep(calloc(1, sizeof *d));
    for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
        read_logits(target);
        const struct draft_tokens *c = open_chain(&settings[k]);
        draw(d, c,
             (apus_config){.model = target,
                           .context = 500,
                           .draft = draft,
                           .proposals = 3 + (uint32_t)k,
                           .lookup = k == 2},
             settings[k], k ? DRAWS / 4 : DRAWS);
        /* both kinds of outcome were judged */
        if (d->accepted < d->proposed / 10 || d->accepted > d->proposed * 9 / 10)
            fail_msg("accepted %d of %d", (int)d->accepted, (int)d->proposed);
        double worst = judge(d, c);
        if (worst > 1) fail_msg("settings %zu: %.2f of the limit", k, worst);
    }
}

/* ------------------------------------------------------------------------------------- power -- */

static double unit(uint64_t *rng) {
    *rng = *rng * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*rng >> 33) + 0.5) * 0x1p-31;
}

static int32_t choose(const double p[VOCAB], double u) {
    int32_t b = 0;
    while (b < VOCAB - 1 && u >= p[b]) u -= p[b++];
    return p[b] > 0 ? b : 0;
}

/* Sampling as it is often done, and nearly right. A round of proposals from `draft`, each accepted
 * if the target finds it likely enough (likely 0: never, and the target's own choices are all there
 * is), or noise that is drawn once for a round. Counted against `truth`. */
static void draw_otherwise(struct draws *d, const struct draft_tokens *truth,
                           const struct draft_tokens *target, const struct draft_tokens *draft,
                           double likely, int noise_of_round) {
    uint64_t rng = 17;
    int32_t last = 0;
    for (empty(d); d->total < DRAWS;) {
        double u = unit(&rng);
        for (size_t i = 0; i < 4; i++) {
            int32_t proposed = choose(draft->p[last], unit(&rng)),
                    own = choose(target->p[last], noise_of_round ? u : unit(&rng));
            int accept = likely > 0 && target->p[last][proposed] > likely;
            int32_t next = accept ? proposed : own;
            count_draw(d, truth, last, next, i);
            last = next;
        }
    }
}

static void what_is_nearly_right_is_seen(void **unused) {
    (void)unused;
    const apus_model *target = open_model(&chain_spec),
                     *relative = open_relative(&chain_spec, 0x1f);
    struct draws *d = keep(calloc(1, sizeof *d));
    apus_sampling s = {.temperature = 1, .top_k = 12, .seed = 4};
    read_logits(target);
    const struct draft_tokens *c = open_chain(&s);
    apus_sampling warmer = s;
    warmer.temperature = 1.03f;
    const struct draft_tokens *warm = open_chain(&warmer);
    read_logits(relative);
    const struct draft_tokens *draft = open_chain(&s);

    draw_otherwise(d, c, c, draft, 0, 0);
    assert_true(judge(d, c) < 1); /* the same draws without the fault */
    draw_otherwise(d, c, c, draft, 0.1, 0);
    double typical = judge(d, c); /* "likely enough" in place of exact */
    draw_otherwise(d, c, c, draft, 0, 1);
    double noise = judge(d, c); /* noise that does not depend on the position */
    draw_otherwise(d, c, warm, draft, 0, 0);
    double warmth = judge(d, c); /* a temperature 3 % off */
    if (typical < 10 || noise < 10 || warmth < 1.5)
        fail_msg("of the limit: typical acceptance %.2f, noise by round %.2f, 3 %% warmer %.2f",
                 typical, noise, warmth);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(proposals_leave_the_distribution),
                                       cmocka_unit_test(what_is_nearly_right_is_seen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
