#include "weights/pack/quantize/quantize.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "weights/pack/quantize/sparsity.h"

/* Sums run in LANES lanes, so that every build adds in the same order. */
enum { LANES = 16 };
static const float LEAST = 0x1p-50f; /* the smallest scale that a blob may hold */
/* How many scales are tried beside the first one. No measurement of them is on record. */
static const int ROW_STEPS = 12, GROUP_STEPS = 8;

static float lanes_sum(const float lane[LANES]) {
    float half[LANES];
    memcpy(half, lane, sizeof half);
    for (int n = LANES / 2; n >= 1; n /= 2)
        for (int i = 0; i < n; i++) half[i] += half[i + n];
    return half[0];
}

static float largest(const float *w, uint32_t n) {
    float lane[LANES] = {0}, max = 0;
    for (uint32_t i = 0; i < n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lane[j] = fabsf(w[i + (uint32_t)j]) > lane[j] ? fabsf(w[i + (uint32_t)j]) : lane[j];
    for (int j = 0; j < LANES; j++) max = lane[j] > max ? lane[j] : max;
    return max;
}

/* The sums of w q and of q q, for q the level nearest w * inverse. */
struct fit {
    float wq, qq;
};
static struct fit fit_of(const float *w, uint32_t n, float inverse, struct levels to) {
    float wq[LANES] = {0}, qq[LANES] = {0};
    for (uint32_t i = 0; i < n; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            float x = w[i + (uint32_t)j], q = nearest_level(x * inverse, to);
            wq[j] += x * q, qq[j] += q * q;
        }
    }
    return (struct fit){lanes_sum(wq), lanes_sum(qq)};
}

static void take(const float *w, uint32_t n, float inverse, struct levels to, int8_t *q) {
    for (uint32_t i = 0; i < n; i++) q[i] = (int8_t)nearest_level(w[i] * inverse, to);
}

/* The sum of (w - scale q)^2 for q the level nearest w * inverse. */
static float error_of(const float *w, uint32_t n, float scale, float inverse, struct levels to) {
    float lane[LANES] = {0};
    for (uint32_t i = 0; i < n; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            float x = w[i + (uint32_t)j], e = x - scale * nearest_level(x * inverse, to);
            lane[j] += e * e;
        }
    }
    return lanes_sum(lane);
}

static void zero_row(uint32_t padded, struct quantized_row *out) {
    memset(out->q, 0, padded);
    memset(out->scale, 0, padded / GROUP);
    out->row_scale = 0;
}

/* Sets the row scale that fits the chosen integers best. If a blob cannot hold it, the row becomes
 * zero. */
static void refit(const float *w, uint32_t padded, struct quantized_row *out) {
    double wv = 0, vv = 0;
    for (uint32_t g = 0; g < padded / GROUP; g++) {
        double wq = 0, qq = 0;
        for (uint32_t i = g * GROUP; i < (g + 1) * GROUP; i++) {
            wq += (double)w[i] * out->q[i];
            qq += (double)(out->q[i] * out->q[i]);
        }
        wv += out->scale[g] * wq;
        vv += out->scale[g] * out->scale[g] * qq;
    }
    float scale = vv > 0 ? (float)(wv / vv) : 0;
    if (scale >= LEAST)
        out->row_scale = scale;
    else
        zero_row(padded, out);
}

/* Rounds with one scale for the row. */
static void round_row(const float *w, uint32_t cols, struct levels to, struct quantized_row *out) {
    uint32_t padded = padded_cols(cols);
    float max = largest(w, padded), best_gain = -1, best = 0;
    if (max < LEAST * to.high) {
        zero_row(padded, out);
        return;
    }
    /* Of all steps the one with the least squared error counts: with its best scale a set of
     * integers leaves ww - wq^2 / qq. */
    for (int step = 0; step <= ROW_STEPS; step++) {
        float inverse = to.high / (max * (1 - (float)step / 64));
        struct fit fit = fit_of(w, padded, inverse, to);
        float gain = fit.wq / fit.qq * fit.wq;
        if (gain > best_gain) best_gain = gain, best = inverse;
    }
    take(w, padded, best, to, out->q);
    memset(out->scale, 1, padded / GROUP);
    refit(w, padded, out);
}

/* The signed scale that leaves the least error in one group. The sign matters because the lowest
 * level has no positive counterpart. */
