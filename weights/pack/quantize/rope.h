/* The RoPE tables of a blob: cos and sin by position and frequency, with the model's scaling
 * already in them. */
#ifndef PACK_ROPE_H
#define PACK_ROPE_H

#include "weights/format.h"
#include "weights/pack/checkpoint/source.h"

struct rope_table {
    uint32_t pairs;                          /* of a head that are rotated */
    double frequency[BLOB_HEAD_DIM_MAX / 2]; /* [pairs], radians per position */
};

/* Fills the table for a blob of this many positions. With d = rope->rotary and i < d / 2,
 * f = theta^(-2 i / d) becomes
 *   linear     f / factor
 *   llama3     with turns = original_positions f / 2 pi:
 *              f if turns > high_freq_factor,
 *              f / factor if turns < low_freq_factor,
 *              otherwise f s + f / factor (1 - s), s = (turns - low) / (high - low)
 *   yarn       f (1 - s) + f / factor s, s = (i - low) / (high - low) between 0 and 1, where low
 *              and high are the frequencies that turn beta_fast and beta_slow times in the original
 *              positions, d ln(original_positions / (2 pi beta)) / (2 ln theta), rounded down and
 *              up unless exact_range, and between 0 and d - 1; where they are equal, high is 0.001
 *              more
 *   dynamic    f with theta ((factor positions / original_positions) - (factor - 1))^(d / (d - 2)),
 *              if there are more positions than the original ones
 *   long       f / divisor[i]
 *   divisors   f / divisor[i] / factor
 * (divisor [d / 2]; NULL for the others.) These are the formulas of transformers'
 * modeling_rope_utils.py. False, with a sentence, for values that no model has. */
bool rope_table_make(const struct rope_config *rope, uint32_t positions, const float *divisor,
                     struct rope_table *table, struct diag *d);

/* What transformers multiplies sines and cosines by, for q and for k: attention_factor or, where
 * that is 0,
 *   yarn       m(mscale) / m(mscale_all) with m(x) = 0.1 x ln(factor) + 1; m(1) if one is 0
 *   long       sqrt(1 + ln(factor) / ln(original_positions))
 * and 1 for factors up to 1 and for the others. Tables are without it: the rows of Q that are
 * rotated are multiplied by its square instead. */
double rope_attention(const struct rope_config *rope);

/* Fills out [2][head_dim / 2] for one position: cosines, then sines, of the pairs that are rotated;
 * 1 and 0 of the others. Magnitudes below 2^-50 become +0. */
void rope_position(const struct rope_table *table, uint32_t head_dim, uint32_t position,
                   float *out);

#endif
