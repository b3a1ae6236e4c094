/* Branches change as little as chains do: ids, text, log-probabilities, logits and the cache of a
 * session whose rounds are trees are those of a session without proposals. Which trees are grown
 * depends on what passes cost and on what was accepted, so both are made up before every round, and
 * every shape comes. And the choice of ids for a tree, on made-up chances and costs. */
#include <stdlib.h>
#include <string.h>

#include "runtime/session.h"
#include "tests/api/saved_state.h"
#include "tests/speculate/fixture.h"

/* ------------------------------------------------------------------------------------- trees -- */

static uint64_t rng;
static uint32_t random_of(uint32_t below) {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng >> 33) % below;
}

static float share(void) { return (float)random_of(1001) / 1000; }

/* Other costs and chances than the session knows. */
static void shake(struct draft_policy *l) {
    float column = share() * share() * 0.3f;
    l->verify_ns[1] = l->cost_ns[1] = l->round_cost = l->round_tokens =
        l->verify_ns[POLICY_COLUMNS] = 1;
    for (uint32_t n = 2; n <= POLICY_COLUMNS; n++)
        l->cost_ns[n] = l->cost_ns[n - 1] + column * share();
    l->draft_ns = share() * 0.2f;
    for (uint32_t b = 0; b < POLICY_BINS; b++) {
        l->hit[BY_DRAFT][b].is = share(), l->hit[BY_LOOKUP][b].is = share();
        l->second[b].is = share() * (1 - l->hit[BY_DRAFT][b].is);
    }
    for (uint32_t i = 0; i < PROPOSE_MAX; i++) l->reach[i].is = share();
    l->credit = 1e9f, l->seen[1] = 9; /* its clock is the real one */
}

static void shake_session(apus_session *s) { shake(&s->speculation.policy); }

static void assert_same_state(const apus_session *a, const apus_session *b) {
    size_t bytes, more;
    unsigned char *x = saved_state(a, &bytes), *y = saved_state(b, &more);
    assert_int_equal(bytes, more);
    assert_memory_equal(x, y, bytes);
    free(x), free(y);
}

static const struct tiny_spec spec = {.layers = 2, .window = {9}, .seed = 21};
static const char *const texts[] = {"abcabcabcabcab", "abcabcabd and more"};
enum { TEXTS = 2 };

struct tally {
    uint64_t rounds, branches, taken, proposed, accepted;
};

static void count(const struct result *r, struct tally *t) {
    const apus_stats *s = &r->stats;
    assert_int_equal(s->new_tokens, s->rounds + s->accepted + s->branches_taken);
    assert_true(s->branches_taken <= s->branches && s->branches_taken <= s->rounds &&
                s->proposed + s->branches <= 15 * s->rounds);
    t->rounds += s->rounds, t->branches += s->branches, t->taken += s->branches_taken;
    t->proposed += s->proposed, t->accepted += s->accepted;
}

/* NULL where the machine lacks the instruction set. */
static const apus_model *open_target(apus_cpu cpu) {
    size_t bytes;
    apus_model_config config = {.size = sizeof config, .port = apus_port_host(), .cpu = cpu};
    apus_memory need = {.size = sizeof need};
    apus_blob blob;
    void *data = tiny_blob(&spec, &bytes);
    assert_int_equal(apus_blob_open(&blob, data, bytes, NULL), APUS_OK);
    config.blob = &blob;
    apus_status status = apus_model_measure(&config, &need);
    if (status == APUS_E_UNAVAILABLE) {
        free(data);
        return NULL;
    }
    return open_bytes(data, bytes, apus_port_host(), cpu);
}

static void trees_never_change_the_output(void **unused) {
    (void)unused;
    const apus_model *drafts[] = {open_relative(&spec, 0x03), open_relative(&spec, 0x1f)};
    struct result *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    struct tally tally = {0};
    assert_true(want && got);
    for (int cpu = APUS_CPU_REF; cpu <= APUS_CPU_NEON; cpu++) {
        const apus_model *target = open_target((apus_cpu)cpu);
        if (!target) continue;
        apus_session *plain = open_session((apus_config){.model = target}), *trees[4];
        for (uint32_t i = 0; i < 4; i++)
            trees[i] = open_session((apus_config){.model = target,
                                                  .draft = drafts[i % 2],
                                                  .lookup = i == 2,
                                                  .threads = i == 3 ? 2 : 1,
                                                  .chunk = i == 1   ? 7
                                                           : i == 3 ? 16
                                                                    : 0});
        for (int kind = 0; kind < SAMPLINGS; kind++)
            for (int t = 0; t < TEXTS; t++) {
                const apus_sampling sampling = sampling_of(kind);
                prompt(plain, texts[t]);
                generate(plain, &sampling, 0, want);
                for (uint32_t i = 0; i < 4; i++) {
                    rng = (uint64_t)(kind * 10 + t) * 4 + i;
                    prompt(trees[i], texts[t]);
                    generate_with(trees[i], &sampling, 0, shake_session, got);
                    assert_same(got, want);
                    assert_same_state(trees[i], plain);
                    count(got, &tally);
                }
            }
        close_session(plain);
        for (uint32_t i = 0; i < 4; i++) close_session(trees[i]);
    }
    if (tally.taken < 100 || tally.branches < 5 * tally.taken / 4 || tally.accepted < 100)
        fail_msg("%d rounds: %d of %d proposed accepted, %d of %d branches", (int)tally.rounds,
                 (int)tally.accepted, (int)tally.proposed, (int)tally.taken, (int)tally.branches);
    free(want), free(got);
}

