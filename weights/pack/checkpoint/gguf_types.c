#include "weights/pack/checkpoint/gguf_types.h"

#include <string.h>

#include "weights/pack/checkpoint/gguf_bytes.h"
#include "weights/pack/checkpoint/gguf_lattice.h"

static const struct {
    uint32_t type;
    struct gguf_type_info info;
} TYPES[] = {
    {GGUF_TYPE_F32, {"F32", 1, 4}},
    {GGUF_TYPE_F16, {"F16", 1, 2}},
    {GGUF_TYPE_BF16, {"BF16", 1, 2}},
    {GGUF_TYPE_Q4_0, {"Q4_0", 32, 18}},
    {GGUF_TYPE_Q4_1, {"Q4_1", 32, 20}},
    {GGUF_TYPE_Q5_0, {"Q5_0", 32, 22}},
    {GGUF_TYPE_Q5_1, {"Q5_1", 32, 24}},
    {GGUF_TYPE_Q8_0, {"Q8_0", 32, 34}},
    {GGUF_TYPE_Q2_K, {"Q2_K", 256, 84}},
    {GGUF_TYPE_Q3_K, {"Q3_K", 256, 110}},
    {GGUF_TYPE_Q4_K, {"Q4_K", 256, 144}},
    {GGUF_TYPE_Q5_K, {"Q5_K", 256, 176}},
    {GGUF_TYPE_Q6_K, {"Q6_K", 256, 210}},
    {GGUF_TYPE_IQ4_NL, {"IQ4_NL", 32, 18}},
    {GGUF_TYPE_IQ4_XS, {"IQ4_XS", 256, 136}},
    {GGUF_TYPE_IQ3_S, {"IQ3_S", 256, 110}},
    {GGUF_TYPE_IQ3_XXS, {"IQ3_XXS", 256, 98}},
    {GGUF_TYPE_IQ2_S, {"IQ2_S", 256, 82}},
    {GGUF_TYPE_IQ2_XS, {"IQ2_XS", 256, 74}},
    {GGUF_TYPE_IQ2_XXS, {"IQ2_XXS", 256, 66}},
    {GGUF_TYPE_IQ1_M, {"IQ1_M", 256, 56}},
    {GGUF_TYPE_IQ1_S, {"IQ1_S", 256, 50}},
    {GGUF_TYPE_TQ1_0, {"TQ1_0", 256, 54}},
    {GGUF_TYPE_TQ2_0, {"TQ2_0", 256, 66}},
    {GGUF_TYPE_F64, {"F64", 1, 8}},
    {GGUF_TYPE_MXFP4, {"MXFP4", 32, 17}},
    {GGUF_TYPE_NVFP4, {"NVFP4", 64, 36}},
};

/* Names by id, for messages that refuse a type. */
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

const char *gguf_type_name(uint32_t type) {
    return type < sizeof NAMES / sizeof NAMES[0] ? NAMES[type] : "unknown";
}

static float float_of_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

float float_from_bf16(uint16_t bits) { return float_of_bits((uint32_t)bits << 16); }

float float_from_f16(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = (bits >> 10) & 31,
             mantissa = bits & 0x3ff;
    if (exponent == 31) return float_of_bits(sign | 0x7f800000 | mantissa << 13);
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24, exact in float */
        float f = (float)mantissa * 0x1p-24f;
        return sign ? -f : f;
    }
    return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* In the types with 32 values, value i < 16 is the low nibble of byte i, and value i >= 16 is the
 * high nibble of byte i - 16. */
static int nibble(const uint8_t *q, int i) { return i < 16 ? q[i] & 15 : q[i - 16] >> 4; }

