#include "runtime/sample.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "hal/fenv.h"
#include "hal/scalar.h"
#include "runtime/config.h"
#include "runtime/noise.h"
#include "text/text_stream.h"
#include "weights/refuse.h"

static const float LOG2_E = 0x1.715476p+0f;

/* ---------------------------------------------------------------------------------- settings -- */

/* Rounds a value in [0, 2^24], ties to even. num_rint is right up to 2^22; from 2^23 on every float
 * is an integer. */
static uint32_t round_mass(float x) {
    return (uint32_t)(x < 8388608.0f ? (x + 8388608.0f) - 8388608.0f : x);
}

static const char where[] = "apus_sampling";
enum { REPEAT_LAST_MAX = 1024 };

static apus_status check_stops(const apus_sampling *c, const apus_port *port) {
    apus_status s = refuse_outside(port, where, "stops_count", c->stops_count, 0, APUS_STOPS_MAX);
    if (!s && c->stops_count) s = refuse_null(port, where, "stops", c->stops);
    for (uint32_t i = 0; !s && i < c->stops_count; i++) {
        const apus_stop *stop = &c->stops[i];
        if (!stop->text)
            s = refuse_at(port, APUS_E_ARGUMENT, "stop", i, "text is NULL", NULL, NULL);
        else if (stop->bytes < 1 || stop->bytes > STOP_BYTES_MAX)
            s = refuse_at(port, APUS_E_ARGUMENT, "stop", i, "bytes is #, must be 1 to #", NULL,
                          CHECK_NUMBERS(stop->bytes, STOP_BYTES_MAX));
    }
    return s;
}

static apus_status read_settings(struct sampler *sampler, const apus_sampling *sampling,
                                 const apus_port *port) {
    struct sampler s = {.repeat_last = 64};
    apus_status status = config_read(&s.config, sampling, STRUCT(apus_sampling), port);
    if (status) return status;
    const apus_sampling *c = &s.config;
    status = refuse_float(port, where, "temperature", c->temperature, 0.01f, 100.0f);
    if (!status) status = refuse_float(port, where, "top_p", c->top_p, 0.0f, 1.0f);
    if (!status) status = refuse_float(port, where, "min_p", c->min_p, 0.0f, 1.0f);
    if (!status)
        status = refuse_float(port, where, "repeat_penalty", c->repeat_penalty, 0.1f, 10.0f);
    if (!status)
        status = refuse_outside(port, where, "repeat_last", c->repeat_last, 0, REPEAT_LAST_MAX);
    if (!status)
        status =
            refuse_outside(port, where, "alternatives", c->alternatives, 0, APUS_ALTERNATIVES_MAX);
    if (!status) status = check_stops(c, port);
    if (!status)
        status = refuse_outside(port, where, "bind_bytes", c->bind_bytes, 0, APUS_BIND_MAX);
    if (!status && c->bind_bytes) status = refuse_null(port, where, "bind", c->bind);
    if (status) return status;
    if (c->temperature != 0.0f) s.inverse_temperature = 1.0f / c->temperature;
    if (c->repeat_penalty != 0.0f && c->repeat_penalty != 1.0f)
        s.inverse_penalty = 1.0f / c->repeat_penalty;
    if (c->repeat_last) s.repeat_last = c->repeat_last;
    s.min_p = round_mass(c->min_p * 0x1p24f);
    if (c->top_p > 0.0f && c->top_p < 1.0f) {
        s.top_p = round_mass(c->top_p * 0x1p20f);
        if (s.top_p == 0) s.top_p = 1; /* either setting asks for the first rank alone */
    }
    *sampler = s;
    return APUS_OK;
}

apus_status sampler_open(struct sampler *sampler, const apus_sampling *sampling,
                         const apus_port *port) {
    uint64_t fenv = fenv_enter();
    apus_status status = read_settings(sampler, sampling, port);
    fenv_leave(fenv);
    return status;
}

/* --------------------------------------------------------------------------- over all logits -- */

/* Inner loops have this fixed length, so that compilers make vector code of them at -O2. */
enum { LANES = 16 };

