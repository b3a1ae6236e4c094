/* Attention with vpdpbusd (docs/numerics.md 6): first scores of 16 slots at a time; then, by blocks
 * of slots, three 7-bit digits of every weight against V, 16 channels at a time. The queries of a
 * batch share every line of K and V that is loaded. As in the GEMVs, accumulators are named
 * variables, and the code past a constant count is removed. Codes of 4 bits become the bytes that 8
 * bits would have, by one shuffle a line. K4 and V4 are constants, too. */
#include "cpu/attend_inl.h"
#include "cpu/avx512_inl.h"
#include "cpu/variants.h"

#define EACH_OF_8(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

INLINE __m512i broadcast4(const void *x) {
    int32_t v;
    __builtin_memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
}

/* The bytes of K or V for 64 codes, each in the low half of a byte whose upper bit is 0. */
INLINE __m512i levels_of(__m512i codes, int8_t add) {
    const __m128i level = _mm_loadu_si128((const __m128i *)(const void *)kv_levels);
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_xor_si128(level, _mm_set1_epi8(add))),
                               codes);
}

/* A line of K for channels j .. j + 3 of a panel of 16, and the next one. */
INLINE void k_lines(const uint8_t *k, uint32_t j, const int K4, __m512i *v, __m512i *w) {
    if (!K4) {
        *v = _mm512_load_si512(k + j * 16);
        *w = _mm512_load_si512(k + j * 16 + 64);
        return;
    }
    const __m512i both = _mm512_load_si512(k + j * 8), low = _mm512_set1_epi8(15);
    *v = levels_of(_mm512_and_si512(both, low), (int8_t)-128);
    *w = levels_of(_mm512_and_si512(_mm512_srli_epi16(both, 4), low), (int8_t)-128);
}

/* V of 4 slots and 16 channels. */
INLINE __m512i v_line(const int8_t *v, const int V4) {
    if (!V4) return _mm512_load_si512(v);
    const __m512i both =
        _mm512_broadcast_i64x4(_mm256_load_si256((const __m256i *)(const void *)v));
    const __m512i codes = _mm512_srlv_epi64(both, _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4));
    return levels_of(_mm512_and_si512(codes, _mm512_set1_epi8(15)), 0);
}

/* Per query, over the slots seen so far, lane by lane. */
struct found {
    __m512 max[ATTEND_QUERIES], vmax[ATTEND_QUERIES];
    int32_t offset[ATTEND_QUERIES]; /* -128 * sum of q, because K acts as 0..255 */
    uint32_t seen[ATTEND_QUERIES];  /* of the panel in work: a bit for each slot */
};

/* ------------------------------------------------------------------------------------ scores -- */

/* The steps of score_panel for query i. They use its variables. EACH_OF_8 writes each of them 8
 * times. */
#define SCORE_BEGIN(i)                                                                             \
    __m512i acc##i = _mm512_set1_epi32(f->offset[first + (i < COUNT ? i : 0)]),                    \
            odd##i = _mm512_setzero_si512();                                                       \
    const int8_t *q##i = query[i < COUNT ? i : 0].q;
#define SCORE_DOT(i)                                                                               \
    if (i < COUNT) acc##i = dot4(acc##i, v, broadcast4(q##i + j));                                 \
    if (i < COUNT && split) odd##i = dot4(odd##i, w, broadcast4(q##i + j + 4));                    \
    if (i < COUNT && !split) acc##i = dot4(acc##i, w, broadcast4(q##i + j + 4));
/* The asm keeps q##i in its own register. Otherwise the compiler makes it a base and an index,
 * which is slower (avx512_gemv_inl.h). */
