/* What happens to one column between GEMVs, 16 lanes at a time (docs/numerics.md 3 and 5). An
 * embedding row is too short to be faster than with AVX2. Widths are multiples of 16 in real
 * models. For other widths the last elements are computed one by one. */
#include "cpu/avx512_inl.h"
#include "cpu/variants.h"

static float magnitude(const float *x, uint32_t n) {
    __m512i a = _mm512_setzero_si512();
    uint32_t i = 0;
    for (; i + 16 <= n; i += 16)
        a = _mm512_max_epu32(a, _mm512_and_si512(_mm512_castps_si512(_mm512_loadu_ps(x + i)),
                                                 _mm512_set1_epi32(0x7fffffff)));
    uint32_t m = _mm512_reduce_max_epu32(a);
    for (; i < n; i++) {
        uint32_t b = float_bits(x[i]) & 0x7fffffffu;
        if (b > m) m = b;
    }
    return bits_float(m);
}

/* quant of docs/numerics.md 3, where `largest` is the greatest magnitude: fills q[0..n) and returns
 * s. The conversion rounds to nearest even, as rint does. |x * v| is below 127.5. */
static float quantize_by(float largest, const float *x, uint32_t n, int8_t *q, uint32_t *bad) {
    float a = num_snap(largest, bad);
    if (a == 0.0f) {
        memset(q, 0, n);
        return 0.0f;
    }
    const float v = 127.0f * num_recip(a);
    uint32_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512i t = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_set1_ps(v)));
        _mm_storeu_si128((__m128i *)(void *)(q + i), _mm512_cvtepi32_epi8(t));
    }
    for (; i < n; i++) q[i] = (int8_t)num_rint(x[i] * v);
    return num_snap(a * 0x1.020408p-7f, bad);
}

static float quantize(const float *x, uint32_t n, int8_t *q, uint32_t *bad) {
    return quantize_by(magnitude(x, n), x, n, q, bad);
}

/* Fills in a column's padding and group sums, where its q is filled up to k, and then its scale. */
static void finish(void *column, uint32_t k, float scale) {
    const uint32_t kp = padded_cols(k);
    int8_t *q = column;
    int32_t *gsum = act_gsum(column, kp);
    memset(q + k, 0, kp - k);
    for (uint32_t g = 0; g < kp / GROUP; g++) {
        __m512i s = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1),
                                        _mm512_loadu_si512(q + (size_t)g * GROUP));
        gsum[g] = _mm512_reduce_add_epi32(s);
    }
    *act_scale(column, kp) = scale;
}

uint32_t avx512_quant(const float *x, uint32_t k, void *column) {
    assert(k && lines_good(column));
    uint32_t bad = 0;
    float s = quantize(x, k, column, &bad);
    finish(column, k, s);
    return bad;
}

INLINE __m512 square_added(__m512 sum, const float *x) {
    __m512 v = _mm512_loadu_ps(x);
    return _mm512_add_ps(sum, _mm512_mul_ps(v, v));
}

/* The sum of squares as docs/numerics.md 5 orders it: 64 partial sums, then a tree. */
static float sum_of_squares(const float *x, uint32_t n) {
    __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
    uint32_t i = 0;
    for (; i + 64 <= n; i += 64) {
        a = square_added(a, x + i);
        b = square_added(b, x + i + 16);
        c = square_added(c, x + i + 32);
        d = square_added(d, x + i + 48);
    }
    if (i < n) { /* a missing term adds +0, which changes nothing: no partial sum is -0 */
        float rest[64] = {0};
        __builtin_memcpy(rest, x + i, (n - i) * sizeof *x);
        a = square_added(a, rest);
        b = square_added(b, rest + 16);
        c = square_added(c, rest + 32);
        d = square_added(d, rest + 48);
    }
    a = _mm512_add_ps(_mm512_add_ps(a, c), _mm512_add_ps(b, d));
    __m256 e = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 f = _mm_add_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
    f = _mm_add_ps(f, _mm_movehl_ps(f, f));
    return _mm_cvtss_f32(_mm_add_ss(f, _mm_movehdup_ps(f)));
}

float avx512_rms(const float *x, uint32_t n, float inv_n, float eps) {
    return num_rsqrt(sum_of_squares(x, n) * inv_n + eps);
}

uint32_t avx512_norm(const float *x, uint32_t dim, float inv_dim, float eps, void *column) {
    assert(dim && lines_good(column));
    uint32_t bad = 0;
    float r = avx512_rms(x, dim, inv_dim, eps);
    float s = quantize(x, dim, column, &bad);
    finish(column, dim, num_snap(s * r, &bad));
    return bad;
}

