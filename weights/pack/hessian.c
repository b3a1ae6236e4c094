#include "weights/pack/hessian.h"

#include <math.h>

#include "weights/pack/matmul.h"
#include "weights/pack/parallel.h"

enum { BLOCK = 64, STRETCH = 512 };
static const float DAMPING = 0.04f;

void hessian_add(unsigned threads, const float *x, size_t tokens, uint32_t n, float *h, float *room) {
    matmul_threads(threads, MATMUL_LOWER, n, n, tokens, (struct matrix){x, 1, n}, (struct matrix){x, n, 1}, h, n, false, room);
}

/* Rows first .. end - 1 of the factor, once everything after them has been taken off: row j holds column j of R. */
struct strip {
    float *h;
    size_t n;
    uint32_t first, end;
};

/* Columns of the strip before its square: each row is what it is less its share of the rows after it. */
static void strip_columns(void *user, size_t item, unsigned worker) {
    (void)worker;
    const struct strip *s = user;
    size_t from = item * STRETCH, to = from + STRETCH < s->first ? from + STRETCH : s->first;
    for (uint32_t j = s->end; j-- > s->first;) {
        float *row = s->h + j * s->n, inverse = 1 / row[j];
        for (uint32_t k = j + 1; k < s->end; k++) {
            const float *after = s->h + k * s->n, factor = after[j];
            for (size_t i = from; i < to; i++) row[i] -= factor * after[i];
        }
        for (size_t i = from; i < to; i++) row[i] *= inverse;
    }
}

/* The square on the diagonal. */
static bool strip_square(const struct strip *s) {
    for (uint32_t j = s->end; j-- > s->first;) {
        float *row = s->h + j * s->n;
        for (uint32_t k = j + 1; k < s->end; k++) {
            const float *after = s->h + k * s->n, factor = after[j];
            for (uint32_t i = s->first; i <= j; i++) row[i] -= factor * after[i];
        }
        if (!(row[j] > 0 && row[j] < INFINITY)) return false;
        float pivot = sqrtf(row[j]);
        row[j] = pivot;
        for (uint32_t i = s->first; i < j; i++) row[i] /= pivot;
    }
    return true;
}

/* From the last column of R to the first. */
static bool decompose(unsigned threads, float *h, uint32_t n, float *room) {
    for (uint32_t end = n; end > 0;) {
        uint32_t first = end > BLOCK ? end - BLOCK : 0;
        struct strip s = {h, n, first, end};
        if (!strip_square(&s)) return false;
        parallel_for(threads, (first + STRETCH - 1) / STRETCH, strip_columns, &s);
        const float *strip = h + (size_t)first * n;
        matmul_threads(threads, MATMUL_LOWER, first, first, end - first, (struct matrix){strip, 1, n}, (struct matrix){strip, n, 1}, h, n,
                       true, room);
        end = first;
    }
    return true;
}

static float mean_of_diagonal(const float *h, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)h[(size_t)i * n + i];
    return (float)(sum / n);
}

bool hessian_factor(unsigned threads, float *h, uint32_t n, float *weight, struct hessian_factor *factor, float *room) {
    float damping = DAMPING * mean_of_diagonal(h, n);
    if (!(damping > 0 && damping < INFINITY)) return false;
    for (uint32_t i = 0; i < n; i++) h[(size_t)i * n + i] += damping;
    if (!decompose(threads, h, n, room)) return false;
    for (uint32_t j = 0; j < n; j++) {
        float *row = h + (size_t)j * n, inverse = 1 / row[j];
        weight[j] = row[j] * row[j];
        for (uint32_t i = 0; i < j; i++) row[i] *= inverse;
    }
    *factor = (struct hessian_factor){n, h, weight};
    return true;
}