/* Cancelled every few rounds, taken back now and then, restored into another session: the ids
 * stay. */
static void interrupted_trees(void **unused) {
    (void)unused;
    const apus_model *target = open_target(APUS_CPU_BEST), *draft = open_relative(&spec, 0x07);
    apus_session *plain = open_session((apus_config){.model = target}),
                 *s = open_session((apus_config){.model = target, .draft = draft, .lookup = 1}),
                 *other = open_session((apus_config){.model = target, .draft = draft});
    struct result *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    struct tally tally = {0};
    assert_true(want && got);
    for (int kind = 0; kind < 4; kind++) {
        apus_sampling sampling = sampling_of(kind);
        sampling.max_tokens = 100;
        prompt(plain, texts[0]);
        generate(plain, &sampling, 0, want);
        const int32_t *ids, *now;
        size_t all, there, start = strlen(texts[0]);
        apus_ids(plain, &ids, &all);
        prompt(s, texts[0]);
        rng = (uint64_t)kind;
        for (int turn = 0; turn < 200; turn++) {
            apus_ids(s, &now, &there);
            assert_memory_equal(now, ids, there * sizeof *ids);
            if (there == all) break;
            sampling.max_tokens = (uint32_t)(all - there);
            generate_with(s, &sampling, 1 + random_of(4), shake_session, got);
            count(got, &tally);
            apus_ids(s, &now, &there);
            assert_memory_equal(now, ids, there * sizeof *ids);
            if (random_of(4) == 0 && there > start + 4)
                assert_int_equal(apus_rewind(s, there - random_of(4)), APUS_OK);
            if (random_of(4) == 0) {
                size_t bytes;
                uint8_t *state = saved_state(s, &bytes);
                assert_int_equal(apus_restore(other, state, bytes), APUS_OK);
                free(state);
                apus_session *swap = s;
                s = other, other = swap;
            }
        }
    }
    assert_true(tally.taken > 10);
    close_session(plain), close_session(s), close_session(other);
    free(want), free(got);
}

/* ------------------------------------------------------------------------------------ choice -- */

/* Costs of passes in units of a token: 1, then `column` more for each; chances by bin. */
static struct draft_policy lengths(float column, float hit, float second) {
    struct draft_policy l;
    policy_open(&l, 0);
    for (uint32_t n = 1; n <= POLICY_COLUMNS; n++) l.cost_ns[n] = 1 + column * (float)(n - 1);
    l.round_cost = l.round_tokens = l.verify_ns[1] = l.verify_ns[POLICY_COLUMNS] = 1;
    l.credit = 100;
    for (uint32_t b = 0; b < POLICY_BINS; b++) l.hit[BY_DRAFT][b].is = hit, l.second[b].is = second;
    return l;
}

static struct round drafted(uint32_t ids) {
    struct round r = {.tokens[BY_DRAFT].count = ids};
    for (uint32_t i = 0; i < ids; i++)
        r.tokens[BY_DRAFT].id[i] = (int32_t)i, r.tokens[BY_DRAFT].second[i] = 100 + (int32_t)i;
    return r;
}

static void likeliest_first(void **unused) {
    (void)unused;
    /* Chain .5 .25 .125 .., seconds .3 .15 .075 ..: at a column's cost of .14 the order is .5 .3
     * .25 .15. */
    struct draft_policy l = lengths(0.14f, 0.5f, 0.3f);
    struct round r = drafted(6);
    policy_choose_draft(&l, &r, 15);
    assert_int_equal(r.proposed, 2);
    assert_int_equal(r.branches, 2);
    assert_true(r.branch[0] == 0 && r.branch[1] == 1);
    policy_choose_draft(&l, &r, 2);
    assert_true(r.proposed == 1 && r.branches == 1 && r.branch[0] == 0);
    r.tokens[BY_DRAFT].second[0] = -1; /* there is no second */
    policy_choose_draft(&l, &r, 15);
    assert_true(r.proposed == 2 && r.branches == 1 && r.branch[0] == 1);

    l = lengths(0.6f, 0.5f, 0.3f); /* nothing pays */
    r = drafted(6);
    policy_choose_draft(&l, &r, 15);
    assert_true(r.proposed == 0 && r.branches == 0);

    l = lengths(0.0f, 0.5f, 0.3f); /* everything does */
    policy_choose_draft(&l, &r, 15);
    assert_true(r.proposed == 6 && r.branches == 6);
    r = drafted(15);
    policy_choose_draft(&l, &r, 15);
    assert_int_equal(r.proposed + r.branches, 15);
    assert_true(r.branches > 5);
}