INLINE __m512 within16(__m512 x, float most) {
    return _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(-most)), _mm512_set1_ps(most));
}

/* g / (1 + 2^t), with t limited to what exp2 takes */
INLINE __m512 shared16(__m512 g, __m512 t, __m512i *top) {
    t = within16(t, 30);
    return snap16(_mm512_mul_ps(g, recip16(_mm512_add_ps(_mm512_set1_ps(1.0f), exp2_16(t)))), top);
}

INLINE __m512 silu16(__m512 g, __m512 u, __m512i *top) {
    __m512 t = _mm512_mul_ps(g, _mm512_set1_ps(-0x1.715476p+0f));
    return snap16(_mm512_mul_ps(shared16(g, t, top), u), top);
}

INLINE __m512 gelu16(__m512 x, __m512i *top) {
    const __m512 y = within16(x, 8);
    __m512 t = _mm512_mul_ps(_mm512_set1_ps(-0x1.a5a7d0p-4f), _mm512_mul_ps(y, y));
    t = _mm512_mul_ps(y, _mm512_add_ps(_mm512_set1_ps(-0x1.26aec2p+1f), t));
    return shared16(x, t, top);
}

INLINE __m512 clamped16(__m512 g, __m512 u, __m512i *top) {
    g = _mm512_min_ps(g, _mm512_set1_ps(7.0f));
    __m512 t = _mm512_mul_ps(g, _mm512_set1_ps(-0x1.3a4cbep+1f));
    u = _mm512_add_ps(within16(u, 7), _mm512_set1_ps(1.0f));
    return snap16(_mm512_mul_ps(shared16(g, t, top), u), top);
}

/* activation: a constant */
INLINE __m512 activated16(const enum blob_activation activation, const float *g, const float *u,
                          __m512i *top) {
    switch (activation) {
    case ACTIVATION_SILU:
    case ACTIVATION_PLAIN:
        return silu16(_mm512_loadu_ps(g), _mm512_loadu_ps(u), top);
    case ACTIVATION_CLAMPED:
        return clamped16(_mm512_loadu_ps(g), _mm512_loadu_ps(u), top);
    case ACTIVATION_GELU:
        break;
    }
    return gelu16(_mm512_loadu_ps(g), top);
}

/* (a, b) = (a + b, a - b) for pairs whose second element has -1 in sign and whose first has 1.
 * other is h with the partners exchanged. The product with +-1 is exact, so only the sum rounds. */
INLINE __m512 butterfly16(__m512 h, __m512 other, __m512 sign) {
    return _mm512_fmadd_ps(h, sign, other);
}
INLINE __m512 signs16(__mmask16 odd) {
    return _mm512_mask_blend_ps(odd, _mm512_set1_ps(1.0f), _mm512_set1_ps(-1.0f));
}

/* len = 1, 2, 4, 8 */
INLINE __m512 hadamard16(__m512 h) {
    h = butterfly16(h, _mm512_permute_ps(h, 0xb1), signs16(0xaaaa));
    h = butterfly16(h, _mm512_permute_ps(h, 0x4e), signs16(0xcccc));
    h = butterfly16(h, _mm512_shuffle_f32x4(h, h, 0xb1), signs16(0xf0f0));
    return butterfly16(h, _mm512_shuffle_f32x4(h, h, 0x4e), signs16(0xff00));
}

INLINE __m512i magnitude16(__m512i most, __m512 x) {
    return _mm512_max_epu32(
        most, _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)));
}

/* Stores four quarters at h[0..63]. Returns the greatest magnitudes so far, as bits. */
INLINE __m512i store64(float *h, __m512 a, __m512 b, __m512 c, __m512 d, __m512i most) {
    _mm512_storeu_ps(h, a);
    _mm512_storeu_ps(h + 16, b);
    _mm512_storeu_ps(h + 32, c);
    _mm512_storeu_ps(h + 48, d);
    return magnitude16(magnitude16(magnitude16(magnitude16(most, a), b), c), d);
}

/* The same of their Hadamard transform. */
INLINE __m512i hadamard64(float *h, __m512 a, __m512 b, __m512 c, __m512 d, __m512i most) {
    a = hadamard16(a), b = hadamard16(b), c = hadamard16(c), d = hadamard16(d);
    __m512 ab = _mm512_add_ps(a, b), ba = _mm512_sub_ps(a, b), cd = _mm512_add_ps(c, d),
           dc = _mm512_sub_ps(c, d);
    return store64(h, _mm512_add_ps(ab, cd), _mm512_add_ps(ba, dc), _mm512_sub_ps(ab, cd),
                   _mm512_sub_ps(ba, dc), most);
}

