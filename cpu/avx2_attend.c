/* Attention with vpmaddubsw (docs/numerics.md 6): first scores of 16 slots at a time; then, by
 * blocks of slots, three 7-bit digits of every weight against V, 16 channels at a time. No sum of a
 * pair of products leaves int16: it is at most 2 * 128 * 127. Codes of 4 bits become bytes by one
 * shuffle a register. */
#include "cpu/attend_inl.h"
#include "cpu/avx2_inl.h"
#include "cpu/variants.h"

#define EACH_OF_4(DO) DO(0) DO(1) DO(2) DO(3)

/* Per query, over the slots seen so far. */
struct found {
    __m256 max[ATTEND_QUERIES], vmax[ATTEND_QUERIES];
    uint32_t seen[ATTEND_QUERIES]; /* of the panel in work: a bit for each slot */
};

/* ------------------------------------------------------------------------------------ scores -- */

/* The values of 32 codes, in the low halves of bytes (high: in the high halves). */
INLINE __m256i levels_of(__m256i codes, const int high) {
    const __m256i level =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)kv_levels));
    if (high) codes = _mm256_srli_epi16(codes, 4);
    return _mm256_shuffle_epi8(level, _mm256_and_si256(codes, _mm256_set1_epi8(15)));
}

/* A mask of the lanes whose bit is set. */
INLINE __m256 lanes8(uint32_t bits) {
    const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_castsi256_ps(
        _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int32_t)bits), each), each));
}

/* 8 scores: ((float) dot * qs) * ks, -infinity where the slot is not seen. */
INLINE void score_half(const struct attend_args *a, uint32_t i, uint32_t slot, uint32_t seen,
                       __m256i dot, struct found *f) {
    const __m256 mask = lanes8(seen);
    __m256 s = _mm256_mul_ps(_mm256_cvtepi32_ps(dot), _mm256_set1_ps(a->query[i].scale));
    s = _mm256_mul_ps(s, _mm256_loadu_ps(a->kv.kscale + slot));
    s = _mm256_blendv_ps(_mm256_set1_ps(-__builtin_inff()), s, mask);
    f->max[i] = _mm256_max_ps(f->max[i], s);
    f->vmax[i] =
        _mm256_max_ps(f->vmax[i], _mm256_and_ps(mask, _mm256_loadu_ps(a->kv.vscale + slot)));
    _mm256_store_ps(attend_scores(a, i) + slot, s);
}

/* The steps of score_panel for query i. They use its variables. EACH_OF_4 writes each of them 4
 * times. */
#define SCORE_BEGIN(i)                                                                             \
    __m256i near##i = _mm256_setzero_si256(), far##i = near##i;                                    \
    const int8_t *q##i = a->query[first + (i < COUNT ? i : 0)].q;