/* A second is never sent without the ids it follows, whatever chances and costs are. */
static void branches_hang_on_the_chain(void **unused) {
    (void)unused;
    rng = 5;
    for (int trial = 0; trial < 3000; trial++) {
        struct draft_policy l = lengths(0, 0, 0);
        uint32_t most = random_of(16), seen = 0;
        struct round r = drafted(1 + random_of(15));
        for (uint32_t n = 2; n <= POLICY_COLUMNS; n++)
            l.cost_ns[n] = l.cost_ns[n - 1] + (float)random_of(100) / 1000;
        for (uint32_t b = 0; b < POLICY_BINS; b++) {
            l.hit[BY_DRAFT][b].is = share();
            l.second[b].is = (1 - l.hit[BY_DRAFT][b].is) * share();
        }
        for (uint32_t i = 0; i < r.tokens[BY_DRAFT].count; i++) {
            r.tokens[BY_DRAFT].bin[i] = (uint8_t)random_of(POLICY_BINS);
            if (random_of(5) == 0) r.tokens[BY_DRAFT].second[i] = -1;
        }
        policy_choose_draft(&l, &r, most);
        assert_true(r.proposed + r.branches <= most);
        for (uint32_t b = 0; b < r.branches; b++) {
            assert_true(r.branch[b] <= r.proposed && r.branch[b] < r.tokens[BY_DRAFT].count &&
                        r.tokens[BY_DRAFT].second[r.branch[b]] >= 0);
            assert_false(seen >> r.branch[b] & 1);
            seen |= 1u << r.branch[b];
        }
    }
}

/* The lookup proposes where that brings tokens at no more than what one costs now. */
static void looks_up_where_that_is_cheaper(void **unused) {
    (void)unused;
    struct draft_policy l = lengths(0.02f, 0.7f, 0.1f);
    struct round r = {.tokens[BY_LOOKUP].count = 15};
    for (uint32_t i = 0; i < 15; i++) r.tokens[BY_LOOKUP].bin[i] = 7;
    l.hit[BY_LOOKUP][7].is = 0.95f;
    l.round_cost = 0.2f;
    assert_true(policy_choose_lookup(&l, &r, 15) && r.by == BY_LOOKUP && r.proposed == 15);
    /* 4.5 tokens for 1.06, which cost 0.9 now */
    assert_true(policy_choose_lookup(&l, &r, 4) == 0 && r.proposed == 4);
    l.hit[BY_LOOKUP][7].is = 0.1f;
    assert_true(policy_choose_lookup(&l, &r, 15) == 0 && r.proposed == 1);
    l.hit[BY_LOOKUP][7].is = 0.01f;
    assert_true(policy_choose_lookup(&l, &r, 15) == 0 && r.proposed == 0);
}

/* One pass that took long by accident is forgotten as soon as another of as many columns, or of
 * more, is seen. */
static void costs_forget_accidents(void **unused) {
    (void)unused;
    struct draft_policy l;
    const int32_t chosen[1] = {0};
    struct round r = {.columns = 1, .verify_ns = 1000};
    policy_open(&l, 0);
    policy_learn(&l, &r, chosen, 1);
    r.columns = 2, r.verify_ns = 50000;
    policy_learn(&l, &r, chosen, 1);
    assert_true(l.cost_ns[2] == 50000);
    r.columns = 5, r.verify_ns = 1200;
    policy_learn(&l, &r, chosen, 1);
    assert_true(l.cost_ns[2] == 1200 && l.cost_ns[3] == 1200 && l.cost_ns[8] > l.cost_ns[5]);
    r.columns = 2, r.verify_ns = 1050;
    policy_learn(&l, &r, chosen, 1);
    assert_true(l.cost_ns[2] == 1050 && l.cost_ns[4] == 1150);
    r.verify_ns = 500000;
    policy_learn(&l, &r, chosen, 1);
    assert_true(l.cost_ns[2] < 1200);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(trees_never_change_the_output),
                                       cmocka_unit_test(interrupted_trees),
                                       cmocka_unit_test(likeliest_first),
                                       cmocka_unit_test(branches_hang_on_the_chain),
                                       cmocka_unit_test(looks_up_where_that_is_cheaper),
                                       cmocka_unit_test(costs_forget_accidents)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