/* The largest of n >= 1 values, none NaN. */
static float max_of(const float *l, size_t n) {
    float lane[LANES], best = l[0];
    size_t blocks = n / LANES;
    for (int j = 0; j < LANES; j++) lane[j] = best;
    for (size_t i = 0; i < blocks; i++)
        for (int j = 0; j < LANES; j++)
            lane[j] = l[i * LANES + j] > lane[j] ? l[i * LANES + j] : lane[j];
    for (int j = 0; j < LANES; j++) best = lane[j] > best ? lane[j] : best;
    for (size_t i = blocks * LANES; i < n; i++) best = l[i] > best ? l[i] : best;
    return best;
}

/* E of docs/numerics.md 7.5: 2^24 times the probability relative to that of the best id. */
static uint32_t mass_of(float l, float max) {
    float t = (l - max) * LOG2_E;
    return t < -30.0f ? 0 : round_mass(num_exp2(t) * 0x1p24f);
}

/* mass_of for a block, without branches. */
static inline void mass_block(const float l[LANES], float max, int32_t mass[LANES]) {
    for (int j = 0; j < LANES; j++) {
        float t = (l[j] - max) * LOG2_E;
        float e = num_exp2(t < -30.0f ? -30.0f : t) * 0x1p24f;
        float r = (e + 8388608.0f) - 8388608.0f;
        r = e < 8388608.0f ? r : e;
        mass[j] = (int32_t)(t < -30.0f ? 0.0f : r);
    }
}

/* Sum of E. The sum of one block fits 32 bits, since each E is at most 2^24. */
static uint64_t mass_sum(const float *l, size_t n, float max) {
    uint64_t sum = 0;
    size_t blocks = n / LANES;
    for (size_t i = 0; i < blocks; i++) {
        int32_t mass[LANES];
        uint32_t of_block = 0;
        mass_block(l + i * LANES, max, mass);
        for (int j = 0; j < LANES; j++) of_block += (uint32_t)mass[j];
        sum += of_block;
    }
    for (size_t i = blocks * LANES; i < n; i++) sum += mass_of(l[i], max);
    return sum;
}

/* The first `count` ranks, at most vocab of them. Equal logits are ordered by ascending id. */
static void find_likeliest(const float *l, uint32_t vocab, int32_t *id, uint32_t count) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < vocab; i++) {
        if (found == count && l[i] <= l[id[count - 1]]) continue;
        uint32_t at = found < count ? found++ : count - 1;
        for (; at && l[id[at - 1]] < l[i]; at--) id[at] = id[at - 1];
        id[at] = (int32_t)i;
    }
}

/* Log-probabilities of the chosen id and of the alternatives, from the raw logits. */
static void tell_probabilities(const struct sampler *s, const float *logits, uint32_t vocab,
                               float max, struct choice *c) {
    const float log_sum = natural_log((float)mass_sum(logits, vocab, max) * 0x1p-24f);
    const uint32_t count = sample_alternatives(s, vocab);
    c->log_prob = (logits[c->id] - max) - log_sum;
    if (count) find_likeliest(logits, vocab, c->likely, count);
    for (uint32_t i = 0; i < count; i++)
        c->likely_log_prob[i] = (logits[c->likely[i]] - max) - log_sum;
}

/* ------------------------------------------------------------------------- penalty, callback -- */

/* The penalty starts from the raw value each time, so that an id that occurs twice is not punished
 * twice. */
static void penalize(const struct sampler *s, const float *logits, float *work,
                     const int32_t *context, size_t count) {
    size_t first = count > s->repeat_last ? count - s->repeat_last : 0;
    for (size_t i = first; i < count; i++) {
        float l = logits[context[i]];
        work[context[i]] = l > 0.0f ? l * s->inverse_penalty : l * s->config.repeat_penalty;
    }
}

/* Reads what the callback left: values below -2^50 become -infinity. Returns false for NaN or a
 * value above 2^50. */
static bool callback_holds(float *work, uint32_t vocab) {
    bool good = true;
    for (uint32_t i = 0; i < vocab; i++) {
        good &= work[i] <= 0x1p50f;
        work[i] = work[i] < -0x1p50f ? LOGIT_NONE : work[i];
    }
    return good;
}