#define SCORE_DOT(i)                                                                               \
    if (i < COUNT) {                                                                               \
        __m256i q = broadcast4(q##i + c + part * 4);                                               \
        near##i = _mm256_add_epi32(                                                                \
            near##i, _mm256_madd_epi16(_mm256_maddubs_epi16(m0, _mm256_sign_epi8(q, v0)), one));   \
        far##i = _mm256_add_epi32(                                                                 \
            far##i, _mm256_madd_epi16(_mm256_maddubs_epi16(m1, _mm256_sign_epi8(q, v1)), one));    \
    }
#define SCORE_END(i)                                                                               \
    if (i < COUNT) {                                                                               \
        uint32_t seen = f->seen[first + i];                                                        \
        score_half(a, first + i, slot, seen & 0xff, near##i, f);                                   \
        score_half(a, first + i, slot + 8, seen >> 8, far##i, f);                                  \
    }

/* A panel of 16 slots for COUNT queries, beginning with query `first`. COUNT and K4 are
 * constants. A line has 4 channels; with K4 it has 4 in the low halves of its bytes and 4 in the
 * high ones, which are two parts. */
INLINE void score_panel(const struct attend_args *a, const int K4, const uint32_t COUNT,
                        uint32_t first, uint32_t slot, struct found *f) {
    const __m256i sign = _mm256_set1_epi8((char)0x80), one = _mm256_set1_epi16(1);
    const uint8_t *k = a->kv.k + (size_t)slot * a->head_dim / (K4 ? 2 : 1);
    EACH_OF_4(SCORE_BEGIN)
    for (uint32_t c = 0; c < a->head_dim; c += K4 ? 8 : 4, k += 64)
        for (uint32_t part = 0; part < (K4 ? 2 : 1); part++) {
            __m256i v0 = load8(k), v1 = load8(k + 32);
            v0 = K4 ? levels_of(v0, part == 1) : _mm256_xor_si256(v0, sign);
            v1 = K4 ? levels_of(v1, part == 1) : _mm256_xor_si256(v1, sign);
            __m256i m0 = _mm256_abs_epi8(v0), m1 = _mm256_abs_epi8(v1);
            EACH_OF_4(SCORE_DOT)
        }
    EACH_OF_4(SCORE_END)
}

#define SCORE(count)                                                                               \
    static NOINLINE void score_##count(const struct attend_args *a, uint32_t first, uint32_t slot, \
                                       struct found *f) {                                          \
        score_panel(a, 0, count, first, slot, f);                                                  \
    }                                                                                              \
    static NOINLINE void score4_##count(const struct attend_args *a, uint32_t first,               \
                                        uint32_t slot, struct found *f) {                          \
        score_panel(a, 1, count, first, slot, f);                                                  \
    }
SCORE(4)
SCORE(2)
SCORE(1)
#undef SCORE

#define SCORE_NEXT(count)                                                                          \
    if (i + count <= a->queries) {                                                                 \
        if (K4)                                                                                    \
            score4_##count(a, i, slot, f);                                                         \
        else                                                                                       \
            score_##count(a, i, slot, f);                                                          \
        i += count;                                                                                \
    }
INLINE void score_queries(const struct attend_args *a, const int K4, uint32_t slot,
                          struct found *f) {
    uint32_t i = 0;
    SCORE_NEXT(4)
    SCORE_NEXT(4)
    SCORE_NEXT(2)
    SCORE_NEXT(1)
}
#undef SCORE_NEXT

INLINE float largest(__m256 v) {
    float lane[8], m;
    _mm256_storeu_ps(lane, v);
    m = lane[0];
    for (uint32_t i = 1; i < 8; i++) m = lane[i] > m ? lane[i] : m;
    return m;
}

/* All scores; the largest score and the largest scale of V that each query sees. */
INLINE void score_all(const struct attend_args *a, const int K4, float max[], float vmax[]) {
    struct found f;
    for (uint32_t i = 0; i < a->queries; i++) {
        f.max[i] = _mm256_set1_ps(-__builtin_inff());
        f.vmax[i] = _mm256_setzero_ps();
    }
    struct attend_run run = attend_next(a, 0);
    for (; run.begin < run.end; run = attend_next(a, run.end)) {
        for (uint32_t i = 0; i < a->queries; i++) f.seen[i] = 0xffff;
        for (uint32_t slot = run.begin; slot < run.end; slot += 16) {
            for (uint32_t i = 0; i < a->queries && !run.whole; i++)
                f.seen[i] = attend_visible(&a->query[i], slot);
            score_queries(a, K4, slot, &f);
        }
    }
    for (uint32_t i = 0; i < a->queries; i++) {
        max[i] = largest(f.max[i]);
        vmax[i] = largest(f.vmax[i]);
    }
}

/* ------------------------------------------------------------------------------------ digits -- */

/* 8 weights of 21 bits; adds E to *sum. */
INLINE __m256i weights8(const struct attend_args *a, const float *score, uint32_t slot, float max,
                        float inv_vmax, __m256i *sum) {
    const __m256 least = _mm256_set1_ps(-30.0f),
                 t = _mm256_sub_ps(_mm256_load_ps(score + slot), _mm256_set1_ps(max));
    const __m256 e = exp2_8(_mm256_max_ps(t, least)); /* exp2(-30) gives the integers 0: slots below
                                                         it, and those not seen, must give 0 */
    __m256i bad = _mm256_setzero_si256();
    __m256 b =
        snap8(_mm256_mul_ps(_mm256_loadu_ps(a->kv.vscale + slot), _mm256_set1_ps(inv_vmax)), &bad);
    b = _mm256_min_ps(b, _mm256_set1_ps(2.0f)); /* at most about 1 where a slot is seen; elsewhere
                                                   it may be anything */
    __m256i w = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_mul_ps(e, b), _mm256_set1_ps(2097151.0f)));
    *sum =
        _mm256_add_epi32(*sum, _mm256_cvtps_epi32(_mm256_mul_ps(e, _mm256_set1_ps(16777216.0f))));
    return _mm256_min_epi32(w, _mm256_set1_epi32(DIGIT_TOP));
}

