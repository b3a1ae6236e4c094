/* Weights of 4-bit floats as safetensors files have them (gpt-oss): for a tensor `name` of rows of
 * 32 G values, `name`_blocks holds bytes [..., G, 16] and `name`_scales bytes [..., G].
 *
 * A byte of a block holds two codes of OCP's E2M1 (a sign, 2 bits of exponent, 1 of mantissa: 0,
 * 0.5, 1, 1.5, 2, 3, 4, 6), the first one in its low half. A scale is the exponent of OCP's E8M0:
 * 2^(byte - 127). GGUF's type MXFP4 is the same numbers, with the scale before its block and
 * another order of the codes (gguf_types.h). */
#ifndef PACK_MXFP4_H
#define PACK_MXFP4_H

#include "weights/pack/checkpoint/safetensors.h"

/* Makes each pair of tensors one, whose type is MXFP4 and whose name and shape are those of the
 * values. tensors: sorted by name, and stays so. Bytes that belong to no pair are refused. */
bool mxfp4_pair(struct safetensors_tensor *tensors, size_t *count, struct diag *d);

/* Whether a tensor's name is that of a part of a pair. */
bool mxfp4_is_part(const char *name);

/* The exact values of `blocks` blocks: out [blocks][32]. The largest exponents give infinity. */
void mxfp4_values(const uint8_t *codes, const uint8_t *scales, size_t blocks, float *out);

#endif