/* ------------------------------------------------------------------------------------- ranks -- */

/* A candidate as a key. Ascending keys are descending logits; equal logits are ordered by ascending
 * id. */
static uint64_t key_of(float l, uint32_t id) {
    uint32_t b = float_bits(l + 0.0f); /* -0 becomes +0, because the two are equal */
    b = b & 0x80000000u ? b : ~b & 0x7fffffffu;
    return (uint64_t)b << 32 | id;
}

static float key_logit(uint64_t key) {
    uint32_t b = (uint32_t)(key >> 32);
    return bits_float(b & 0x80000000u ? b : ~b & 0x7fffffffu);
}

static uint32_t key_id(uint64_t key) { return (uint32_t)key; }

/* The largest key whose upper bits, from the top down to `shift`, are `prefix`. */
static uint64_t last_with(uint64_t prefix, int shift) {
    return shift == 64 ? UINT64_MAX : (prefix << shift) + (((uint64_t)1 << shift) - 1);
}

/* Moves the keys with these upper bits to the front and returns their number. */
static size_t gather(uint64_t *key, uint32_t *weight, size_t n, uint64_t prefix, int shift) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (key[i] >> shift != prefix) continue;
        uint64_t k = key[i];
        key[i] = key[count], key[count] = k;
        if (weight) {
            uint32_t w = weight[i];
            weight[i] = weight[count], weight[count] = w;
        }
        count++;
    }
    return count;
}

/* Weights are added in the order of the keys until the sum reaches `need` (1 .. the sum of all).
 * The result is that key, or a value between it and the next key. The search goes digit by digit
 * from the top: at worst it reads n keys eight times, whatever the values are, and about two times
 * on real logits. It changes the order of the keys; each keeps its weight. weight NULL: every key
 * weighs 1. */
static uint64_t key_reaching(uint64_t *key, uint32_t *weight, size_t n, uint64_t need) {
    uint64_t prefix = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
        if (n == 1) return last_with(prefix, shift + 8);
        uint64_t sum[256] = {0};
        for (size_t i = 0; i < n; i++) sum[key[i] >> shift & 255] += weight ? weight[i] : 1;
        uint32_t digit = 0;
        while (digit < 255 && sum[digit] < need) need -= sum[digit++];
        prefix = prefix << 8 | digit;
        if (!weight && sum[digit] == need) return last_with(prefix, shift);
        n = gather(key, weight, n, prefix, shift);
    }
    return prefix;
}

/* Keeps the keys up to `last`, in any order, and returns their number. */
static size_t keep_up_to(uint64_t *key, size_t n, uint64_t last) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (key[i] <= last) key[kept++] = key[i];
    return kept;
}

static size_t keep_top_k(uint64_t *key, size_t n, uint32_t k) {
    return k >= n ? n : keep_up_to(key, n, key_reaching(key, NULL, n, k));
}

static uint64_t weigh(const uint64_t *key, uint32_t *weight, size_t n, float max) {
    uint64_t total = 0;
    size_t blocks = n / LANES;
    for (size_t i = 0; i < blocks; i++) {
        float l[LANES];
        int32_t mass[LANES];
        for (int j = 0; j < LANES; j++) l[j] = key_logit(key[i * LANES + j]);
        mass_block(l, max, mass);
        for (int j = 0; j < LANES; j++) total += weight[i * LANES + j] = (uint32_t)mass[j];
    }
    for (size_t i = blocks * LANES; i < n; i++)
        total += weight[i] = mass_of(key_logit(key[i]), max);
    return total;
}

/* Whether cum * 2^20 >= total * top_p, in 64 bits (total <= 2^44): cum is compared with the upper
 * 44 bits of the product, rounded up. */
static size_t keep_top_p(uint64_t *key, uint32_t *weight, size_t n, float max, uint32_t top_p) {
    uint64_t total = weigh(key, weight, n, max);
    uint64_t need = top_p >> 20 ? total : (total * top_p + 0xfffff) >> 20;
    return keep_up_to(key, n, key_reaching(key, weight, n, need));
}

