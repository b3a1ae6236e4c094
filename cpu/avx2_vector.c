/* What happens to one column between GEMVs, 8 lanes at a time (docs/numerics.md 3 and 5). Widths
 * are multiples of 16 in real models. For other widths the last elements are computed one by
 * one. */
#include "cpu/avx2_inl.h"
#include "cpu/variants.h"

static float magnitude(const float *x, uint32_t n) {
    __m256i a = _mm256_setzero_si256();
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8) a = _mm256_max_epu32(a, magnitude8(_mm256_loadu_ps(x + i)));
    uint32_t m = max8(a);
    for (; i < n; i++) {
        uint32_t b = float_bits(x[i]) & 0x7fffffffu;
        if (b > m) m = b;
    }
    return bits_float(m);
}

/* quant of docs/numerics.md 3: fills q[0..n) and returns s. The conversion rounds to nearest even,
 * as rint does. |x * v| is below 127.5. */
static float quantize(const float *x, uint32_t n, int8_t *q, uint32_t *bad) {
    float a = num_snap(magnitude(x, n), bad);
    if (a == 0.0f) {
        memset(q, 0, n);
        return 0.0f;
    }
    const float v = 127.0f * num_recip(a);
    const __m256 v8 = _mm256_set1_ps(v);
    uint32_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i s = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), v8));
        __m256i t = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), v8));
        __m256i w = _mm256_permute4x64_epi64(_mm256_packs_epi32(s, t), 0xd8);
        _mm_storeu_si128(
            (__m128i *)(void *)(q + i),
            _mm_packs_epi16(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1)));
    }
    for (; i < n; i++) q[i] = (int8_t)num_rint(x[i] * v);
    return num_snap(a * 0x1.020408p-7f, bad);
}

/* Fills in a column's padding and group sums, where its q is filled up to k, and then its scale. */
static void finish(void *column, uint32_t k, float scale) {
    const uint32_t kp = padded_cols(k);
    const __m256i one8 = _mm256_set1_epi8(1), one16 = _mm256_set1_epi16(1);
    int8_t *q = column;
    int32_t *gsum = act_gsum(column, kp);
    memset(q + k, 0, kp - k);
    for (uint32_t g = 0; g < kp / GROUP; g++, q += GROUP) {
        __m256i s =
            _mm256_maddubs_epi16(one8, _mm256_loadu_si256((const __m256i *)(const void *)q));
        __m256i t =
            _mm256_maddubs_epi16(one8, _mm256_loadu_si256((const __m256i *)(const void *)(q + 32)));
        gsum[g] = sum8(_mm256_madd_epi16(_mm256_add_epi16(s, t), one16));
    }
    *act_scale(column, kp) = scale;
}

uint32_t avx2_quant(const float *x, uint32_t k, void *column) {
    assert(k && lines_good(column));
    uint32_t bad = 0;
    float s = quantize(x, k, column, &bad);
    finish(column, k, s);
    return bad;
}

/* The sum of squares as docs/numerics.md 5 orders it: 64 partial sums, then a tree. */
static float sum_of_squares(const float *x, uint32_t n) {
    float p[64] = {0};
    uint32_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (uint32_t j = 0; j < 64; j += 8) {
            __m256 v = _mm256_loadu_ps(x + i + j);
            _mm256_storeu_ps(p + j, _mm256_add_ps(_mm256_loadu_ps(p + j), _mm256_mul_ps(v, v)));
        }
    for (; i < n; i++) p[i % 64] = p[i % 64] + x[i] * x[i];
    for (uint32_t w = 32; w >= 8; w /= 2)
        for (uint32_t j = 0; j < w; j += 8)
            _mm256_storeu_ps(p + j,
                             _mm256_add_ps(_mm256_loadu_ps(p + j), _mm256_loadu_ps(p + j + w)));
    for (uint32_t w = 4; w > 0; w /= 2)
        for (uint32_t j = 0; j < w; j++) p[j] = p[j] + p[j + w];
    return p[0];
}

float avx2_rms(const float *x, uint32_t n, float inv_n, float eps) {
    return num_rsqrt(sum_of_squares(x, n) * inv_n + eps);
}

uint32_t avx2_norm(const float *x, uint32_t dim, float inv_dim, float eps, void *column) {
    assert(dim && lines_good(column));
    uint32_t bad = 0;
    float r = avx2_rms(x, dim, inv_dim, eps);
    float s = quantize(x, dim, column, &bad);
    finish(column, dim, num_snap(s * r, &bad));
    return bad;
}

