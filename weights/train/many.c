/* What PyTorch is slow at: when many texts are written at once, attention of one new position of
 * each and the choice of an id out of all; when the draft learns, the cross entropy of its logits.
 * many.py compiles it. bfloat16 is uint16_t. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Called from Python by name. */
void attend(const uint16_t *y, uint16_t *k, uint16_t *v, const int32_t *at, const float *cosines,
            const float *sines, int n, int length, uint16_t *out);
void choose(const uint16_t *logits, int n, int vocab, int rows, const float *temperature,
            const float *random, float smallest, int32_t *choice, uint16_t *top, float *log);
void cross(uint16_t *logits, int n, int vocab, int some, const uint16_t *ids, const float *share,
           double *loss, int32_t *agreed);

enum { HEADS = 9, KV = 3, SHARED = HEADS / KV, HEAD = 64, WIDTH = (HEADS + 2 * KV) * HEAD };
enum { LANES = 16, PARTS = HEAD / LANES, LONGEST = 1024 };
enum { BLOCK = 64, TOP = 16, CANDIDATES = 1024 };

typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint32_t bits __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint16_t halves __attribute__((vector_size(2 * LANES), aligned(2)));

static float widen(uint16_t x) {
    uint32_t b = (uint32_t)x << 16;
    float f;
    memcpy(&f, &b, sizeof f);
    return f;
}

