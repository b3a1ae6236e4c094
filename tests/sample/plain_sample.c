#include "tests/sample/plain_sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hal/scalar.h"
#include "runtime/sample.h"

struct ranked {
    float l;
    uint32_t id;
    uint64_t e;
};

static int by_rank(const void *x, const void *y) {
    const struct ranked *a = x, *b = y;
    if (a->l != b->l) return a->l > b->l ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

static uint64_t relative(float l, float max) {
    float t = (l - max) * 0x1.715476p+0f;
    if (t < -30) return 0;
    return (uint64_t)rint((double)num_exp2(t) * 16777216.0); /* exact in double, so rounded once */
}

static float ln(float x) { return num_log2(x) * 0x1.62e430p-1f; }

static float noise(uint64_t seed, uint64_t position, uint64_t id) {
    uint64_t key = seed ^ (position * 0x9E3779B97F4A7C15u);
    for (int i = 0; i < 2; i++) key = (key ^ key >> 32) * 0xD6E8FEB86659FD93u;
    key ^= key >> 32;
    uint64_t h = (id * 0x9E3779B1u & 0xffffffff) ^ (key & 0xffffffff);
    h = (h ^ h >> 16) * 0x21F0AAADu & 0xffffffff;
    h = ((h ^ h >> 15) + (key >> 32)) * 0xD35A2D97u & 0xffffffff;
    h ^= h >> 15;
    float u = ((float)(h >> 9) + 0.5f) * 0x1p-23f;
    return -ln(-ln(u));
}

static void punish(const apus_sampling *c, const float *logits, struct ranked *r,
                   const int32_t *context, size_t count) {
    size_t last = c->repeat_last ? c->repeat_last : 64;
    float inverse = (float)(1.0 / (double)c->repeat_penalty); /* rounded twice, to the same float:
                                                                 double has more than twice its
                                                                 bits */
    for (size_t i = count > last ? count - last : 0; i < count; i++) {
        float l = logits[context[i]];
        r[context[i]].l = l > 0 ? l * inverse : l * c->repeat_penalty;
    }
}

/* How many of n sorted candidates stay. */
static size_t truncate(const apus_sampling *c, struct ranked *r, size_t n) {
    if (c->top_k && c->top_k < n) n = c->top_k;
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) total += r[i].e = relative(r[i].l, r[0].l);
    if (c->top_p != 0 && c->top_p != 1) {
        /* below 2^63: a total is at most 2^24 a candidate, of fewer than 2^19 */
        uint64_t want = total * (uint64_t)rint((double)c->top_p * 1048576.0), have = 0;
        size_t keep = 0;
        do have += r[keep++].e;
        while (have * 1048576u < want);
        n = keep;
    }
    if (c->min_p != 0) {
        size_t kept = 1;
        for (size_t i = 1; i < n; i++)
            if (r[i].e >= (uint64_t)rint((double)c->min_p * 16777216.0)) r[kept++] = r[i];
        n = kept;
    }
    return n;
}

static float log_prob_of(const float *logits, uint32_t vocab, uint32_t id) {
    float max = logits[0];
    for (uint32_t i = 0; i < vocab; i++) max = fmaxf(max, logits[i]);
    uint64_t total = 0;
    for (uint32_t i = 0; i < vocab; i++) total += relative(logits[i], max);
    return (logits[id] - max) - ln((float)total * 0x1p-24f);
}

int plain_sample(const apus_sampling *c, const float *logits, uint32_t vocab,
                 const int32_t *context, size_t context_count, const int32_t *made,
                 size_t made_count, uint64_t position, int32_t *id, float *log_prob) {
    struct ranked *r = malloc(vocab * sizeof *r);
    float *changed = malloc(vocab * sizeof *changed);
    size_t n = 0;
    for (uint32_t i = 0; i < vocab; i++) r[i] = (struct ranked){logits[i], i, 0};
    if (c->repeat_penalty != 0 && c->repeat_penalty != 1)
        punish(c, logits, r, context, context_count);
    if (c->logits) {
        for (uint32_t i = 0; i < vocab; i++) changed[i] = r[i].l;
        c->logits(c->logits_user, changed, vocab, made, made_count);
        for (uint32_t i = 0; i < vocab; i++)
            if (changed[i] >= -0x1p50f) r[n++] = (struct ranked){changed[i], i, 0};
    } else
        n = vocab;
    if (n) {
        qsort(r, n, sizeof *r, by_rank);
        size_t best = 0, stay = c->temperature == 0 ? 1 : truncate(c, r, n);
        float best_value = -INFINITY, inverse = (float)(1.0 / (double)c->temperature);
        for (size_t i = 0; i < stay && c->temperature != 0; i++) {
            float value = r[i].l * inverse + noise(c->seed, position, r[i].id);
            if (value > best_value || (value == best_value && r[i].id < r[best].id))
                best_value = value, best = i;
        }
        *id = (int32_t)r[best].id;
        *log_prob = log_prob_of(logits, vocab, r[best].id);
    }
    free(changed);
    free(r);
    return n == 0;
}

void plain_guess(const apus_sampling *c, const float *logits, uint32_t vocab,
                 const int32_t *context, size_t context_count, uint64_t position,
                 struct guess *guess) {
    struct ranked *r = malloc(vocab * sizeof *r);
    for (uint32_t i = 0; i < vocab; i++) r[i] = (struct ranked){logits[i], i, 0};
    if (c->repeat_penalty != 0 && c->repeat_penalty != 1)
        punish(c, logits, r, context, context_count);
    qsort(r, vocab, sizeof *r, by_rank);
    size_t stay = c->temperature == 0 ? vocab : truncate(c, r, vocab);
    for (size_t i = 0; i < stay && c->temperature != 0; i++)
        r[i].l = r[i].l * (float)(1.0 / (double)c->temperature) + noise(c->seed, position, r[i].id);
    qsort(r, stay, sizeof *r, by_rank);
    *guess = (struct guess){(int32_t)r[0].id, stay > 1 ? (int32_t)r[1].id : -1,
                            stay > 1 ? r[0].l - r[1].l : GUESS_SURE};
    free(r);
}