#define SCORE_ADVANCE(i)                                                                           \
    if (i < COUNT) {                                                                               \
        q##i += 16;                                                                                \
        __asm__("" : "+r"(q##i));                                                                  \
    }
#define SCORE_END(i)                                                                               \
    if (i < COUNT) {                                                                               \
        __mmask16 seen = (__mmask16)f->seen[first + i];                                            \
        __m512 s = _mm512_cvtepi32_ps(split ? _mm512_add_epi32(acc##i, odd##i) : acc##i);          \
        s = _mm512_mul_ps(_mm512_mul_ps(s, _mm512_set1_ps(query[i].scale)), kscale);               \
        s = _mm512_mask_blend_ps(seen, _mm512_set1_ps(-__builtin_inff()), s);                      \
        f->max[first + i] = _mm512_max_ps(f->max[first + i], s);                                   \
        f->vmax[first + i] =                                                                       \
            _mm512_mask_max_ps(f->vmax[first + i], seen, f->vmax[first + i], vscale);              \
        _mm512_store_ps(attend_scores(a, first + i) + slot, s);                                    \
    }

/* score[j] = ((float) dot(q, K[j]) * qs) * ks[j] for COUNT queries from `first` on. It is -infinity
 * where a slot is not seen. */
INLINE void score_panel(const struct attend_args *a, const int K4, const uint32_t COUNT,
                        uint32_t first, uint32_t slot, struct found *f) {
    const int split = COUNT < 5; /* two accumulators a query, because vpdpbusd has a latency of 4
                                    cycles */
    const struct attend_query *query = a->query + first;
    const uint8_t *k = a->kv.k + (size_t)slot * a->head_dim / (K4 ? 2 : 1);
    EACH_OF_8(SCORE_BEGIN)
    for (uint32_t c = 0; c < a->head_dim; c += 16, k += K4 ? 128 : 256) {
#pragma GCC unroll 2
        for (uint32_t j = 0; j < 16; j += 8) {
            __m512i v, w;
            k_lines(k, j, K4, &v, &w);
            EACH_OF_8(SCORE_DOT)
        }
        EACH_OF_8(SCORE_ADVANCE)
    }
    const __m512 kscale = _mm512_loadu_ps(a->kv.kscale + slot),
                 vscale = _mm512_loadu_ps(a->kv.vscale + slot);
    EACH_OF_8(SCORE_END)
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
SCORE(8)
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
    SCORE_NEXT(8)
    SCORE_NEXT(4)
    SCORE_NEXT(2)
    SCORE_NEXT(1)
}
#undef SCORE_NEXT

/* All scores; the largest score and the largest scale of V that each query sees. */
INLINE void score_all(const struct attend_args *a, const int K4, float max[], float vmax[]) {
    struct found f;
    for (uint32_t i = 0; i < a->queries; i++) {
        __m512i sum = _mm512_setzero_si512();
        for (uint32_t c = 0; c < a->head_dim; c += 16)
            sum = _mm512_add_epi32(sum, _mm512_cvtepi8_epi32(_mm_load_si128(
                                            (const __m128i *)(const void *)(a->query[i].q + c))));
        f.offset[i] = -128 * _mm512_reduce_add_epi32(sum);
        f.max[i] = _mm512_set1_ps(-__builtin_inff());
        f.vmax[i] = _mm512_setzero_ps();
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
        max[i] = _mm512_reduce_max_ps(f.max[i]);
        vmax[i] = _mm512_reduce_max_ps(f.vmax[i]);
    }
}

/* ------------------------------------------------------------------------------------ digits -- */

/* Cuts the weights of slots begin .. end - 1 (a block) into digits and returns the sum of E. */
static NOINLINE int64_t cut(const struct attend_args *a, uint32_t i, uint32_t begin, uint32_t end,
                            float max, float inv_vmax) {
    const float *score = attend_scores(a, i);
    uint8_t *digit = attend_digits(a, i);
    const __m512i seven = _mm512_set1_epi32(127);
    __m512i sum = _mm512_setzero_si512(); /* at most ATTEND_BLOCK / 16 times 2^24 */
    for (uint32_t slot = begin; slot < end; slot += 16, digit += 16) {
        __m512 t = _mm512_sub_ps(_mm512_load_ps(score + slot), _mm512_set1_ps(max)),
               least = _mm512_set1_ps(-30.0f);
        __m512 e = exp2_16(_mm512_max_ps(t, least)); /* exp2(-30) gives the integers 0: slots below
                                                        it, and those not seen, must give 0 */
        __m512i top = _mm512_setzero_si512(); /* not checked: scales are in range where a slot is
                                                 seen */
        __m512 b = snap16(
            _mm512_mul_ps(_mm512_loadu_ps(a->kv.vscale + slot), _mm512_set1_ps(inv_vmax)), &top);
        b = _mm512_min_ps(b, _mm512_set1_ps(2.0f)); /* at most about 1 where a slot is seen;
                                                       elsewhere it may be anything */
        __m512i w =
            _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_mul_ps(e, b), _mm512_set1_ps(2097151.0f)));
        w = _mm512_min_epi32(w, _mm512_set1_epi32(DIGIT_TOP));
        sum = _mm512_add_epi32(sum,
                               _mm512_cvtps_epi32(_mm512_mul_ps(e, _mm512_set1_ps(16777216.0f))));
        __m512i high = _mm512_srli_epi32(w, 14),
                middle = _mm512_and_si512(_mm512_srli_epi32(w, 7), seven);
        _mm_store_si128((__m128i *)(void *)digit, _mm512_cvtepi32_epi8(_mm512_and_si512(w, seven)));
        _mm_store_si128((__m128i *)(void *)(digit + ATTEND_BLOCK), _mm512_cvtepi32_epi8(middle));
        _mm_store_si128((__m128i *)(void *)(digit + 2 * ATTEND_BLOCK), _mm512_cvtepi32_epi8(high));
    }
    /* the sum of all lanes may exceed 2^31 */
    __m512i half = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(sum));
    return _mm512_reduce_add_epi64(
        _mm512_add_epi64(half, _mm512_cvtepi32_epi64(_mm512_extracti32x8_epi32(sum, 1))));
}

/* -------------------------------------------------------------------------------------- sums -- */

/* The steps of gather for sum i, which belongs to a query and a group of channels. */
#define GATHER_BEGIN(i)                                                                            \
    const uint32_t q##i = i < QUERIES * CELLS ? i / CELLS : 0,                                     \
                   c##i = i < QUERIES * CELLS ? i % CELLS : 0;                                     \
    int32_t *s##i = sums + q##i * 3 * dim + c##i * 16;                                             \
    __m512i low##i = _mm512_setzero_si512(), mid##i = low##i, top##i = low##i;
#define GATHER_DOT(i)                                                                              \
    if (i < QUERIES * CELLS) {                                                                     \
        const uint8_t *d = digits + q##i * 3 * ATTEND_BLOCK + j;                                   \
        __m512i line = v_line(v + c##i * (V4 ? 32 : 64), V4);                                      \
        low##i = dot4(low##i, broadcast4(d), line);                                                \
        mid##i = dot4(mid##i, broadcast4(d + ATTEND_BLOCK), line);                                 \
        top##i = dot4(top##i, broadcast4(d + 2 * ATTEND_BLOCK), line);                             \
    }
#define GATHER_END(i)                                                                              \
    if (i < QUERIES * CELLS) {                                                                     \
        _mm512_store_si512(s##i, _mm512_add_epi32(_mm512_load_si512(s##i), low##i));               \
        _mm512_storeu_si512(s##i + dim, _mm512_add_epi32(_mm512_loadu_si512(s##i + dim), mid##i)); \
        _mm512_storeu_si512(s##i + 2 * dim,                                                        \
                            _mm512_add_epi32(_mm512_loadu_si512(s##i + 2 * dim), top##i));         \
    }

/* Adds digit times V over `slots` slots for QUERIES queries and CELLS channel groups of 16 (QUERIES
 * * CELLS <= 8). */
INLINE void gather(const struct attend_args *a, const int V4, const uint32_t QUERIES,
                   const uint32_t CELLS, uint32_t first, uint32_t channel, uint32_t begin,
                   uint32_t slots) {
    const uint8_t *digits = attend_digits(a, first);
    const size_t dim = a->head_dim, row = V4 ? dim / 2 : dim;
    const int8_t *v = a->kv.v + begin * row + (size_t)channel * (V4 ? 2 : 4);
    int32_t *sums = attend_sums(a, first) + channel;
    EACH_OF_8(GATHER_BEGIN)
    for (uint32_t j = 0; j < slots; j += 4, v += 4 * row) { EACH_OF_8(GATHER_DOT) }
    EACH_OF_8(GATHER_END)
}

typedef void gather_fn(const struct attend_args *a, uint32_t first, uint32_t channel,
                       uint32_t begin, uint32_t slots);
#define GATHER(q, c)                                                                               \
    static NOINLINE void gather_##q##x##c(const struct attend_args *a, uint32_t first,             \
                                          uint32_t channel, uint32_t begin, uint32_t slots) {      \
        gather(a, 0, q, c, first, channel, begin, slots);                                          \
    }                                                                                              \
    static NOINLINE void gather4_##q##x##c(const struct attend_args *a, uint32_t first,            \
                                           uint32_t channel, uint32_t begin, uint32_t slots) {     \
        gather(a, 1, q, c, first, channel, begin, slots);                                          \
    }
GATHER(1, 8)
GATHER(1, 4)
GATHER(1, 1)
GATHER(2, 4)
GATHER(2, 1)
GATHER(4, 2)
GATHER(4, 1)
GATHER(8, 1)
#undef GATHER

/* All channels of `queries` (1, 2, 4 or 8) queries. */
static void gather_channels(const struct attend_args *a, int v4, uint32_t queries, uint32_t first,
                            uint32_t begin, uint32_t slots) {
    static gather_fn *const wides[2][4] = {{gather_1x8, gather_2x4, gather_4x2, gather_8x1},
                                           {gather4_1x8, gather4_2x4, gather4_4x2, gather4_8x1}};
    static gather_fn *const singles[2][4] = {{gather_1x1, gather_2x1, gather_4x1, gather_8x1},
                                             {gather4_1x1, gather4_2x1, gather4_4x1, gather4_8x1}};
    const uint32_t log = queries == 8 ? 3 : queries / 2, step = 16 * (8 / queries);
    gather_fn *const wide = wides[v4][log], *const half = v4 ? gather4_1x4 : gather_1x4,
                     *const single = singles[v4][log];
    uint32_t c = 0;
    for (; c + step <= a->head_dim; c += step) wide(a, first, c, begin, slots);
    if (queries == 1 && c + 64 <= a->head_dim) {
        half(a, first, c, begin, slots);
        c += 64;
    }
    for (; c < a->head_dim; c += 16) single(a, first, c, begin, slots);
}

static NOINLINE uint32_t finish(const struct attend_args *a, uint32_t i, float vmax, int64_t sum) {
    float *out = a->query[i].out;
    uint32_t bad = 0;
    if (vmax == 0.0f) {
        memset(out, 0, a->head_dim * sizeof *out);
        return 0;
    }
    const __m512 unit = _mm512_set1_ps(num_snap(vmax * 0x1.000008p+3f, &bad)),
                 inv = _mm512_set1_ps(num_recip((float)sum));
    __m512i most = _mm512_setzero_si512();
    for (uint32_t c = 0; c < a->head_dim; c += 16) {
        const int32_t *s = attend_sums(a, i) + c;
        __m256 half[2];
        for (uint32_t h = 0; h < 2; h++, s += 8) {
            __m512i low =
                _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(const void *)s));
            __m512i mid = _mm512_cvtepi32_epi64(
                _mm256_loadu_si256((const __m256i *)(const void *)(s + a->head_dim)));
            __m512i top = _mm512_cvtepi32_epi64(
                _mm256_loadu_si256((const __m256i *)(const void *)(s + 2 * (size_t)a->head_dim)));
            half[h] = _mm512_cvtepi64_ps(_mm512_add_epi64(
                _mm512_add_epi64(low, _mm512_slli_epi64(mid, 7)), _mm512_slli_epi64(top, 14)));
        }
        __m512 acc = _mm512_insertf32x8(_mm512_castps256_ps512(half[0]), half[1], 1);
        _mm512_store_ps(out + c, snap16(_mm512_mul_ps(_mm512_mul_ps(acc, unit), inv), &most));
    }
    return bad | beyond(most);
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
            for (uint32_t i = 0; i < a->queries; i++)
                sum[i] += cut(a, i, begin, begin + slots, max[i], inv_vmax[i]);
            for (uint32_t i = 0; i < a->queries;) {
                const uint32_t left = a->queries - i, n = left >= 8   ? 8
                                                          : left >= 4 ? 4
                                                          : left >= 2 ? 2
                                                                      : 1;
                gather_channels(a, v_bits == 4, n, i, begin, slots);
                i += n;
            }
        }
    for (uint32_t i = 0; i < a->queries; i++) bad |= finish(a, i, vmax[i], sum[i]);
    return bad;
}

CPU_ATTEND_OF(avx512)