static float group_scale(const float *w, float max, struct levels to) {
    float best_gain = -1, best = 0;
    for (int sign = -1; sign <= 1; sign += 2) {
        for (int step = 0; step <= GROUP_STEPS; step++) {
            float inverse = (float)sign * (to.high - 1.5f + 0.5f * (float)step) / max;
            struct fit fit = fit_of(w, GROUP, inverse, to);
            if (fit.qq == 0) continue;
            float gain = fit.wq / fit.qq * fit.wq;
            if (gain > best_gain) best_gain = gain, best = fit.wq / fit.qq;
        }
    }
    return best;
}

/* The integer scale that leaves the least error, of those near `ideal` and that of plain
 * rounding. */
static int8_t integer_scale(const float *w, float ideal, float max, float row_scale,
                            struct levels to) {
    float near = level(ideal / row_scale, -127, 127),
          plain = level(max / (to.high * row_scale), -127, 127), least = 0;
    const float tries[4] = {near, near - 1, near + 1, plain};
    int8_t best = 0;
    for (int i = -1; i < 4; i++) {
        float scale = i < 0 ? 0 : tries[i];
        if (scale > 127 || scale < -127) continue;
        float value = scale * row_scale,
              error = error_of(w, GROUP, value, scale == 0 ? 0 : 1 / value, to);
        if (i < 0 || error < least) least = error, best = (int8_t)scale;
    }
    return best;
}

/* Rounds a row with group scales up to `span`. */
static void round_groups_within(const float *w, uint32_t padded, float max, float span,
                                struct levels to, struct quantized_row *out) {
    float ideal[BLOB_DIM_MAX / GROUP], most = 0;
    uint32_t groups = padded / GROUP;
    for (uint32_t g = 0; g < groups; g++) {
        float group_max = largest(w + g * GROUP, GROUP);
        /* a group so far below the others has a scale that rounds to 0 */
        ideal[g] = group_max < max * 0x1p-20f ? 0 : group_scale(w + g * GROUP, group_max, to);
        most = fabsf(ideal[g]) > most ? fabsf(ideal[g]) : most;
    }
    float row_scale = most / span;
    if (row_scale < LEAST) {
        zero_row(padded, out);
        return;
    }
    for (uint32_t g = 0; g < groups; g++) {
        const float *x = w + g * GROUP;
        int8_t scale =
            ideal[g] == 0 ? 0 : integer_scale(x, ideal[g], largest(x, GROUP), row_scale, to);
        out->scale[g] = scale;
        take(x, GROUP, scale ? 1 / ((float)scale * row_scale) : 0, to, out->q + g * GROUP);
    }
    refit(w, padded, out);
}

/* Rounds with a scale for the row and an integer scale for each group. */
static void round_groups(const float *w, uint32_t cols, struct levels to,
                         struct quantized_row *out) {
    uint32_t padded = padded_cols(cols);
    assert(padded <= BLOB_DIM_MAX);
    float max = largest(w, padded);
    if (max < LEAST * 127) {
        zero_row(padded, out);
        return;
    }
    /* Wide rows (from 16 384 columns on at 4 bits, from 4096 at 6) could exceed the 32-bit sums.
     * Their scales get a coarser grid until they fit. */
    for (int span = 127; span >= 7; span /= 2) {
        round_groups_within(w, padded, max, (float)span, to, out);
        if (quantized_reach(out, cols) < (uint64_t)1 << 31) return;
    }
}

static void rounded_rows(const struct quantizer *quantizer, const float *w, uint32_t rows,
                         uint32_t cols, float *room, struct quantized_row *out) {
    const struct levels to = levels_of(quantizer->type);
    const struct weight_traits *traits = weight_traits(quantizer->type);
    const uint32_t padded = padded_cols(cols);
    for (uint32_t r = 0; r < rows; r++, w += padded) {
        if (traits->sparse) sparsity_prune(memcpy(room, w, padded * sizeof *w), padded);
        (traits->scale_bits ? round_groups : round_row)(traits->sparse ? room : w, cols, to,
                                                        &out[r]);
    }
}

struct quantizer quantizer_rounding(enum weight_type type) {
    return (struct quantizer){.type = type,
                              .rows = rounded_rows,
                              .room_floats = weight_traits(type)->sparse ? BLOB_DIM_MAX : 0};
}

uint64_t quantized_reach(const struct quantized_row *row, uint32_t cols) {
    uint64_t sum = 0;
    for (uint32_t g = 0; g < padded_cols(cols) / GROUP; g++) {
        uint32_t part = 0;
        for (uint32_t i = g * GROUP; i < (g + 1) * GROUP; i++)
            part += (uint32_t)(row->q[i] < 0 ? -row->q[i] : row->q[i]);
        sum += (uint64_t)part * (uint32_t)(row->scale[g] < 0 ? -row->scale[g] : row->scale[g]);
    }
    return 127 * sum;
}
