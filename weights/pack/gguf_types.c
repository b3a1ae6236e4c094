#include "weights/pack/gguf_types.h"

#include <string.h>

static const struct {
    uint32_t type;
    struct gguf_type_info info;
} TYPES[] = {
    {GGUF_TYPE_F32, {"F32", 1, 4}},       {GGUF_TYPE_F16, {"F16", 1, 2}},       {GGUF_TYPE_BF16, {"BF16", 1, 2}},
    {GGUF_TYPE_Q4_0, {"Q4_0", 32, 18}},   {GGUF_TYPE_Q4_1, {"Q4_1", 32, 20}},   {GGUF_TYPE_Q5_0, {"Q5_0", 32, 22}},
    {GGUF_TYPE_Q5_1, {"Q5_1", 32, 24}},   {GGUF_TYPE_Q8_0, {"Q8_0", 32, 34}},   {GGUF_TYPE_Q2_K, {"Q2_K", 256, 84}},
    {GGUF_TYPE_Q3_K, {"Q3_K", 256, 110}}, {GGUF_TYPE_Q4_K, {"Q4_K", 256, 144}}, {GGUF_TYPE_Q5_K, {"Q5_K", 256, 176}},
    {GGUF_TYPE_Q6_K, {"Q6_K", 256, 210}},
};

/* By id, for refusals; NULL where no type was ever given the id. */
static const char *const NAMES[] = {
    "F32",
    "F16",
    "Q4_0",
    "Q4_1",
    "Q4_2 (retired)",
    "Q4_3 (retired)",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "Q8_1",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "Q8_K",
    "IQ2_XXS",
    "IQ2_XS",
    "IQ3_XXS",
    "IQ1_S",
    "IQ4_NL",
    "IQ3_S",
    "IQ2_S",
    "IQ4_XS",
    "I8",
    "I16",
    "I32",
    "I64",
    "F64",
    "IQ1_M",
    "BF16",
    "Q4_0_4_4 (retired)",
    "Q4_0_4_8 (retired)",
    "Q4_0_8_8 (retired)",
    "TQ1_0",
    "TQ2_0",
    "IQ4_NL_4_4 (retired)",
    "IQ4_NL_4_8 (retired)",
    "IQ4_NL_8_8 (retired)",
    "MXFP4",
    "NVFP4",
};

const struct gguf_type_info *gguf_type_info(uint32_t type) {
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (TYPES[i].type == type) return &TYPES[i].info;
    return NULL;
}

const char *gguf_type_name(uint32_t type) { return type < sizeof NAMES / sizeof NAMES[0] ? NAMES[type] : "unknown"; }

static float float_of_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

float float_from_bf16(uint16_t bits) { return float_of_bits((uint32_t)bits << 16); }

float float_from_f16(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = (bits >> 10) & 31, mantissa = bits & 0x3ff;
    if (exponent == 31) return float_of_bits(sign | 0x7f800000 | mantissa << 13);
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24, exact in float */
        float f = (float)mantissa * 0x1p-24f;
        return sign ? -f : f;
    }
    return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