/* 16 values 0..127 to bytes */
INLINE void store_digits(uint8_t *to, __m256i near, __m256i far) {
    const __m256i low = _mm256_set1_epi32(127);
    __m256i w = _mm256_packs_epi32(_mm256_and_si256(near, low), _mm256_and_si256(far, low));
    w = _mm256_permute4x64_epi64(w, 0xd8);
    _mm_store_si128((__m128i *)(void *)to,
                    _mm_packs_epi16(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1)));
}

/* Cuts the weights of slots begin .. end - 1 (a block) into digits and returns the sum of E. */
static NOINLINE int64_t cut(const struct attend_args *a, uint32_t i, uint32_t begin, uint32_t end,
                            float max, float inv_vmax) {
    const float *score = attend_scores(a, i);
    uint8_t *digit = attend_digits(a, i);
    __m256i sum = _mm256_setzero_si256(); /* at most ATTEND_BLOCK / 8 times 2^24 */
    for (uint32_t slot = begin; slot < end; slot += 16, digit += 16) {
        __m256i near = weights8(a, score, slot, max, inv_vmax, &sum),
                far = weights8(a, score, slot + 8, max, inv_vmax, &sum);
        store_digits(digit, near, far);
        store_digits(digit + ATTEND_BLOCK, _mm256_srli_epi32(near, 7), _mm256_srli_epi32(far, 7));
        store_digits(digit + 2 * ATTEND_BLOCK, _mm256_srli_epi32(near, 14),
                     _mm256_srli_epi32(far, 14));
    }
    int32_t lane[8];
    int64_t all = 0; /* the sum of all lanes may exceed 2^31 */
    _mm256_storeu_si256((__m256i *)(void *)lane, sum);
    for (uint32_t j = 0; j < 8; j++) all += lane[j];
    return all;
}

/* -------------------------------------------------------------------------------------- sums -- */

INLINE __m256i dot4(__m256i acc, __m256i digits, __m256i v) {
    return _mm256_add_epi32(
        acc, _mm256_madd_epi16(_mm256_maddubs_epi16(digits, v), _mm256_set1_epi16(1)));
}

INLINE void add_to(int32_t *sums, __m256i v) {
    _mm256_store_si256((__m256i *)(void *)sums, _mm256_add_epi32(load8(sums), v));
}