/* The 6-bit scales and minima of Q4_K and Q5_K: eight of each in 12 bytes; the upper four of each
 * have their top bits in the first eight bytes. */
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
        int scale =
            ((k < 8 ? s[k] & 15 : s[k - 8] >> 4) | (s[8 + k % 4] >> 2 * (k / 4) & 3) << 4) - 32;
        int v = (q[group / 4 * 32 + i % 32] >> 2 * (group % 4) & 3) -
                (high[i % 32] >> group & 1 ? 0 : 4);
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
        int group = i / 32, v = (q[group / 2 * 32 + i % 32] >> 4 * (group % 2) & 15) |
                                (high[i % 32] >> group & 1) << 4;
        scale_min(scales, group, &scale, &min);
        out[i] = d * scale * (float)v - dmin * min;
    }
}

static void dequantize_q6_k(const uint8_t *in, float *out) {
    const uint8_t *low = in, *high = in + 128, *scales = in + 192;
    float d = f16_at(in + 208);
    for (int i = 0; i < 256; i++) {
        int half = i / 128, quarter = i / 32 % 4, at = i % 32;
        int v = (low[half * 64 + quarter % 2 * 32 + at] >> 4 * (quarter / 2) & 15) |
                (high[half * 32 + at] >> 2 * quarter & 3) << 4;
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
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)((nibble(in + 6, i) | (int)(high >> i & 1) << 4) - 16);
}

static void dequantize_q5_1(const uint8_t *in, float *out) {
    float d = f16_at(in), min = f16_at(in + 2);
    uint32_t high = u32_at(in + 4);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)(nibble(in + 8, i) | (int)(high >> i & 1) << 4) + min;
}

static void dequantize_q8_0(const uint8_t *in, float *out) {
    float d = f16_at(in);
    for (int i = 0; i < 32; i++) out[i] = d * (float)(int8_t)in[2 + i];
}

/* The sixteen values of the IQ4 types, which are not evenly spaced. */
static const float IQ4_VALUE[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                    1,    13,   25,  38,  53,  69,  89,  113};

static void dequantize_iq4_nl(const uint8_t *in, float *out) {
    float d = f16_at(in);
    for (int i = 0; i < 32; i++) out[i] = d * IQ4_VALUE[nibble(in + 2, i)];
}

/* d, the upper 2 bits of eight scales, their lower 4, then 32 values in 16 bytes as above. */
static void dequantize_iq4_xs(const uint8_t *in, float *out) {
    float d = f16_at(in);
    uint16_t high = u16_at(in + 2);
    for (int i = 0; i < 256; i++) {
        int group = i / 32;
        int low = in[4 + group / 2] >> 4 * (group % 2) & 15;
        int scale = (low | (high >> 2 * group & 3) << 4) - 32;
        out[i] = d * (float)scale * IQ4_VALUE[nibble(in + 8 + 16 * group, i % 32)];
    }
}

/* Floats of 4 bits (a sign, 2 bits of exponent, 1 of mantissa), doubled; the scales below are
 * halved for that. */
