/* What happens to one column between GEMVs, in plain C (docs/numerics.md 3 and 5). */
#include "cpu/variants.h"
#include "hal/scalar.h"

/* The maximum of magnitudes, compared as bits. So it is exact in any order, and a NaN counts as the
 * largest. */
static float magnitude(const float *x, uint32_t n) {
    uint32_t a = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t m = float_bits(x[i]) & 0x7fffffffu;
        if (m > a) a = m;
    }
    return bits_float(a);
}

/* quant of docs/numerics.md 3: fills q[0..n), gives s. */
static float quantize(const float *x, uint32_t n, int8_t *q, uint32_t *bad) {
    float a = num_snap(magnitude(x, n), bad);
    if (a == 0.0f) {
        memset(q, 0, n);
        return 0.0f;
    }
    float v = 127.0f * num_recip(a);
    for (uint32_t i = 0; i < n; i++) {
        float t = num_rint(x[i] * v);
        q[i] = (int8_t)(t < -127.0f ? -127.0f : t > 127.0f ? 127.0f : t);
    }
    return num_snap(a * 0x1.020408p-7f, bad);
}

/* Fills in a column's padding and group sums, where its q is filled up to k, and then its scale. */
static void finish(void *column, uint32_t k, float scale) {
    uint32_t kp = padded_cols(k);
    int8_t *q = column;
    int32_t *gsum = act_gsum(column, kp);
    memset(q + k, 0, kp - k);
    for (uint32_t g = 0; g < kp / GROUP; g++) {
        gsum[g] = 0;
        for (uint32_t i = 0; i < GROUP; i++) gsum[g] += q[g * GROUP + i];
    }
    *act_scale(column, kp) = scale;
}

uint32_t ref_quant(const float *x, uint32_t k, void *column) {
    assert(k && lines_good(column));
    uint32_t bad = 0;
    float s = quantize(x, k, column, &bad);
    finish(column, k, s);
    return bad;
}

float ref_rms(const float *x, uint32_t n, float inv_n, float eps) {
    float p[64] = {0};
    for (uint32_t i = 0; i < n; i++) p[i % 64] = p[i % 64] + x[i] * x[i];
    for (uint32_t w = 32; w > 0; w /= 2)
        for (uint32_t j = 0; j < w; j++) p[j] = p[j] + p[j + w];
    return num_rsqrt(p[0] * inv_n + eps);
}

uint32_t ref_norm(const float *x, uint32_t dim, float inv_dim, float eps, void *column) {
    assert(dim && lines_good(column));
    uint32_t bad = 0;
    float r = ref_rms(x, dim, inv_dim, eps);
    float s = quantize(x, dim, column, &bad);
    finish(column, dim, num_snap(s * r, &bad));
    return bad;
}

static float silu(float g, float u, uint32_t *bad) {
    float t = g * -0x1.715476p+0f;
    t = t < -30.0f ? -30.0f : t;
    t = t > 30.0f ? 30.0f : t;
    float h = num_snap(g * num_recip(1.0f + num_exp2(t)), bad);
    return num_snap(h * u, bad);
}

static float gelu(float x, uint32_t *bad) {
    float y = x < -8.0f ? -8.0f : x > 8.0f ? 8.0f : x;
    float t = y * (-0x1.26aec2p+1f + -0x1.a5a7d0p-4f * (y * y));
    t = t < -30.0f ? -30.0f : t;
    t = t > 30.0f ? 30.0f : t;
    return num_snap(x * num_recip(1.0f + num_exp2(t)), bad);
}

static float clamped(float g, float u, uint32_t *bad) {
    g = g > 7.0f ? 7.0f : g;
    u = u < -7.0f ? -7.0f : u > 7.0f ? 7.0f : u;
    float t = g * -0x1.3a4cbep+1f;
    t = t < -30.0f ? -30.0f : t;
    t = t > 30.0f ? 30.0f : t;
    float h = num_snap(g * num_recip(1.0f + num_exp2(t)), bad);
    return num_snap(h * (u + 1.0f), bad);
}