static uint16_t u16_at(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t u32_at(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }
static float f16_at(const uint8_t *p) { return float_from_f16(u16_at(p)); }

/* The 32-value types: value i < 16 is the low nibble of byte i, value i >= 16 the high nibble of byte i - 16. */
static int nibble(const uint8_t *q, int i) { return i < 16 ? q[i] & 15 : q[i - 16] >> 4; }

/* The 6-bit scales and minima of Q4_K and Q5_K: eight of each in 12 bytes, the upper four with their top bits in the first eight bytes. */
static void scale_min(const uint8_t *s, int i, float *scale, float *min) {
    int sc = i < 4 ? s[i] & 63 : (s[i + 4] & 15) | (s[i - 4] >> 2 & 0x30);
    int mn = i < 4 ? s[i + 4] & 63 : s[i + 4] >> 4 | (s[i] >> 2 & 0x30);
    *scale = (float)sc;
    *min = (float)mn;
}

static void dequantize_q2_k(const uint8_t *in, float *out) {
    const uint8_t *scales = in, *q = in + 16;
    float d = f16_at(in + 80), dmin = f16_at(in + 82);
    for (int i = 0; i < 256; i++) {
        int group = i / 32, v = q[group / 4 * 32 + i % 32] >> 2 * (group % 4) & 3;
        float dl = d * (float)(scales[i / 16] & 15), ml = dmin * (float)(scales[i / 16] >> 4);
        out[i] = dl * (float)v - ml;
    }
}

static void dequantize_q3_k(const uint8_t *in, float *out) {
    const uint8_t *high = in, *q = in + 32, *s = in + 96;
    float d = f16_at(in + 108);
    for (int i = 0; i < 256; i++) {
        int group = i / 32, k = i / 16;
        int scale = ((k < 8 ? s[k] & 15 : s[k - 8] >> 4) | (s[8 + k % 4] >> 2 * (k / 4) & 3) << 4) - 32;
        int v = (q[group / 4 * 32 + i % 32] >> 2 * (group % 4) & 3) - (high[i % 32] >> group & 1 ? 0 : 4);
        out[i] = d * (float)scale * (float)v;
    }
}

static void dequantize_q4_k(const uint8_t *in, float *out) {
    const uint8_t *scales = in + 4, *q = in + 16;
    float d = f16_at(in), dmin = f16_at(in + 2), scale, min;
    for (int i = 0; i < 256; i++) {
        int group = i / 32, v = q[group / 2 * 32 + i % 32] >> 4 * (group % 2) & 15;
        scale_min(scales, group, &scale, &min);
        out[i] = d * scale * (float)v - dmin * min;
    }
}

static void dequantize_q5_k(const uint8_t *in, float *out) {
    const uint8_t *scales = in + 4, *high = in + 16, *q = in + 48;
    float d = f16_at(in), dmin = f16_at(in + 2), scale, min;
    for (int i = 0; i < 256; i++) {
        int group = i / 32, v = (q[group / 2 * 32 + i % 32] >> 4 * (group % 2) & 15) | (high[i % 32] >> group & 1) << 4;
        scale_min(scales, group, &scale, &min);
        out[i] = d * scale * (float)v - dmin * min;
    }
}

static void dequantize_q6_k(const uint8_t *in, float *out) {
    const uint8_t *low = in, *high = in + 128, *scales = in + 192;
    float d = f16_at(in + 208);
    for (int i = 0; i < 256; i++) {
        int half = i / 128, quarter = i / 32 % 4, at = i % 32;
        int v = (low[half * 64 + quarter % 2 * 32 + at] >> 4 * (quarter / 2) & 15) | (high[half * 32 + at] >> 2 * quarter & 3) << 4;
        out[i] = d * (float)(int8_t)scales[i / 16] * (float)(v - 32);
    }
}

static void dequantize_q4_0(const uint8_t *in, float *out) {
    float d = f16_at(in);
    for (int i = 0; i < 32; i++) out[i] = d * (float)(nibble(in + 2, i) - 8);
}

static void dequantize_q4_1(const uint8_t *in, float *out) {
    float d = f16_at(in), min = f16_at(in + 2);
    for (int i = 0; i < 32; i++) out[i] = d * (float)nibble(in + 4, i) + min;
}

static void dequantize_q5_0(const uint8_t *in, float *out) {
    float d = f16_at(in);
    uint32_t high = u32_at(in + 2);
    for (int i = 0; i < 32; i++) out[i] = d * (float)((nibble(in + 6, i) | (int)(high >> i & 1) << 4) - 16);
}

static void dequantize_q5_1(const uint8_t *in, float *out) {
    float d = f16_at(in), min = f16_at(in + 2);
    uint32_t high = u32_at(in + 4);
    for (int i = 0; i < 32; i++) out[i] = d * (float)(nibble(in + 8, i) | (int)(high >> i & 1) << 4) + min;
}

static void dequantize_q8_0(const uint8_t *in, float *out) {
    float d = f16_at(in);
    for (int i = 0; i < 32; i++) out[i] = d * (float)(int8_t)in[2 + i];
}

static void dequantize_f32(const uint8_t *in, float *out) { *out = float_of_bits(u32_at(in)); }
static void dequantize_f16(const uint8_t *in, float *out) { *out = f16_at(in); }
static void dequantize_bf16(const uint8_t *in, float *out) { *out = float_from_bf16(u16_at(in)); }

/* The loop over blocks, once per type so that the compiler sees the body. */
#define BLOCKS(function, values, size)                                                                                                     \
    for (size_t i = 0; i < blocks; i++) function(in + i * (size), out + i * (values))

void gguf_dequantize(enum gguf_type type, const uint8_t *in, size_t blocks, float *out) {
    switch (type) {
    case GGUF_TYPE_F32:
        BLOCKS(dequantize_f32, 1, 4);
        break;
    case GGUF_TYPE_F16:
        BLOCKS(dequantize_f16, 1, 2);
        break;
    case GGUF_TYPE_BF16:
        BLOCKS(dequantize_bf16, 1, 2);
        break;
    case GGUF_TYPE_Q4_0:
        BLOCKS(dequantize_q4_0, 32, 18);
        break;
    case GGUF_TYPE_Q4_1:
        BLOCKS(dequantize_q4_1, 32, 20);
        break;
    case GGUF_TYPE_Q5_0:
        BLOCKS(dequantize_q5_0, 32, 22);
        break;
    case GGUF_TYPE_Q5_1:
        BLOCKS(dequantize_q5_1, 32, 24);
        break;
    case GGUF_TYPE_Q8_0:
        BLOCKS(dequantize_q8_0, 32, 34);
        break;
    case GGUF_TYPE_Q2_K:
        BLOCKS(dequantize_q2_k, 256, 84);
        break;
    case GGUF_TYPE_Q3_K:
        BLOCKS(dequantize_q3_k, 256, 110);
        break;
    case GGUF_TYPE_Q4_K:
        BLOCKS(dequantize_q4_k, 256, 144);
        break;
    case GGUF_TYPE_Q5_K:
        BLOCKS(dequantize_q5_k, 256, 176);
        break;
    case GGUF_TYPE_Q6_K:
        BLOCKS(dequantize_q6_k, 256, 210);
        break;
    }
}