INLINE __m256 within8(__m256 x, float most) {
    return _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-most)), _mm256_set1_ps(most));
}

/* g / (1 + 2^t), with t limited to what exp2 takes */
INLINE __m256 shared8(__m256 g, __m256 t, __m256i *bad) {
    t = within8(t, 30);
    return snap8(_mm256_mul_ps(g, recip8(_mm256_add_ps(_mm256_set1_ps(1.0f), exp2_8(t)))), bad);
}

INLINE __m256 silu8(__m256 g, __m256 u, __m256i *bad) {
    __m256 t = _mm256_mul_ps(g, _mm256_set1_ps(-0x1.715476p+0f));
    return snap8(_mm256_mul_ps(shared8(g, t, bad), u), bad);
}

INLINE __m256 gelu8(__m256 x, __m256i *bad) {
    const __m256 y = within8(x, 8);
    __m256 t = _mm256_mul_ps(_mm256_set1_ps(-0x1.a5a7d0p-4f), _mm256_mul_ps(y, y));
    t = _mm256_mul_ps(y, _mm256_add_ps(_mm256_set1_ps(-0x1.26aec2p+1f), t));
    return shared8(x, t, bad);
}

INLINE __m256 clamped8(__m256 g, __m256 u, __m256i *bad) {
    g = _mm256_min_ps(g, _mm256_set1_ps(7.0f));
    __m256 t = _mm256_mul_ps(g, _mm256_set1_ps(-0x1.3a4cbep+1f));
    u = _mm256_add_ps(within8(u, 7), _mm256_set1_ps(1.0f));
    return snap8(_mm256_mul_ps(shared8(g, t, bad), u), bad);
}

/* activation: a constant */
INLINE __m256 activated8(const enum blob_activation activation, const float *g, const float *u,
                         __m256i *bad) {
    switch (activation) {
    case ACTIVATION_SILU:
    case ACTIVATION_PLAIN:
        return silu8(_mm256_loadu_ps(g), _mm256_loadu_ps(u), bad);
    case ACTIVATION_CLAMPED:
        return clamped8(_mm256_loadu_ps(g), _mm256_loadu_ps(u), bad);
    case ACTIVATION_GELU:
        break;
    }
    return gelu8(_mm256_loadu_ps(g), bad);
}

/* (a, b) = (a + b, a - b) for pairs whose second element is marked by odd (a constant). other is h
 * with the partners exchanged. */
#define BUTTERFLY8(h, other, odd)                                                                  \
    _mm256_blend_ps(_mm256_add_ps(h, other), _mm256_sub_ps(other, h), odd)

/* n: a power of two from 16 on */
INLINE void hadamard(float *h, uint32_t n) {
    for (uint32_t i = 0; i < n; i += 8) {
        __m256 v = _mm256_loadu_ps(h + i);
        v = BUTTERFLY8(v, _mm256_permute_ps(v, 0xb1), 0xaa);
        v = BUTTERFLY8(v, _mm256_permute_ps(v, 0x4e), 0xcc);
        v = BUTTERFLY8(v, _mm256_permute2f128_ps(v, v, 0x01), 0xf0);
        _mm256_storeu_ps(h + i, v);
    }
    for (uint32_t len = 8; len < n; len *= 2)
        for (uint32_t i = 0; i < n; i += 8) {
            if (i & len) continue;
            __m256 a = _mm256_loadu_ps(h + i), b = _mm256_loadu_ps(h + i + len);
            _mm256_storeu_ps(h + i, _mm256_add_ps(a, b));
            _mm256_storeu_ps(h + i + len, _mm256_sub_ps(a, b));
        }
}

/* Each length has its own loops. */
INLINE void hadamard_head(float *x, uint32_t head_dim) {
    const uint32_t block = head_block(head_dim);
    for (uint32_t i = 0; i < head_dim; i += block)
        if (block == 64)
            hadamard(x + i, 64);
        else if (block == 32)
            hadamard(x + i, 32);
        else
            hadamard(x + i, 16);
}

INLINE uint32_t act(const enum blob_activation activation, float *g, const float *u, uint32_t ffn,
                    void *column) {
    assert(ffn && ffn % 64 == 0 && lines_good(column));
    __m256i bad = _mm256_setzero_si256();
    if (!u) u = g; /* without a gate it is not read, but moved, which NULL must not be */
    for (uint32_t b = 0; b < ffn; b += 64) {
        for (uint32_t i = b; i < b + 64; i += 8)
            _mm256_storeu_ps(g + i, activated8(activation, g + i, u + i, &bad));
        if (activation != ACTIVATION_PLAIN) hadamard(g + b, 64);
    }
    return any8(bad) | avx2_quant(g, ffn, column);
}