/* Adds digit times V over `slots` slots for one query, 16 channels at a time. */
INLINE void gather(const struct attend_args *a, const int V4, uint32_t i, uint32_t begin,
                   uint32_t slots) {
    const size_t dim = a->head_dim, row = V4 ? dim / 2 : dim;
    for (uint32_t c = 0; c < dim; c += 16) {
        const uint8_t *d = attend_digits(a, i);
        const int8_t *v = a->kv.v + begin * row + (size_t)c * (V4 ? 2 : 4);
        int32_t *s = attend_sums(a, i) + c;
        __m256i low0 = _mm256_setzero_si256(), low1 = low0, mid0 = low0, mid1 = low0, top0 = low0,
                top1 = low0;
        for (uint32_t j = 0; j < slots; j += 4, d += 4, v += 4 * row) {
            __m256i v0 = load8(v), v1 = V4 ? levels_of(v0, 1) : load8(v + 32);
            if (V4) v0 = levels_of(v0, 0);
            __m256i low = broadcast4(d), mid = broadcast4(d + ATTEND_BLOCK),
                    top = broadcast4(d + 2 * ATTEND_BLOCK);
            low0 = dot4(low0, low, v0);
            low1 = dot4(low1, low, v1);
            mid0 = dot4(mid0, mid, v0);
            mid1 = dot4(mid1, mid, v1);
            top0 = dot4(top0, top, v0);
            top1 = dot4(top1, top, v1);
        }
        add_to(s, low0);
        add_to(s + 8, low1);
        add_to(s + dim, mid0);
        add_to(s + dim + 8, mid1);
        add_to(s + 2 * dim, top0);
        add_to(s + 2 * dim + 8, top1);
    }
}

static NOINLINE void gather_8(const struct attend_args *a, uint32_t i, uint32_t begin,
                              uint32_t slots) {
    gather(a, 0, i, begin, slots);
}
static NOINLINE void gather_4(const struct attend_args *a, uint32_t i, uint32_t begin,
                              uint32_t slots) {
    gather(a, 1, i, begin, slots);
}

/* AVX2 cannot convert from int64, so the last step handles one value at a time. */
static NOINLINE uint32_t finish(const struct attend_args *a, uint32_t i, float vmax, int64_t sum) {
    const int32_t *s = attend_sums(a, i);
    float *out = a->query[i].out;
    uint32_t bad = 0, dim = a->head_dim;
    if (vmax == 0.0f) {
        memset(out, 0, dim * sizeof *out);
        return 0;
    }
    const float unit = num_snap(vmax * 0x1.000008p+3f, &bad), inv = num_recip((float)sum);
    for (uint32_t c = 0; c < dim; c++) {
        int64_t acc = s[c] + (int64_t)s[dim + c] * 128 + (int64_t)s[2 * dim + c] * 16384;
        float t = (float)acc * unit;
        out[c] = num_snap(t * inv, &bad);
    }
    return bad;
}

INLINE uint32_t attend(const struct attend_args *a, const uint32_t k_bits, const uint32_t v_bits) {
    assert(attend_good(a));
    float max[ATTEND_QUERIES], vmax[ATTEND_QUERIES], inv_vmax[ATTEND_QUERIES];
    int64_t sum[ATTEND_QUERIES];
    uint32_t bad = 0;

    score_all(a, k_bits == 4, max, vmax);
    for (uint32_t i = 0; i < a->queries; i++) {
        max[i] = attend_sink_max(&a->query[i], max[i]);
        sum[i] = attend_sink_sum(&a->query[i], max[i]);
        inv_vmax[i] = vmax[i] == 0.0f ? 0.0f : num_recip(vmax[i]);
        memset(attend_sums(a, i), 0, 3 * (size_t)a->head_dim * sizeof(int32_t));
    }
    struct attend_run run = attend_stretch(a, 0);
    for (; run.begin < run.end; run = attend_stretch(a, run.end))
        for (uint32_t begin = run.begin; begin < run.end; begin += ATTEND_BLOCK) {
            const uint32_t slots = run.end - begin < ATTEND_BLOCK ? run.end - begin : ATTEND_BLOCK;
            for (uint32_t i = 0; i < a->queries; i++) {
                sum[i] += cut(a, i, begin, begin + slots, max[i], inv_vmax[i]);
                if (v_bits == 4)
                    gather_4(a, i, begin, slots);
                else
                    gather_8(a, i, begin, slots);
            }
        }
    for (uint32_t i = 0; i < a->queries; i++) bad |= finish(a, i, vmax[i], sum[i]);
    return bad;
}

CPU_ATTEND_OF(avx2)