static uint16_t narrow(float f) {
    uint32_t b;
    memcpy(&b, &f, sizeof b);
    return (uint16_t)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

static lanes load(const uint16_t *p) {
    halves h;
    memcpy(&h, p, sizeof h);
    bits b = __builtin_convertvector(h, bits) << 16;
    return (lanes)b;
}

static void rotate(const uint16_t *from, const float *cosines, const float *sines, float scale,
                   float *to) {
    for (int i = 0; i < HEAD / 2; i++) {
        float a = widen(from[i]), b = widen(from[i + HEAD / 2]);
        to[i] = (a * cosines[i] - b * sines[i]) * scale;
        to[i + HEAD / 2] = (b * cosines[i] + a * sines[i]) * scale;
    }
}

/* One group of query heads, positions 0 to t. k: [position / LANES][HEAD][position % LANES], so
 * that a vector is of as many positions; v: [position][HEAD]. */
static void attend_group(const float q[SHARED][HEAD], const uint16_t *k, const uint16_t *v, int t,
                         uint16_t *out) {
    float share[SHARED][LONGEST], most[SHARED], all[SHARED];
    lanes made[SHARED][PARTS];
    memset(made, 0, sizeof made);
    for (int s = 0; s <= t; s += LANES, k += HEAD * LANES) {
        lanes dots[SHARED];
        memset(dots, 0, sizeof dots);
        for (int i = 0; i < HEAD; i++) {
            lanes key = load(k + i * LANES);
            for (int h = 0; h < SHARED; h++) dots[h] += q[h][i] * key;
        }
        for (int h = 0; h < SHARED; h++) memcpy(share[h] + s, &dots[h], sizeof dots[h]);
    }
    for (int h = 0; h < SHARED; h++) {
        most[h] = share[h][0], all[h] = 0;
        for (int s = 1; s <= t; s++) most[h] = share[h][s] > most[h] ? share[h][s] : most[h];
        for (int s = 0; s <= t; s++) all[h] += share[h][s] = expf(share[h][s] - most[h]);
    }
    for (int s = 0; s <= t; s++)
        for (int p = 0; p < PARTS; p++) {
            lanes value = load(v + s * HEAD + p * LANES);
            for (int h = 0; h < SHARED; h++) made[h][p] += share[h][s] * value;
        }
    for (int h = 0; h < SHARED; h++)
        for (int i = 0; i < HEAD; i++)
            out[h * HEAD + i] = narrow(made[h][i / LANES][i % LANES] / all[h]);
}

/* y: [n][WIDTH] queries, keys, values of the new positions at[n]; k, v: [n][KV][length * HEAD], to
 * which they are added; cosines, sines: [length][HEAD / 2]; out: [n][HEADS * HEAD]. */
void attend(const uint16_t *y, uint16_t *k, uint16_t *v, const int32_t *at, const float *cosines,
            const float *sines, int n, int length, uint16_t *out) {
#pragma omp parallel for schedule(dynamic, 8)
    for (int i = 0; i < n; i++)
        for (int g = 0; g < KV; g++) {
            const uint16_t *row = y + (size_t)i * WIDTH;
            const float *c = cosines + at[i] * (HEAD / 2), *s = sines + at[i] * (HEAD / 2);
            uint16_t *keys = k + (size_t)(i * KV + g) * length * HEAD;
            uint16_t *values = v + (size_t)(i * KV + g) * length * HEAD;
            float q[SHARED][HEAD], key[HEAD];
            for (int h = 0; h < SHARED; h++)
                rotate(row + (g * SHARED + h) * HEAD, c, s, 0.125f, q[h]);
            rotate(row + (HEADS + g) * HEAD, c, s, 1, key);
            uint16_t *mine = keys + at[i] / LANES * LANES * HEAD + at[i] % LANES;
            for (int j = 0; j < HEAD; j++) mine[j * LANES] = narrow(key[j]);
            memcpy(values + at[i] * HEAD, row + (HEADS + KV + g) * HEAD, HEAD * sizeof *values);
            attend_group(q, keys, values, at[i],
                         out + (size_t)i * HEADS * HEAD + g * SHARED * HEAD);
        }
}

struct found {
    float logit;
    int32_t id;
};

static int by_logit(const void *a, const void *b) {
    float x = ((const struct found *)a)->logit, y = ((const struct found *)b)->logit;
    return x < y ? 1 : x > y ? -1 : 0;
}

static int falling(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Those of at least `least`; best[] has the greatest of each block. */
static int collect(const uint16_t *logits, const float *best, int blocks, float least,
                   struct found *found) {
    int n = 0;
    for (int b = 0; b < blocks; b++)
        for (int i = 0; best[b] >= least && i < BLOCK && n < CANDIDATES; i++)
            if (widen(logits[b * BLOCK + i]) >= least)
                found[n++] = (struct found){widen(logits[b * BLOCK + i]), b * BLOCK + i};
    return n;
}

static void choose_one(const uint16_t *logits, int vocab, int rows, float temperature, float random,
                       float smallest, int32_t *choice, uint16_t *top, float *log) {
    float best[65536 / BLOCK] = {0}, sorted[65536 / BLOCK], most = -INFINITY;
    struct found found[CANDIDATES];
    for (int b = 0; b < vocab / BLOCK; b++) {
        lanes m = load(logits + b * BLOCK);
        for (int p = 1; p < BLOCK / LANES; p++) {
            lanes x = load(logits + b * BLOCK + p * LANES);
            bits more = (bits)(x > m);
            m = (lanes)((more & (bits)x) | (~more & (bits)m));
        }
        best[b] = m[0];
        for (int i = 1; i < LANES; i++) best[b] = m[i] > best[b] ? m[i] : best[b];
        most = best[b] > most ? best[b] : most;
    }
    float every = expf(widen(logits[0]) - most);
    for (int i = 1; i < vocab; i++) every += expf(widen(logits[i]) - most);
    /* The TOP blocks with the greatest have at least TOP such ids. */
    memcpy(sorted, best, sizeof *best * (size_t)(rows / BLOCK));
    qsort(sorted, (size_t)(rows / BLOCK), sizeof *sorted, falling);
    int n = collect(logits, best, rows / BLOCK, sorted[TOP - 1], found);
    qsort(found, (size_t)n, sizeof *found, by_logit);
    for (int i = 0; i < TOP; i++) {
        top[i] = (uint16_t)found[i].id;
        log[i] = found[i].logit - most - logf(every);
    }
    n = collect(logits, best, vocab / BLOCK,
                temperature > 0 ? most + temperature * logf(smallest) : most, found);
    qsort(found, (size_t)n, sizeof *found, by_logit);
    float all = 0, so_far = 0;
    for (int i = 0; i < n && temperature > 0; i++)
        all += expf((found[i].logit - most) / temperature);
    int at = 0;
    for (; temperature > 0 && at < n - 1; at++)
        if ((so_far += expf((found[at].logit - most) / temperature)) > random * all) break;
    *choice = found[at].id;
}

/* Of each of n rows of logits: the choice at its temperature, among ids at least `smallest` times
 * as likely as the likeliest; the TOP likeliest below `rows` and the logarithms of what they have
 * of all. */
void choose(const uint16_t *logits, int n, int vocab, int rows, const float *temperature,
            const float *random, float smallest, int32_t *choice, uint16_t *top, float *log) {
#pragma omp parallel for schedule(dynamic, 8)
    for (int i = 0; i < n; i++)
        choose_one(logits + (size_t)i * vocab, vocab, rows, temperature[i], random[i], smallest,
                   choice + i, top + i * TOP, log + i * TOP);
}

/* Of n rows of `vocab` logits, which become the gradients of the cross entropies with shares of
 * `some` ids of each row: the sum of these entropies, and how many rows have their greatest logit
 * at their first id. */
void cross(uint16_t *logits, int n, int vocab, int some, const uint16_t *ids, const float *share,
           double *loss, int32_t *agreed) {
    double sum = 0;
    int right = 0;
#pragma omp parallel for schedule(dynamic, 8) reduction(+ : sum, right)
    for (int i = 0; i < n; i++) {
        uint16_t *row = logits + (size_t)i * vocab;
        const uint16_t *id = ids + (size_t)i * some;
        const float *part = share + (size_t)i * some;
        float e[65536], most = -INFINITY, all = 0, mass = 0;
        for (int j = 0; j < vocab; j++) most = widen(row[j]) > most ? widen(row[j]) : most;
        for (int j = 0; j < vocab; j++) all += e[j] = expf(widen(row[j]) - most);
        right += widen(row[id[0]]) >= most;
        for (int k = 0; k < some; k++) mass += part[k];
        for (int k = 0; k < some; k++) sum += part[k] * (logf(all) + most - widen(row[id[k]]));
        for (int j = 0; j < vocab; j++) row[j] = narrow(e[j] * (mass / all));
        for (int k = 0; k < some; k++) row[id[k]] = narrow(e[id[k]] * (mass / all) - part[k]);
    }
    *loss = sum;
    *agreed = right;
}
