/* The scalar functions of docs/numerics.md 1 and 2: one operation a line, in the common subset of C
 * and GLSL. */
#ifndef HAL_SCALAR_H
#define HAL_SCALAR_H

#include <stdint.h>
#include <string.h>

/* Goes through a union: in a freestanding build memcpy is a real call, and these functions are in
 * the innermost loops. */
union float_word {
    float x;
    uint32_t b;
};

static inline uint32_t float_bits(float x) {
    union float_word w = {.x = x};
    return w.b;
}

static inline float bits_float(uint32_t b) {
    union float_word w = {.b = b};
    return w.x;
}

enum { SNAP_LOW = 0x26800000, SNAP_HIGH = 0x58800000 }; /* 2^-50, 2^50 */

/* Sets *bad |= 1 where the contract is broken. */
static inline float num_snap(float x, uint32_t *bad) {
    uint32_t m = float_bits(x) & 0x7fffffffu;
    *bad |= m > SNAP_HIGH;
    return m < SNAP_LOW || m > SNAP_HIGH ? 0.0f : x;
}

/* |x| <= 2^22 */
static inline float num_rint(float x) {
    float t = x + 12582912.0f;
    return t - 12582912.0f;
}

static inline float num_recip(float x) {
    float r = bits_float(0x7EF311C3u - float_bits(x));
    for (int i = 0; i < 3; i++) {
        float t = x * r;
        t = 2.0f - t;
        r = r * t;
    }
    return r;
}

static inline float num_rsqrt(float x) {
    float r = bits_float(0x5F375A86u - (float_bits(x) >> 1));
    float h = 0.5f * x;
    for (int i = 0; i < 3; i++) {
        float t = r * r;
        t = h * t;
        t = 1.5f - t;
        r = r * t;
    }
    return r;
}

/* t in [-30, 30] */
static inline float num_exp2(float t) {
    float n = num_rint(t);
    float f = t - n;
    if ((float_bits(f) & 0x7fffffffu) < SNAP_LOW) f = 0.0f;
    float p = 0x1.41fbbcp-13f;
    p = p * f + 0x1.5f3e54p-10f;
    p = p * f + 0x1.3b2d4cp-7f;
    p = p * f + 0x1.c6aee8p-5f;
    p = p * f + 0x1.ebfbdcp-3f;
    p = p * f + 0x1.62e430p-1f;
    p = p * f + 1.0f;
    return bits_float(float_bits(p) + ((uint32_t)(int32_t)n << 23));
}

/* x >= 0, ties to even. num_rint is right only up to 2^22; from 2^23 on every float is an
 * integer. */
static inline int64_t num_rint_positive(float x) {
    if (x >= 8388608.0f) return (int64_t)x;
    float t = x + 8388608.0f;
    return (int64_t)(t - 8388608.0f);
}

/* x normal and positive */
static inline float num_log2(float x) {
    static const float d[10] = {0x1.715476p+0f, -0x1.715470p-1f, 0x1.ec7080p-2f, -0x1.715a68p-2f,
                                0x1.2782e6p-2f, -0x1.eac690p-3f, 0x1.a265e0p-3f, -0x1.866012p-3f,
                                0x1.80abd0p-3f, -0x1.cebf44p-4f};
    int32_t e = (int32_t)(float_bits(x) - 0x3F3504F3u) >> 23;
    float u = bits_float(float_bits(x) - ((uint32_t)e << 23)) - 1.0f;
    float p = d[9];
    for (int i = 8; i >= 0; i--) p = p * u + d[i];
    return (float)e + p * u;
}

#endif
