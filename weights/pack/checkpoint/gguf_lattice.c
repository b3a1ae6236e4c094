#include "weights/pack/checkpoint/gguf_lattice.h"

#include "weights/pack/checkpoint/gguf_bytes.h"
#include "weights/pack/checkpoint/gguf_grids.h"

static const float IQ2_VALUE[4] = {8, 25, 43, 0}; /* no grid uses the fourth code */
static const float IQ3_XXS_VALUE[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const float IQ3_S_VALUE[8] = {1, 3, 5, 7, 9, 11, 13, 15};

/* Makes eight signs of the seven that are stored: the number of minus signs is even. */
static uint8_t eight_signs(uint32_t seven) {
    uint32_t odd = seven & 127;
    odd ^= odd >> 4, odd ^= odd >> 2, odd ^= odd >> 1;
    return (uint8_t)((seven & 127) | (odd & 1) << 7);
}

/* Writes eight values: scale times a point of the lattice, with signs. */
static void put_iq2(float scale, uint16_t point, uint8_t signs, float *out) {
    for (int j = 0; j < 8; j++) {
        float value = scale * IQ2_VALUE[point >> 2 * j & 3];
        out[j] = signs >> j & 1 ? -value : value;
    }
}

/* Writes eight values, which come from two points. */
static void put_iq3(float scale, const float *values, const uint16_t point[2], uint8_t signs,
                    float *out) {
    for (int j = 0; j < 8; j++) {
        float value = scale * values[point[j / 4] >> 3 * (j % 4) & 7];
        out[j] = signs >> j & 1 ? -value : value;
    }
}

/* d, then for every 32 values four indices and a word of four times 7 signs and a scale. */
void dequantize_iq2_xxs(const uint8_t *in, float *out) {
    float d = f16_at(in);
    for (int i = 0; i < 32; i++) {
        const uint8_t *group = in + 2 + i / 4 * 8;
        uint32_t word = u32_at(group + 4);
        float scale = d * (0.5f + (float)(word >> 28)) * 0.25f;
        put_iq2(scale, GRID_IQ2_XXS[group[i % 4]], eight_signs(word >> 7 * (i % 4)), out + 8 * i);
    }
}

/* d, 32 times 9 bits of index and 7 signs, 16 scales of 4 bits. */
void dequantize_iq2_xs(const uint8_t *in, float *out) {
    float d = f16_at(in);
    for (int i = 0; i < 32; i++) {
        uint16_t code = u16_at(in + 2 + 2 * i);
        float scale = d * (0.5f + (float)(in[66 + i / 4] >> 4 * (i / 2 % 2) & 15)) * 0.25f;
        put_iq2(scale, GRID_IQ2_XS[code & 511], eight_signs(code >> 9), out + 8 * i);
    }
}

/* d, low bytes of 32 indices, 32 bytes of signs, the indices' upper two bits, 16 scales. */
void dequantize_iq2_s(const uint8_t *in, float *out) {
    const uint8_t *low = in + 2, *signs = in + 34, *high = in + 66, *scales = in + 74;
    float d = f16_at(in);
    for (int i = 0; i < 32; i++) {
        int index = low[i] | (high[i / 4] >> 2 * (i % 4) & 3) << 8;
        float scale = d * (0.5f + (float)(scales[i / 4] >> 4 * (i / 2 % 2) & 15)) * 0.25f;
        put_iq2(scale, GRID_IQ2_S[index], signs[i], out + 8 * i);
    }
}

/* d, 64 indices, then words of signs and scale as in IQ2_XXS. */
void dequantize_iq3_xxs(const uint8_t *in, float *out) {
    float d = f16_at(in);
    for (int i = 0; i < 32; i++) {
        const uint8_t *index = in + 2 + 2 * i;
        uint32_t word = u32_at(in + 66 + i / 4 * 4);
        const uint16_t point[2] = {GRID_IQ3_XXS[index[0]], GRID_IQ3_XXS[index[1]]};
        float scale = d * (0.5f + (float)(word >> 28)) * 0.5f;
        put_iq3(scale, IQ3_XXS_VALUE, point, eight_signs(word >> 7 * (i % 4)), out + 8 * i);
    }
}

/* d, low bytes of 64 indices, their ninth bits, 32 bytes of signs, 8 scales of 4 bits. */
void dequantize_iq3_s(const uint8_t *in, float *out) {
    const uint8_t *low = in + 2, *high = in + 66, *signs = in + 74, *scales = in + 106;
    float d = f16_at(in);
    for (int i = 0; i < 32; i++) {
        uint16_t point[2];
        for (int j = 0; j < 2; j++) {
            int at = 2 * i + j;
            point[j] = GRID_IQ3_S[low[at] | (high[at / 8] >> at % 8 & 1) << 8];
        }
        float scale = d * (float)(1 + 2 * (scales[i / 8] >> 4 * (i / 4 % 2) & 15));
        put_iq3(scale, IQ3_S_VALUE, point, signs[i], out + 8 * i);
    }
}

static void put_iq1(float scale, uint16_t point, float delta, float *out) {
    for (int j = 0; j < 8; j++) out[j] = scale * ((float)(point >> 2 * j & 3) - 1 + delta);
}

/* d, low bytes of 32 indices, then for every 32 values a word: four times their upper 3 bits, the
 * scale, and the sign of the shift. */
void dequantize_iq1_s(const uint8_t *in, float *out) {
    float d = f16_at(in);
    for (int i = 0; i < 32; i++) {
        uint16_t word = u16_at(in + 34 + i / 4 * 2);
        int index = in[2 + i] | (word >> 3 * (i % 4) & 7) << 8;
        float scale = d * (float)(2 * (word >> 12 & 7) + 1);
        put_iq1(scale, GRID_IQ1[index], word & 0x8000 ? -0.125f : 0.125f, out + 8 * i);
    }
}

/* Low bytes of 32 indices; a nibble for each, upper 3 bits and the sign of the shift; four words of
 * four scales of 3 bits, whose upper nibbles together are d. */
void dequantize_iq1_m(const uint8_t *in, float *out) {
    uint16_t half = 0;
    for (int i = 0; i < 4; i++) half = (uint16_t)(half | (in[48 + 2 * i + 1] >> 4) << 4 * i);
    float d = float_from_f16(half);
    for (int i = 0; i < 32; i++) {
        int nibble = in[32 + i / 2] >> 4 * (i % 2) & 15, index = in[i] | (nibble & 7) << 8;
        float scale = d * (float)(2 * (u16_at(in + 48 + i / 8 * 2) >> 3 * (i / 2 % 4) & 7) + 1);
        put_iq1(scale, GRID_IQ1[index], nibble & 8 ? -0.125f : 0.125f, out + 8 * i);
    }
}
