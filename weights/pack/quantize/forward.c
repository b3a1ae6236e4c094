#include "weights/pack/quantize/forward.h"

#include <math.h>
#include <string.h>

#include "weights/pack/quantize/matmul.h"
#include "weights/pack/quantize/parallel.h"

enum { LANES = 16 };
static const float NEAREST = 12582912.0f; /* as in quantize.c */

static size_t tokens_of(const struct forward *f) { return (size_t)f->windows * f->length; }

/* 2^t for t in [-30, 30], computed as docs/numerics.md section 2 says. */
static inline float power_of_two(float t) {
    float n = (t + NEAREST) - NEAREST, x = t - n;
    float p = 0x1.41fbbcp-13f;
    p = p * x + 0x1.5f3e54p-10f, p = p * x + 0x1.3b2d4cp-7f, p = p * x + 0x1.c6aee8p-5f,
    p = p * x + 0x1.ebfbdcp-3f;
    p = p * x + 0x1.62e430p-1f, p = p * x + 1;
    uint32_t bits;
    memcpy(&bits, &p, 4);
    bits += (uint32_t)(int32_t)n << 23;
    memcpy(&p, &bits, 4);
    return p;
}

/* Rounds in place to 127 levels of each sign, then multiplies by `gain`. */
static void round_to_bytes(float *x, uint32_t n, float gain) {
    float most = 0;
    for (uint32_t i = 0; i < n; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    float inverse = most > 0 ? 127 / most : 0, scale = most / 127 * gain;
    for (uint32_t i = 0; i < n; i++) x[i] = ((x[i] * inverse + NEAREST) - NEAREST) * scale;
}

/* ---------------------------------------------------------------------------- token by token -- */

struct tokens {
    const struct forward *f;
    const float *from;
    float *to;
    float *sum;
    uint32_t width;
    enum blob_activation activation;
    bool plain;        /* without the norm */
    const float *gain; /* of a norm behind a sublayer, and the blocks of its transform: */
    uint32_t block;
};

/* The factor of RMSNorm. */
static float norm_factor(const float *x, uint32_t n, float eps) {
    float lane[LANES] = {0}, sum = 0;
    for (uint32_t i = 0; i < n; i++) lane[i % LANES] += x[i] * x[i];
    for (int j = 0; j < LANES; j++) sum += lane[j];
    return 1 / sqrtf(sum / (float)n + eps);
}

static void norm_token(void *user, size_t token, unsigned worker) {
    (void)worker;
    const struct tokens *t = user;
    uint32_t dim = t->f->dim, kp = padded_cols(dim);
    const float *x = t->from + token * dim;
    float *a = t->to + token * kp;
    memcpy(a, x, dim * sizeof *a);
    memset(a + dim, 0, (kp - dim) * sizeof *a);
    round_to_bytes(a, dim, t->plain ? 1 : norm_factor(x, dim, t->f->eps));
}

void forward_norm(const struct forward *f, const float *x, float *a) {
    struct tokens t = {.f = f, .from = x, .to = a};
    parallel_for(f->threads, tokens_of(f), norm_token, &t);
}

void forward_input(const struct forward *f, const float *x, float *a) {
    struct tokens t = {.f = f, .from = x, .to = a, .plain = true};
    parallel_for(f->threads, tokens_of(f), norm_token, &t);
}

static void quantize_token(void *user, size_t token, unsigned worker) {
    (void)worker;
    const struct tokens *t = user;
    round_to_bytes(t->to + token * t->width, t->width, 1);
}

void forward_quantize(const struct forward *f, float *x, uint32_t width) {
    struct tokens t = {.f = f, .to = x, .width = width};
    parallel_for(f->threads, tokens_of(f), quantize_token, &t);
}

static void hadamard(float *h, uint32_t n) {
    for (uint32_t length = 1; length < n; length *= 2)
        for (uint32_t at = 0; at < n; at += 2 * length)
            for (uint32_t i = at; i < at + length; i++) {
                float sum = h[i] + h[i + length], difference = h[i] - h[i + length];
                h[i] = sum, h[i + length] = difference;
            }
}

static void join_token(void *user, size_t token, unsigned worker) {
    (void)worker;
    const struct tokens *t = user;
    const uint32_t dim = t->f->dim;
    float *y = t->to + token * dim, *x = t->sum + token * dim;
    const float r = norm_factor(y, dim, t->f->eps);
    for (uint32_t i = 0; i < dim; i++) y[i] *= t->gain[i];
    for (uint32_t i = 0; i < dim; i += t->block) hadamard(y + i, t->block);
    for (uint32_t i = 0; i < dim; i++) x[i] += y[i] * r;
}

void forward_join(const struct forward *f, float *y, const float *gain, uint32_t block, float *x) {
    struct tokens t = {.f = f, .to = y, .gain = gain, .block = block, .sum = x};
    parallel_for(f->threads, tokens_of(f), join_token, &t);
}

static void bias_token(void *user, size_t token, unsigned worker) {
    (void)worker;
    const struct tokens *t = user;
    float *x = t->to + token * t->width;
    for (uint32_t i = 0; i < t->width; i++) x[i] += t->from[i];
}

void forward_bias(const struct forward *f, uint32_t width, const float *bias, float *x) {
    struct tokens t = {.f = f, .from = bias, .to = x, .width = width};
    parallel_for(f->threads, tokens_of(f), bias_token, &t);
}

/* x / (1 + 2^power) */
static float part_of(float x, float power) {
    power = power < -30 ? -30 : power > 30 ? 30 : power;
    return x / (1 + power_of_two(power));
}

static float gelu(float x) {
    float y = x < -8 ? -8 : x > 8 ? 8 : x;
    return part_of(x, y * (-0x1.26aec2p+1f + -0x1.a5a7d0p-4f * (y * y)));
}

static float clamped(float g, float u) {
    g = g > 7 ? 7 : g;
    u = u < -7 ? -7 : u > 7 ? 7 : u;
    return part_of(g, g * -0x1.3a4cbep+1f) * (u + 1);
}

static void act_token(void *user, size_t token, unsigned worker) {
    (void)worker;
    const struct tokens *t = user;
    float *g = t->to + token * t->width;
    const float *u = t->from + token * t->width;
    switch (t->activation) {
    case ACTIVATION_SILU:
    case ACTIVATION_PLAIN:
        for (uint32_t i = 0; i < t->width; i++) g[i] = part_of(g[i], g[i] * -0x1.715476p+0f) * u[i];
        break;
    case ACTIVATION_GELU:
        for (uint32_t i = 0; i < t->width; i++) g[i] = gelu(u[i]);
        break;
    case ACTIVATION_CLAMPED:
        for (uint32_t i = 0; i < t->width; i++) g[i] = clamped(g[i], u[i]);
        break;
    }
    for (uint32_t i = 0; i < t->width && t->activation != ACTIVATION_PLAIN; i += GROUP)
        hadamard(g + i, GROUP);
    round_to_bytes(g, t->width, 1);
}

void forward_act(const struct forward *f, enum blob_activation activation, uint32_t ffn, float *g,
                 const float *u) {
    struct tokens t = {.f = f, .from = u, .to = g, .width = ffn, .activation = activation};
    parallel_for(f->threads, tokens_of(f), act_token, &t);
}

static void check_token(void *user, size_t token, unsigned worker) {
    (void)worker;
    const struct tokens *t = user;
    float sum = 0;
    for (uint32_t i = 0; i < t->width; i++) sum += t->from[token * t->width + i] * 0;
    t->to[token] = sum;
}

bool forward_is_finite(const struct forward *f, const float *x, uint32_t width) {
    float sum[1024] = {0};
    for (size_t at = 0; at < tokens_of(f); at += 1024) {
        size_t count = tokens_of(f) - at < 1024 ? tokens_of(f) - at : 1024;
        struct tokens t = {.f = f, .from = x + at * width, .to = sum, .width = width};
        parallel_for(f->threads, count, check_token, &t);
        for (size_t i = 0; i < count; i++)
            if (sum[i] != 0) return false;
    }
    return true;
}

/* --------------------------------------------------------------------------------- attention -- */

struct attention {
    const struct forward *f;
    uint32_t heads, kv_heads;
    float *q, *k, *v, *o;
    const float *gain[2];
};

static void turn(float *head, uint32_t head_dim, const float *rope) {
    uint32_t half = head_dim / 2, block = head_block(head_dim);
    for (uint32_t i = 0; rope && i < half; i++) {
        float a = head[i], b = head[i + half], cosine = rope[i], sine = rope[half + i];
        head[i] = a * cosine - b * sine;
        head[i + half] = a * sine + b * cosine;
    }
    for (uint32_t i = 0; i < head_dim; i += block) hadamard(head + i, block);
}

static void turn_token(void *user, size_t token, unsigned worker) {
    (void)worker;
    const struct attention *t = user;
    uint32_t head_dim = t->f->head_dim;
    const float *rope = t->f->rope ? t->f->rope + token % t->f->length * head_dim : NULL;
    float *const part[3] = {t->q + token * t->heads * head_dim,
                            t->k + token * t->kv_heads * head_dim,
                            t->v + token * t->kv_heads * head_dim};
    for (int which = 0; which < 3; which++) {
        uint32_t heads = which ? t->kv_heads : t->heads;
        const float *gain = which < 2 ? t->gain[which] : NULL;
        const bool whole = gain && t->f->whole;
        float r = whole ? norm_factor(part[which], heads * head_dim, t->f->eps) : 1;
        for (uint32_t h = 0; h < heads; h++) {
            float *x = part[which] + (size_t)h * head_dim;
            if (gain && !whole) r = norm_factor(x, head_dim, t->f->eps);
            if (whole && h) gain += head_dim;
            for (uint32_t i = 0; gain && i < head_dim; i++) x[i] *= gain[i];
            if (which < 2) turn(x, head_dim, rope);
            round_to_bytes(x, head_dim, r);
        }
    }
}

/* Applies softmax to the scores [first .. position] of a query, with a sink if there is one; the
 * rest of the row becomes 0. */
static void shares(float *score, uint32_t first, uint32_t position, uint32_t length,
                   const float *sink) {
    float most = score[first], lane[LANES] = {0}, sum = 0;
    for (uint32_t j = 0; j < first; j++) score[j] = 0;
    for (uint32_t j = first; j <= position; j++) most = score[j] > most ? score[j] : most;
    if (sink && *sink > most) most = *sink;
    if (sink && *sink - most >= -30) sum = power_of_two(*sink - most);
    for (uint32_t j = first; j <= position; j++) {
        float power = score[j] - most;
        score[j] = power < -30 ? 0 : power_of_two(power);
        lane[j % LANES] += score[j];
    }
    for (int j = 0; j < LANES; j++) sum += lane[j];
    for (uint32_t j = first; j <= position; j++) score[j] /= sum;
    for (uint32_t j = position + 1; j < length; j++) score[j] = 0;
}

size_t forward_room(uint32_t length, uint32_t head_dim) {
    return (size_t)length * (length + head_dim) + MATMUL_ROOM;
}

/* Computes one query head of one window. */
static void one_head(void *user, size_t item, unsigned worker) {
    const struct attention *t = user;
    uint32_t length = t->f->length, head_dim = t->f->head_dim, head = (uint32_t)(item % t->heads),
             kv = head / (t->heads / t->kv_heads);
    size_t first = item / t->heads * length, q_row = (size_t)t->heads * head_dim,
           kv_row = (size_t)t->kv_heads * head_dim;
    float *score = t->f->room + worker * forward_room(length, head_dim),
          *out = score + (size_t)length * length;
    float *room = out + (size_t)length * head_dim;
    const float *q = t->q + first * q_row + (size_t)head * head_dim;
    const float *k = t->k + first * kv_row + (size_t)kv * head_dim,
                *v = t->v + first * kv_row + (size_t)kv * head_dim;
    memset(score, 0, (size_t)length * (length + head_dim) * sizeof *score);
    matmul(length, length, head_dim, (struct matrix){q, q_row, 1}, (struct matrix){k, 1, kv_row},
           score, length, false, room);
    uint32_t window = t->f->window ? t->f->window : length;
    for (uint32_t i = 0; i < length; i++)
        shares(score + (size_t)i * length, i < window ? 0 : i - window + 1, i, length,
               t->f->sinks ? &t->f->sinks[head] : NULL);
    matmul(length, head_dim, length, (struct matrix){score, length, 1},
           (struct matrix){v, kv_row, 1}, out, head_dim, false, room);
    size_t o_row = padded_cols(t->heads * head_dim);
    for (uint32_t i = 0; i < length; i++)
        memcpy(t->o + (first + i) * o_row + (size_t)head * head_dim, out + (size_t)i * head_dim,
               head_dim * sizeof *out);
}

void forward_attention(const struct forward *f, uint32_t heads, uint32_t kv_heads, float *q,
                       float *k, float *v, const float *const gain[2], float *o) {
    struct attention t = {.f = f,
                          .heads = heads,
                          .kv_heads = kv_heads,
                          .q = q,
                          .k = k,
                          .v = v,
                          .o = o,
                          .gain = {gain[0], gain[1]}};
    uint32_t width = padded_cols(heads * f->head_dim);
    parallel_for(f->threads, tokens_of(f), turn_token, &t);
    memset(o, 0, tokens_of(f) * width * sizeof *o);
    parallel_for(f->threads, (size_t)f->windows * heads, one_head, &t);
    forward_quantize(f, o, width);
}
