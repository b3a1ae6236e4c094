/* The bodies of the kernels. A file that includes this defines before: `lanes`, a vector of LANES
 * floats; load(from), spread(x), fused(a, b, c) = a b + c and fused_negative(a, b, c) = c - a b,
 * each rounded once; the size of a tile, TILE_ROWS rows and TILE_VECTORS vectors of columns; and
 * KERNELS, the table's name. */
#include <string.h>

#include "weights/pack/quantize/float_kernels.h"

enum { TILE_COLUMNS = LANES * TILE_VECTORS };

static void add(size_t depth, const float *a, const float *b, float *c, size_t c_row) {
    lanes sum[TILE_ROWS][TILE_VECTORS];
    for (size_t i = 0; i < TILE_ROWS; i++)
        for (size_t v = 0; v < TILE_VECTORS; v++) sum[i][v] = load(c + i * c_row + v * LANES);
    for (size_t k = 0; k < depth; k++, a += TILE_ROWS, b += TILE_COLUMNS)
        for (size_t i = 0; i < TILE_ROWS; i++)
            for (size_t v = 0; v < TILE_VECTORS; v++)
                sum[i][v] = fused(spread(a[i]), load(b + v * LANES), sum[i][v]);
    for (size_t i = 0; i < TILE_ROWS; i++) memcpy(c + i * c_row, sum[i], sizeof sum[i]);
}

static void subtract(size_t depth, const float *a, const float *b, float *c, size_t c_row) {
    lanes sum[TILE_ROWS][TILE_VECTORS];
    for (size_t i = 0; i < TILE_ROWS; i++)
        for (size_t v = 0; v < TILE_VECTORS; v++) sum[i][v] = load(c + i * c_row + v * LANES);
    for (size_t k = 0; k < depth; k++, a += TILE_ROWS, b += TILE_COLUMNS)
        for (size_t i = 0; i < TILE_ROWS; i++)
            for (size_t v = 0; v < TILE_VECTORS; v++)
                sum[i][v] = fused_negative(spread(a[i]), load(b + v * LANES), sum[i][v]);
    for (size_t i = 0; i < TILE_ROWS; i++) memcpy(c + i * c_row, sum[i], sizeof sum[i]);
}

/* Called with constant `to.table` and `sparse`, so that no loop asks. */
static inline __attribute__((always_inline)) void
round_columns(const struct trial *t, struct trial_result *result, struct levels to, int sparse) {
    float inverse[TRIAL_ROWS], target[TRIAL_ROWS], cost[TRIAL_ROWS] = {0};
    for (int j = 0; j < TRIAL_ROWS; j++) inverse[j] = t->scale[j] != 0 ? 1 / t->scale[j] : 0;
    for (size_t c = 0; c < GROUP; c++) {
        const float *unit = t->unit + c * t->n, *w = t->weights + c * TRIAL_ROWS;
        float *error = result->error[c], *q = result->q[c];
        lanes sum[TRIAL_ROWS / LANES];
        for (size_t v = 0; v < TRIAL_ROWS / LANES; v++)
            sum[v] = load(t->targets + c * TRIAL_ROWS + v * LANES);
        for (size_t i = 0; i < c; i++)
            for (size_t v = 0; v < TRIAL_ROWS / LANES; v++)
                sum[v] = fused(spread(unit[i]), load(result->error[i] + v * LANES), sum[v]);
        memcpy(target, sum, sizeof target);
        for (int j = 0; j < TRIAL_ROWS; j++) {
            float integer = nearest_level(target[j] * inverse[j], to);
            if (sparse) integer *= t->keep[c * TRIAL_ROWS + (size_t)j];
            float value = t->scale[j] * integer, rest = target[j] - value;
            q[j] = integer;
            error[j] = w[j] - value;
            cost[j] += t->weight[c] * (rest * rest);
        }
    }
    memcpy(result->cost, cost, sizeof cost);
}

static inline struct levels uniform(const struct trial *t) {
    return (struct levels){t->to.low, t->to.high, false};
}

static void round_group(const struct trial *t, struct trial_result *result) {
    if (t->keep)
        round_columns(t, result, uniform(t), 1);
    else if (t->to.table)
        round_columns(t, result, (struct levels){.table = true}, 0);
    else
        round_columns(t, result, uniform(t), 0);
}

static inline __attribute__((always_inline)) void
round_each(const struct trial *t, float cost[TRIAL_ROWS], struct levels to, int sparse) {
    float inverse[TRIAL_ROWS];
    for (int j = 0; j < TRIAL_ROWS; j++)
        inverse[j] = t->scale[j] != 0 ? 1 / t->scale[j] : 0, cost[j] = 0;
    for (size_t c = 0; c < GROUP; c++) {
        const float *target = t->targets + c * TRIAL_ROWS;
        for (int j = 0; j < TRIAL_ROWS; j++) {
            float integer = nearest_level(target[j] * inverse[j], to);
            if (sparse) integer *= t->keep[c * TRIAL_ROWS + (size_t)j];
            float rest = target[j] - t->scale[j] * integer;
            cost[j] += t->weight[c] * (rest * rest);
        }
    }
}

static void round_apart(const struct trial *t, float cost[TRIAL_ROWS]) {
    if (t->keep)
        round_each(t, cost, uniform(t), 1);
    else if (t->to.table)
        round_each(t, cost, (struct levels){.table = true}, 0);
    else
        round_each(t, cost, uniform(t), 0);
}

const struct kernels KERNELS = {TILE_ROWS, TILE_COLUMNS, add, subtract, round_group, round_apart};