/* n: a power of two */
static void hadamard(float *h, uint32_t n) {
    for (uint32_t len = 1; len < n; len *= 2)
        for (uint32_t i = 0; i < n; i++) {
            if (i & len) continue;
            float a = h[i], b = h[i + len];
            h[i] = a + b;
            h[i + len] = a - b;
        }
}

static uint32_t finish_act(float *g, uint32_t ffn, void *column) {
    assert(ffn && ffn % 64 == 0 && lines_good(column));
    for (uint32_t i = 0; i < ffn; i += 64) hadamard(g + i, 64);
    return ref_quant(g, ffn, column);
}

uint32_t ref_act_silu(float *g, const float *u, uint32_t ffn, void *column) {
    uint32_t bad = 0;
    for (uint32_t i = 0; i < ffn; i++) g[i] = silu(g[i], u[i], &bad);
    return bad | finish_act(g, ffn, column);
}

uint32_t ref_act_plain(float *g, const float *u, uint32_t ffn, void *column) {
    uint32_t bad = 0;
    for (uint32_t i = 0; i < ffn; i++) g[i] = silu(g[i], u[i], &bad);
    return bad | ref_quant(g, ffn, column);
}

uint32_t ref_act_gelu(float *g, const float *u, uint32_t ffn, void *column) {
    uint32_t bad = 0;
    (void)u;
    for (uint32_t i = 0; i < ffn; i++) g[i] = gelu(g[i], &bad);
    return bad | finish_act(g, ffn, column);
}

uint32_t ref_act_clamped(float *g, const float *u, uint32_t ffn, void *column) {
    uint32_t bad = 0;
    for (uint32_t i = 0; i < ffn; i++) g[i] = clamped(g[i], u[i], &bad);
    return bad | finish_act(g, ffn, column);
}

uint32_t ref_head(float *x, const float *gain, float r, const float *cos_sin, uint32_t head_dim,
                  int8_t *q, float *scale) {
    assert(head_good(head_dim));
    uint32_t bad = 0, h = head_dim / 2, block = head_block(head_dim);
    if (gain)
        for (uint32_t i = 0; i < head_dim; i++) x[i] = num_snap(x[i] * gain[i], &bad);
    if (cos_sin) {
        for (uint32_t i = 0; i < h; i++) {
            float a = x[i], b = x[i + h], c = cos_sin[i], s = cos_sin[h + i];
            x[i] = num_snap(a * c - b * s, &bad);
            x[i + h] = num_snap(a * s + b * c, &bad);
        }
        for (uint32_t i = 0; i < head_dim; i += block) hadamard(x + i, block);
    }
    *scale = quantize(x, head_dim, q, &bad);
    if (gain) *scale = num_snap(*scale * r, &bad);
    return bad;
}

uint32_t ref_join(float *x, float *y, const float *gain, float r, uint32_t n, uint32_t block) {
    assert(block && !(block & (block - 1)) && n % block == 0);
    uint32_t bad = 0;
    for (uint32_t i = 0; i < n; i++) y[i] = num_snap(y[i] * gain[i], &bad);
    for (uint32_t i = 0; i < n; i += block) hadamard(y + i, block);
    for (uint32_t i = 0; i < n; i++) {
        float part = num_snap(y[i] * r, &bad);
        x[i] = num_snap(x[i] + part, &bad);
    }
    return bad;
}

uint32_t ref_embed(const int8_t *row, float scale, uint32_t dim, float *x) {
    uint32_t bad = 0;
    for (uint32_t i = 0; i < dim; i++) x[i] = num_snap((float)row[i] * scale, &bad);
    return bad;
}

uint32_t ref_mix(float *x, const float *y, float weight, uint32_t n) {
    uint32_t bad = 0;
    for (uint32_t i = 0; i < n; i++) {
        float part = num_snap(y[i] * weight, &bad);
        x[i] = num_snap(x[i] + part, &bad);
    }
    return bad;
}