/* The first of the largest values. APUS_E_NUMERIC: no id is left. */
static apus_status first_rank(const float *work, uint32_t vocab, uint32_t *first) {
    float max = max_of(work, vocab);
    uint32_t i = 0;
    if (max == LOGIT_NONE) return APUS_E_NUMERIC;
    while (work[i] != max) i++;
    *first = i;
    return APUS_OK;
}

/* The first rank among the ids other than `first`. UINT32_MAX: there is none. */
static uint32_t second_rank(const float *work, uint32_t vocab, uint32_t first) {
    uint32_t before = UINT32_MAX, after = UINT32_MAX;
    if (first && first_rank(work, first, &before)) before = UINT32_MAX;
    if (first + 1 < vocab && !first_rank(work + first + 1, vocab - first - 1, &after))
        after += first + 1;
    if (before == UINT32_MAX || after == UINT32_MAX) return before == UINT32_MAX ? after : before;
    return work[after] > work[before] ? after : before;
}

/* ------------------------------------------------------------------------------------ gumbel -- */

/* The largest value so far, and the second largest if two are wanted. */
struct draw {
    const struct sampler *sampler;
    struct noise_key key;
    float max; /* the largest logit */
    bool two;
    float best, next;
    uint32_t id, next_id;
};

/* A smaller value than this changes nothing. */
static float least(const struct draw *d) { return d->two ? d->next : d->best; }

/* Most ids lose already by the bound on their noise, which saves the logarithms. Rounding keeps
 * order, so scaled + noise <= scaled + bound also holds after rounding. */
static void consider(struct draw *d, float l, uint32_t id, uint32_t hash) {
    float scaled = l * d->sampler->inverse_temperature;
    if (scaled + noise_bound(hash) < least(d)) return;
    if (d->sampler->min_p && mass_of(l, d->max) < d->sampler->min_p) return;
    float value = scaled + noise_of(hash);
    if (id == d->id) return; /* the first rank is considered twice */
    if (value > d->best || (value == d->best && id < d->id)) {
        d->next = d->best, d->next_id = d->id;
        d->best = value, d->id = id;
    } else if (value > d->next || (value == d->next && id < d->next_id)) {
        d->next = value, d->next_id = id;
    }
}

static void consider_one(struct draw *d, float l, uint32_t id) {
    consider(d, l, id, noise_hash(d->key, id));
}

/* Whether any id of a block may matter. Fills in the hashes of the block. */
static inline uint32_t block_may_matter(const struct draw *d, const float l[LANES], uint32_t from,
                                        uint32_t hash[LANES]) {
    const float inverse_temperature = d->sampler->inverse_temperature, enough = least(d);
    const struct noise_key key = d->key;
    uint32_t any = 0;
    for (uint32_t j = 0; j < LANES; j++) {
        hash[j] = noise_hash(key, from + j);
        any |= l[j] * inverse_temperature + noise_bound(hash[j]) >= enough;
    }
    return any;
}

/* Considers every id that the callback left. Most blocks are skipped as a whole. */
static void consider_all(struct draw *d, const float *work, uint32_t vocab) {
    uint32_t hash[LANES], from = 0;
    for (; from + LANES <= vocab; from += LANES) {
        if (!block_may_matter(d, work + from, from, hash)) continue;
        for (uint32_t j = 0; j < LANES; j++)
            if (work[from + j] != LOGIT_NONE) consider(d, work[from + j], from + j, hash[j]);
    }
    for (; from < vocab; from++)
        if (work[from] != LOGIT_NONE) consider_one(d, work[from], from);
}

