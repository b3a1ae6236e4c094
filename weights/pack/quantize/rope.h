/* The RoPE tables of a blob: cos and sin by position and frequency, with the model's scaling
 * already in them. */
#ifndef PACK_ROPE_H
#define PACK_ROPE_H

#include "weights/pack/checkpoint/source.h"

/* Fills frequency [head_dim / 2], in radians per position. f = theta^(-2 i / head_dim) becomes
 *   linear     f / factor
 *   llama3     with turns = original_positions f / 2 pi:
 *              f if turns > high_freq_factor,
 *              f / factor if turns < low_freq_factor,
 *              otherwise f s + f / factor (1 - s), s = (turns - low) / (high - low)
 *   divisors   f / divisor[i] / factor (divisor [head_dim / 2]; NULL for the others)
 * False, with a sentence, for values that no model has. */
bool rope_frequencies(const struct rope_config *rope, uint32_t head_dim, const float *divisor,
                      double *frequency, struct diag *d);

/* Fills out [2][head_dim / 2] for one position: cosines, then sines. Magnitudes below 2^-50 become
 * +0. */
void rope_position(const double *frequency, uint32_t head_dim, uint32_t position, float *out);

#endif