uint32_t avx2_act_silu(float *g, const float *u, uint32_t ffn, void *column) {
    return act(ACTIVATION_SILU, g, u, ffn, column);
}

uint32_t avx2_act_plain(float *g, const float *u, uint32_t ffn, void *column) {
    return act(ACTIVATION_PLAIN, g, u, ffn, column);
}

uint32_t avx2_act_gelu(float *g, const float *u, uint32_t ffn, void *column) {
    return act(ACTIVATION_GELU, g, u, ffn, column);
}

uint32_t avx2_act_clamped(float *g, const float *u, uint32_t ffn, void *column) {
    return act(ACTIVATION_CLAMPED, g, u, ffn, column);
}

uint32_t avx2_head(float *x, const float *gain, float r, const float *cos_sin, uint32_t head_dim,
                   int8_t *q, float *scale) {
    assert(head_good(head_dim));
    const uint32_t h = head_dim / 2; /* a multiple of 8 */
    __m256i bad8 = _mm256_setzero_si256();
    uint32_t bad = 0;
    for (uint32_t i = 0; gain && i < head_dim; i += 8) {
        const __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(gain + i));
        _mm256_storeu_ps(x + i, snap8(v, &bad8));
    }
    if (cos_sin) {
        for (uint32_t i = 0; i < h; i += 8) {
            __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + h);
            __m256 c = _mm256_loadu_ps(cos_sin + i), s = _mm256_loadu_ps(cos_sin + h + i);
            _mm256_storeu_ps(x + i,
                             snap8(_mm256_sub_ps(_mm256_mul_ps(a, c), _mm256_mul_ps(b, s)), &bad8));
            _mm256_storeu_ps(x + i + h,
                             snap8(_mm256_add_ps(_mm256_mul_ps(a, s), _mm256_mul_ps(b, c)), &bad8));
        }
        hadamard_head(x, head_dim);
    }
    *scale = quantize(x, head_dim, q, &bad);
    if (gain) *scale = num_snap(*scale * r, &bad);
    return bad | any8(bad8);
}

uint32_t avx2_embed(const int8_t *row, float scale, uint32_t dim, float *x) {
    __m256i bad8 = _mm256_setzero_si256();
    uint32_t bad = 0, i = 0;
    for (; i + 8 <= dim; i += 8) {
        __m256 v = _mm256_cvtepi32_ps(
            _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(row + i))));
        _mm256_storeu_ps(x + i, snap8(_mm256_mul_ps(v, _mm256_set1_ps(scale)), &bad8));
    }
    for (; i < dim; i++) x[i] = num_snap((float)row[i] * scale, &bad);
    return bad | any8(bad8);
}

uint32_t avx2_join(float *x, float *y, const float *gain, float r, uint32_t n, uint32_t block) {
    if (block < 16) return ref_join(x, y, gain, r, n, block);
    assert(!(block & (block - 1)) && n % block == 0);
    __m256i bad = _mm256_setzero_si256();
    for (uint32_t i = 0; i < n; i += 8) {
        const __m256 v = _mm256_mul_ps(_mm256_loadu_ps(y + i), _mm256_loadu_ps(gain + i));
        _mm256_storeu_ps(y + i, snap8(v, &bad));
    }
    for (uint32_t i = 0; i < n; i += block) hadamard(y + i, block);
    for (uint32_t i = 0; i < n; i += 8) {
        __m256 part = snap8(_mm256_mul_ps(_mm256_loadu_ps(y + i), _mm256_set1_ps(r)), &bad);
        _mm256_storeu_ps(x + i, snap8(_mm256_add_ps(_mm256_loadu_ps(x + i), part), &bad));
    }
    return any8(bad);
}

uint32_t avx2_mix(float *x, const float *y, float weight, uint32_t n) {
    __m256i bad8 = _mm256_setzero_si256();
    uint32_t bad = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 part = snap8(_mm256_mul_ps(_mm256_loadu_ps(y + i), _mm256_set1_ps(weight)), &bad8);
        _mm256_storeu_ps(x + i, snap8(_mm256_add_ps(_mm256_loadu_ps(x + i), part), &bad8));
    }
    for (; i < n; i++) {
        float part = num_snap(y[i] * weight, &bad);
        x[i] = num_snap(x[i] + part, &bad);
    }
    return bad | any8(bad8);
}
