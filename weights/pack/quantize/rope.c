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

/* The frequency, counted from 0 and not whole, that turns `turns` times in the original
 * positions. */
static double turning(const struct rope_config *rope, double turns, double log_theta) {
    return rope->rotary * exact_log(rope->original_positions / (TURN * turns)) / (2 * log_theta);
}

struct ramp {
    double low, high;
};

static struct ramp ramp_of(const struct rope_config *rope, double log_theta) {
    struct ramp ramp = {turning(rope, rope->beta_fast, log_theta),
                        turning(rope, rope->beta_slow, log_theta)};
    if (!rope->exact_range) ramp.low = floor(ramp.low), ramp.high = ceil(ramp.high);
    if (ramp.low < 0) ramp.low = 0;
    if (ramp.high > rope->rotary - 1.0) ramp.high = rope->rotary - 1.0;
    if (ramp.low == ramp.high) ramp.high += 0.001;
    return ramp;
}

static double yarn(const struct rope_config *rope, struct ramp ramp, uint32_t i, double f) {
    double s = (i - ramp.low) / (ramp.high - ramp.low);
    s = s < 0 ? 0 : s > 1 ? 1 : s;
    return f * (1 - s) + f / rope->factor * s;
}

static double mscale(double factor, double m) {
    return factor <= 1 ? 1 : 0.1 * m * exact_log(factor) + 1;
}

double rope_attention(const struct rope_config *rope) {
    if (rope->attention_factor != 0) return rope->attention_factor;
    if (rope->scaling == ROPE_YARN && rope->mscale != 0 && rope->mscale_all != 0)
        return mscale(rope->factor, rope->mscale) / mscale(rope->factor, rope->mscale_all);
    if (rope->scaling == ROPE_YARN) return mscale(rope->factor, 1);
    if (rope->scaling == ROPE_LONG && rope->factor > 1 && rope->original_positions > 1)
        return sqrt(1 + exact_log(rope->factor) / exact_log(rope->original_positions));
    return 1;
}

/* ln of theta for that many positions. */
static double log_theta_of(const struct rope_config *rope, uint32_t positions) {
    double log_theta = exact_log(rope->theta), d = rope->rotary;
    if (rope->scaling != ROPE_DYNAMIC || positions <= rope->original_positions || d <= 2)
        return log_theta;
    double stretched = rope->factor * positions / rope->original_positions - (rope->factor - 1);
    return log_theta + exact_log(stretched) * (d / (d - 2));
}

static bool check(const struct rope_config *rope, struct diag *d) {
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
    if (rope->scaling == ROPE_YARN && !(rope->beta_slow > 0 && rope->beta_fast >= rope->beta_slow &&
                                        rope->original_positions > 0 && rope->theta > 1))
        return diag_fail(d,
                         "RoPE scaling has beta_fast %g and beta_slow %g where 0 < slow <= fast is "
                         "expected",
                         rope->beta_fast, rope->beta_slow);
    return rope->rotary >= 2 && rope->rotary % 2 == 0 && rope->rotary <= BLOB_HEAD_DIM_MAX
               ? true
               : diag_fail(d,
                           "RoPE on %u elements of a head where an even number up to %d is "
                           "expected",
                           rope->rotary, BLOB_HEAD_DIM_MAX);
}

bool rope_table_make(const struct rope_config *rope, uint32_t positions, const float *divisor,
                     struct rope_table *table, struct diag *d) {
    if (!check(rope, d)) return false;
    double log_theta = log_theta_of(rope, positions);
    struct ramp ramp = {0, 1};
    if (rope->scaling == ROPE_YARN) ramp = ramp_of(rope, log_theta);
    table->pairs = rope->rotary / 2;
    for (uint32_t i = 0; i < table->pairs; i++) {
        double f = exact_exp(-(2.0 * i / rope->rotary) * log_theta);
        switch (rope->scaling) {
        case ROPE_NONE:
        case ROPE_DYNAMIC:
            break;
        case ROPE_LINEAR:
            f /= rope->factor;
            break;
        case ROPE_LLAMA3:
            f = llama3(rope, f);
            break;
        case ROPE_YARN:
            f = yarn(rope, ramp, i, f);
            break;
        case ROPE_LONG:
        case ROPE_DIVISORS:
            f = f / (double)divisor[i];
            if (rope->scaling == ROPE_DIVISORS) f /= rope->factor;
            if (!(divisor[i] > 0 && f <= 4))
                return diag_fail(d,
                                 "RoPE divisor %u is %g where a number above 0 that gives at most "
                                 "4 radians per position is expected",
                                 i, (double)divisor[i]);
            break;
        }
        table->frequency[i] = f;
    }
    return true;
}

static float snapped(double x) { return fabs(x) < 0x1p-50 ? 0.0f : (float)x; }

void rope_position(const struct rope_table *table, uint32_t head_dim, uint32_t position,
                   float *out) {
    uint32_t half = head_dim / 2;
    for (uint32_t i = 0; i < half; i++) {
        double sine = 0, cosine = 1;
        if (i < table->pairs) exact_sincos(table->frequency[i] * position, &sine, &cosine);
        out[i] = snapped(cosine), out[half + i] = snapped(sine);
    }
}
