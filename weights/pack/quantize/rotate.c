#include "weights/pack/quantize/rotate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack/quantize/exact.h"

bool rotation_negative(uint64_t i) {
    uint64_t h = (i + 1) * 0x9E3779B97F4A7C15u;
    h = (h ^ h >> 29) * 0xBF58476D1CE4E5B9u;
    return h >> 63;
}

bool rotation_init(struct rotation *rotation, uint32_t n, bool signs, bool transposed) {
    memset(rotation, 0, sizeof *rotation);
    uint32_t p = n & -n, m = n / p;
    rotation->n = n, rotation->p = p, rotation->m = m, rotation->signs = signs;
    rotation->scale = (float)(1 / sqrt((double)p));
    if (m == 1) return true;
    rotation->table = malloc((size_t)m * m * sizeof(float));
    if (!rotation->table) return false;
    for (uint32_t i = 0; i < m; i++) {
        for (uint32_t k = 0; k < m; k++) {
            /* the angle is reduced modulo a full turn in integers, so that it stays small and
             * exact */
            uint64_t quarter_turns = (uint64_t)(2 * k + 1) * i % (4 * (uint64_t)m);
            double sine, cosine;
            exact_sincos(3.141592653589793 * (double)quarter_turns / (2.0 * m), &sine, &cosine);
            float value = (float)(sqrt((i ? 2.0 : 1.0) / m) * cosine);
            rotation->table[transposed ? (size_t)k * m + i : (size_t)i * m + k] = value;
        }
    }
    return true;
}

void rotation_free(struct rotation *rotation) {
    free(rotation->table);
    memset(rotation, 0, sizeof *rotation);
}

/* (a, b) becomes (a + b, a - b) over `count` floats. */
static void butterfly(float *restrict a, float *restrict b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float sum = a[i] + b[i], difference = a[i] - b[i];
        a[i] = sum, b[i] = difference;
    }
}

static void hadamard(const struct rotation *rotation, float *x) {
    size_t block = (size_t)rotation->m * STRIP;
    for (size_t length = 1; length < rotation->p; length *= 2)
        for (size_t at = 0; at < rotation->p; at += 2 * length)
            butterfly(x + at * block, x + (at + length) * block, length * block);
}

/* Multiplies one run of m elements by the table. Sums are in double. */
static void cosine_block(const float *table, uint32_t m, float *x, float *scratch) {
    for (uint32_t k = 0; k < m; k++) {
        double sum[STRIP] = {0};
        for (uint32_t i = 0; i < m; i++)
            for (int j = 0; j < STRIP; j++)
                sum[j] += (double)table[(size_t)i * m + k] * (double)x[i * STRIP + j];
        for (int j = 0; j < STRIP; j++) scratch[k * STRIP + j] = (float)sum[j];
    }
    memcpy(x, scratch, (size_t)m * STRIP * sizeof(float));
}

void rotation_apply(const struct rotation *rotation, float *x, float *scratch) {
    for (uint32_t i = 0; i < rotation->n; i++) {
        float factor = rotation->signs && rotation_negative(i) ? -rotation->scale : rotation->scale;
        for (int j = 0; j < STRIP; j++) x[(size_t)i * STRIP + j] *= factor;
    }
    hadamard(rotation, x);
    if (rotation->m == 1) return;
    for (uint32_t a = 0; a < rotation->p; a++)
        cosine_block(rotation->table, rotation->m, x + (size_t)a * rotation->m * STRIP, scratch);
}