/* first: the first rank, which every rule keeps. Fills in the results of the draw. */
static void draw_from(struct draw *d, const float *work, uint32_t vocab, uint32_t first,
                      uint64_t *key, uint32_t *weight) {
    const struct sampler *s = d->sampler;
    d->max = work[first];
    d->best = d->next = LOGIT_NONE;
    d->id = d->next_id = UINT32_MAX;
    consider_one(d, d->max, first); /* this id is likely to win, so most others are skipped */
    if (s->config.top_k == 0 && s->top_p == 0) {
        uint32_t second = d->two ? second_rank(work, vocab, first) : UINT32_MAX;
        if (second != UINT32_MAX) consider_one(d, work[second], second);
        consider_all(d, work, vocab);
        return;
    }
    size_t n = 0;
    for (uint32_t i = 0; i < vocab; i++)
        if (work[i] != LOGIT_NONE) key[n++] = key_of(work[i], i);
    if (s->config.top_k) n = keep_top_k(key, n, s->config.top_k);
    if (s->top_p) n = keep_top_p(key, weight, n, d->max, s->top_p);
    for (size_t i = 0; i < n; i++) consider_one(d, key_logit(key[i]), key_id(key[i]));
}

/* ------------------------------------------------------------------------------------ choice -- */

/* The scratch holds keys, then logits to work on, then weights. */
size_t sample_scratch_bytes(uint32_t vocab) {
    return (size_t)vocab * (sizeof(uint64_t) + sizeof(float) + sizeof(uint32_t));
}

apus_status sample_pick(const struct sampler *s, const float *logits, uint32_t vocab,
                        const int32_t *context, size_t context_count, const int32_t *made,
                        size_t made_count, uint64_t position, void *scratch,
                        struct choice *choice) {
    assert(vocab && (uintptr_t)scratch % 8 == 0);
    uint64_t *key = scratch;
    float *copy = (float *)(void *)(key + vocab);
    const float *work = logits;
    uint32_t chosen;
    const bool bound = s->bind && bind_left(s->bind);
    if (s->inverse_penalty != 0.0f || s->config.logits || bound) {
        memcpy(copy, logits, vocab * sizeof(float));
        if (s->inverse_penalty != 0.0f) penalize(s, logits, copy, context, context_count);
        if (s->config.logits) {
            s->config.logits(s->config.logits_user, copy, vocab, made, made_count);
            if (!callback_holds(copy, vocab)) return APUS_E_NUMERIC;
        }
        if (bound) bind_mask(s->bind, copy, vocab);
        work = copy;
    }
    apus_status status = first_rank(work, vocab, &chosen);
    if (status) return status;
    float max = work == logits ? work[chosen] : max_of(logits, vocab);
    if (s->inverse_temperature != 0.0f) {
        struct draw d = {.sampler = s, .key = noise_key(s->config.seed, position)};
        draw_from(&d, work, vocab, chosen, key, (uint32_t *)(void *)(copy + vocab));
        chosen = d.id;
    }
    assert(chosen < vocab);
    choice->id = (int32_t)chosen;
    tell_probabilities(s, logits, vocab, max, choice);
    return APUS_OK;
}

apus_status sample_guess(const struct sampler *s, const float *logits, uint32_t vocab,
                         const int32_t *context, size_t context_count, uint64_t position,
                         void *scratch, struct guess *guess) {
    assert(vocab && (uintptr_t)scratch % 8 == 0);
    uint64_t *key = scratch;
    float *copy = (float *)(void *)(key + vocab);
    const float *work = logits;
    struct draw d = {.sampler = s, .key = noise_key(s->config.seed, position), .two = true};
    if (s->inverse_penalty != 0.0f) {
        memcpy(copy, logits, vocab * sizeof(float));
        penalize(s, logits, copy, context, context_count);
        work = copy;
    }
    apus_status status = first_rank(work, vocab, &d.id);
    if (status) return status;
    if (s->inverse_temperature != 0.0f) {
        draw_from(&d, work, vocab, d.id, key, (uint32_t *)(void *)(copy + vocab));
    } else {
        d.next_id = second_rank(work, vocab, d.id);
        d.best = work[d.id];
        if (d.next_id != UINT32_MAX) d.next = work[d.next_id];
    }
    guess->id = (int32_t)d.id;
    guess->other = d.next_id == UINT32_MAX ? -1 : (int32_t)d.next_id;
    guess->margin = d.next_id == UINT32_MAX ? GUESS_SURE : d.best - d.next;
    return APUS_OK;
}