INLINE uint32_t act(const enum blob_activation activation, float *g, const float *u, uint32_t ffn,
                    void *column) {
    assert(ffn && ffn % 64 == 0 && lines_good(column));
    __m512i top = _mm512_setzero_si512(), most = top;
    uint32_t bad = 0;
    if (!u) u = g; /* without a gate it is not read, but moved, which NULL must not be */
    for (uint32_t i = 0; i < ffn; i += 64)
        most = (activation == ACTIVATION_PLAIN ? store64 : hadamard64)(
            g + i, activated16(activation, g + i, u + i, &top),
            activated16(activation, g + i + 16, u + i + 16, &top),
            activated16(activation, g + i + 32, u + i + 32, &top),
            activated16(activation, g + i + 48, u + i + 48, &top), most);
    float s = quantize_by(bits_float(_mm512_reduce_max_epu32(most)), g, ffn, column, &bad);
    finish(column, ffn, s);
    return bad | beyond(top);
}

uint32_t avx512_act_silu(float *g, const float *u, uint32_t ffn, void *column) {
    return act(ACTIVATION_SILU, g, u, ffn, column);
}

uint32_t avx512_act_plain(float *g, const float *u, uint32_t ffn, void *column) {
    return act(ACTIVATION_PLAIN, g, u, ffn, column);
}

uint32_t avx512_act_gelu(float *g, const float *u, uint32_t ffn, void *column) {
    return act(ACTIVATION_GELU, g, u, ffn, column);
}

uint32_t avx512_act_clamped(float *g, const float *u, uint32_t ffn, void *column) {
    return act(ACTIVATION_CLAMPED, g, u, ffn, column);
}

/* For heads whose Hadamard blocks have 64 elements. AVX2 computes the others. */
uint32_t avx512_head(float *x, const float *gain, float r, const float *cos_sin, uint32_t head_dim,
                     int8_t *q, float *scale) {
    assert(head_good(head_dim));
    if (head_dim % 64) return avx2_head(x, gain, r, cos_sin, head_dim, q, scale);
    const uint32_t h = head_dim / 2;
    __m512i top = _mm512_setzero_si512(), most = top;
    uint32_t bad = 0;
    for (uint32_t i = 0; gain && i < head_dim; i += 16) {
        const __m512 v = _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(gain + i));
        _mm512_storeu_ps(x + i, snap16(v, &top));
    }
    if (!cos_sin) {
        *scale = quantize(x, head_dim, q, &bad);
        if (gain) *scale = num_snap(*scale * r, &bad);
        return bad | beyond(top);
    }
    for (uint32_t i = 0; i < h; i += 16) {
        __m512 a = _mm512_loadu_ps(x + i), b = _mm512_loadu_ps(x + i + h),
               c = _mm512_loadu_ps(cos_sin + i), s = _mm512_loadu_ps(cos_sin + h + i);
        _mm512_storeu_ps(x + i,
                         snap16(_mm512_sub_ps(_mm512_mul_ps(a, c), _mm512_mul_ps(b, s)), &top));
        _mm512_storeu_ps(x + i + h,
                         snap16(_mm512_add_ps(_mm512_mul_ps(a, s), _mm512_mul_ps(b, c)), &top));
    }
    for (uint32_t i = 0; i < head_dim; i += 64)
        most = hadamard64(x + i, _mm512_loadu_ps(x + i), _mm512_loadu_ps(x + i + 16),
                          _mm512_loadu_ps(x + i + 32), _mm512_loadu_ps(x + i + 48), most);
    *scale = quantize_by(bits_float(_mm512_reduce_max_epu32(most)), x, head_dim, q, &bad);
    if (gain) *scale = num_snap(*scale * r, &bad);
    return bad | beyond(top);
}

uint32_t avx512_mix(float *x, const float *y, float weight, uint32_t n) {
    __m512i top = _mm512_setzero_si512();
    uint32_t bad = 0, i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512 part = snap16(_mm512_mul_ps(_mm512_loadu_ps(y + i), _mm512_set1_ps(weight)), &top);
        _mm512_storeu_ps(x + i, snap16(_mm512_add_ps(_mm512_loadu_ps(x + i), part), &top));
    }
    for (; i < n; i++) {
        float part = num_snap(y[i] * weight, &bad);
        x[i] = num_snap(x[i] + part, &bad);
    }
    return bad | beyond(top);
}
