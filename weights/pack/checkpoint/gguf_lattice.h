/* Dequantizes one block of ggml's IQ1, IQ2 and IQ3 types, which consist of a scale per 16 or 32
 * values, points of a lattice, and signs.
 *
 * in: the block, as many bytes as gguf_type_info says; out: its 256 values. Every index that the
 * bytes can form is inside its grid. */
#ifndef PACK_GGUF_LATTICE_H
#define PACK_GGUF_LATTICE_H

#include <stdint.h>

void dequantize_iq2_xxs(const uint8_t *in, float *out);
void dequantize_iq2_xs(const uint8_t *in, float *out);
void dequantize_iq2_s(const uint8_t *in, float *out);
void dequantize_iq3_xxs(const uint8_t *in, float *out);
void dequantize_iq3_s(const uint8_t *in, float *out);
void dequantize_iq1_s(const uint8_t *in, float *out);
void dequantize_iq1_m(const uint8_t *in, float *out);

#endif