static const float FP4_VALUE[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* The scale is 8 bits of exponent, 2^(e - 127), halved here. So is e = 255, which is NaN in the
 * standard. */
static void dequantize_mxfp4(const uint8_t *in, float *out) {
    uint32_t bits = in[0] < 2 ? (uint32_t)0x00200000 << in[0] : (uint32_t)(in[0] - 1) << 23;
    float d = float_of_bits(bits);
    for (int i = 0; i < 32; i++) out[i] = d * FP4_VALUE[nibble(in + 1, i)];
}

/* Half of a float with 4 bits of exponent and 3 of mantissa. The sign is not read. 127, which is
 * NaN elsewhere, gives 0. */
static float ue4m3_half(uint8_t bits) {
    uint32_t exponent = bits >> 3 & 15, mantissa = bits & 7;
    if (bits == 0x7f) return 0;
    if (exponent == 0) return (float)mantissa * 0x1p-10f;
    return float_of_bits((exponent + 119) << 23 | mantissa << 20);
}

/* Four scales, then 16 values for each: value i < 8 is the low nibble of byte i, and value i >= 8
 * is the high nibble of byte i - 8. */
static void dequantize_nvfp4(const uint8_t *in, float *out) {
    for (int i = 0; i < 64; i++) {
        uint8_t byte = in[4 + i / 16 * 8 + i % 8];
        out[i] = ue4m3_half(in[i / 16]) * FP4_VALUE[i % 16 < 8 ? byte & 15 : byte >> 4];
    }
}

/* A byte / 256 is a fraction to the base 3. Multiplied by 3^n modulo 256, its digit n becomes the
 * first digit, which is the integer part of three times the fraction. */
static float ternary(uint8_t byte, int n) {
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    return (float)((int)((uint8_t)(byte * power[n]) * 3 >> 8) - 1);
}

/* 32 and 16 bytes of five digits each, then 4 bytes of four. The values of a part are digit n of
 * all its bytes, then digit n + 1. d comes last. */
static void dequantize_tq1_0(const uint8_t *in, float *out) {
    float d = f16_at(in + 52);
    for (int i = 0; i < 160; i++) out[i] = d * ternary(in[i % 32], i / 32);
    for (int i = 0; i < 80; i++) out[160 + i] = d * ternary(in[32 + i % 16], i / 16);
    for (int i = 0; i < 16; i++) out[240 + i] = d * ternary(in[48 + i % 4], i / 4);
}

static void dequantize_tq2_0(const uint8_t *in, float *out) {
    float d = f16_at(in + 64);
    for (int i = 0; i < 256; i++) {
        int digit = in[i / 128 * 32 + i % 32] >> 2 * (i / 32 % 4) & 3;
        out[i] = d * (float)(digit - 1);
    }
}

static void dequantize_f32(const uint8_t *in, float *out) { *out = float_of_bits(u32_at(in)); }
static void dequantize_f64(const uint8_t *in, float *out) {
    uint64_t bits = u64_at(in);
    double value;
    memcpy(&value, &bits, sizeof value);
    *out = (float)value;
}
static void dequantize_f16(const uint8_t *in, float *out) { *out = f16_at(in); }
static void dequantize_bf16(const uint8_t *in, float *out) { *out = float_from_bf16(u16_at(in)); }

/* The loop over blocks. It is written for each type, so that the compiler sees the body. */
#define BLOCKS(function, values, size)                                                             \
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
    case GGUF_TYPE_F64:
        BLOCKS(dequantize_f64, 1, 8);
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
    case GGUF_TYPE_IQ4_NL:
        BLOCKS(dequantize_iq4_nl, 32, 18);
        break;
    case GGUF_TYPE_IQ4_XS:
        BLOCKS(dequantize_iq4_xs, 256, 136);
        break;
    case GGUF_TYPE_IQ3_S:
        BLOCKS(dequantize_iq3_s, 256, 110);
        break;
    case GGUF_TYPE_IQ3_XXS:
        BLOCKS(dequantize_iq3_xxs, 256, 98);
        break;
    case GGUF_TYPE_IQ2_S:
        BLOCKS(dequantize_iq2_s, 256, 82);
        break;
    case GGUF_TYPE_IQ2_XS:
        BLOCKS(dequantize_iq2_xs, 256, 74);
        break;
    case GGUF_TYPE_IQ2_XXS:
        BLOCKS(dequantize_iq2_xxs, 256, 66);
        break;
    case GGUF_TYPE_IQ1_M:
        BLOCKS(dequantize_iq1_m, 256, 56);
        break;
    case GGUF_TYPE_IQ1_S:
        BLOCKS(dequantize_iq1_s, 256, 50);
        break;
    case GGUF_TYPE_TQ1_0:
        BLOCKS(dequantize_tq1_0, 256, 54);
        break;
    case GGUF_TYPE_TQ2_0:
        BLOCKS(dequantize_tq2_0, 256, 66);
        break;
    case GGUF_TYPE_MXFP4:
        BLOCKS(dequantize_mxfp4, 32, 17);
        break;
    case GGUF_TYPE_NVFP4:
        BLOCKS(dequantize_nvfp4, 64, 36);
        break;
    }
}
