#include "weights/pack/quantize/rope.h"

#include <math.h>

#include "weights/pack/quantize/exact.h"

static const double TURN = 6.283185307179586;

static double llama3(const struct rope_config *rope, double f) {
    double turns = (double)rope->original_positions * f / TURN;
    if (turns > rope->high_freq_factor) return f;
    if (turns < rope->low_freq_factor) return f / rope->factor;
    double s = (turns - rope->low_freq_factor) / (rope->high_freq_factor - rope->low_freq_factor);
    return f * s + f / rope->factor * (1 - s);
}

bool rope_frequencies(const struct rope_config *rope, uint32_t head_dim, const float *divisor,
                      double *frequency, struct diag *d) {
    if (!(rope->theta >= 1 && rope->theta <= 1e12))
        return diag_fail(d, "RoPE theta is %g where 1 to 1e12 is expected", rope->theta);
    if (rope->scaling != ROPE_NONE && !(rope->factor >= 1 && rope->factor <= 1e6))
        return diag_fail(d, "RoPE scaling factor is %g where 1 to 1e6 is expected", rope->factor);
    if (rope->scaling == ROPE_LLAMA3 &&
        !(rope->low_freq_factor > 0 && rope->high_freq_factor > rope->low_freq_factor))
        return diag_fail(d,
                         "RoPE scaling has low_freq_factor %g and high_freq_factor %g where 0 < "
                         "low < high is expected",
                         rope->low_freq_factor, rope->high_freq_factor);
    double log_theta = exact_log(rope->theta);
    for (uint32_t i = 0; i < head_dim / 2; i++) {
        double f = exact_exp(-(2.0 * i / head_dim) * log_theta);
        switch (rope->scaling) {
        case ROPE_NONE:
            break;
        case ROPE_LINEAR:
            f /= rope->factor;
            break;
        case ROPE_LLAMA3:
            f = llama3(rope, f);
            break;
        case ROPE_DIVISORS:
            f = f / (double)divisor[i] / rope->factor;
            if (!(divisor[i] > 0 && f <= 4))
                return diag_fail(d,
                                 "RoPE divisor %u is %g where a number above 0 that gives at most "
                                 "4 radians per position is expected",
                                 i, (double)divisor[i]);
            break;
        }
        frequency[i] = f;
    }
    return true;
}

static float snapped(double x) { return fabs(x) < 0x1p-50 ? 0.0f : (float)x; }

void rope_position(const double *frequency, uint32_t head_dim, uint32_t position, float *out) {
    uint32_t half = head_dim / 2;
    for (uint32_t i = 0; i < half; i++) {
        double sine, cosine;
        exact_sincos(frequency[i] * position, &sine, &cosine);
        out[i] = snapped(cosine), out[half + i] = snapped(sine);
    }
}
