#include "weights/pack/quantize/hessian.h"

#include <math.h>

#include "weights/format.h"
#include "weights/pack/quantize/matmul.h"
#include "weights/pack/quantize/parallel.h"

enum { BLOCK = 64, STRETCH = 512 };

void hessian_add(unsigned threads, const float *x, size_t tokens, uint32_t n, float *h,
                 float *room) {
    matmul_threads(threads, MATMUL_LOWER, n, n, tokens, (struct matrix){x, 1, n},
                   (struct matrix){x, n, 1}, h, n, false, room);
}

/* Rows first .. end - 1 of the factor, after the part of all later rows has been subtracted. Row j
 * holds column j of R. */
struct strip {
    float *h;
    size_t n;
    uint32_t first, end;
};

/* Computes the columns of the strip before its square: from each row its part of the rows after it
 * is subtracted. */
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

/* Computes the strip's square on the diagonal. False if it is not positive definite. */
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

/* Decomposes from the last column of R to the first. */
static bool decompose(unsigned threads, float *h, uint32_t n, float *room) {
    for (uint32_t end = n; end > 0;) {
        uint32_t first = end > BLOCK ? end - BLOCK : 0;
        struct strip s = {h, n, first, end};
        if (!strip_square(&s)) return false;
        parallel_for(threads, (first + STRETCH - 1) / STRETCH, strip_columns, &s);
        const float *strip = h + (size_t)first * n;
        matmul_threads(threads, MATMUL_LOWER, first, first, end - first,
                       (struct matrix){strip, 1, n}, (struct matrix){strip, n, 1}, h, n, true,
                       room);
        end = first;
    }
    return true;
}

static float mean_of_diagonal(const float *h, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)h[(size_t)i * n + i];
    return (float)(sum / n);
}

/* Sorts whole groups by the sum of their columns' sizes, or columns inside a group by their sizes:
 * large ones first, equal ones in the order in which they were. Insertion sort takes little time
 * compared with the rest. */
static void sort_down(uint32_t *list, uint32_t count, const float *key) {
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t j = i; j > 0 && key[list[j - 1]] < key[list[j]]; j--) {
            uint32_t other = list[j];
            list[j] = list[j - 1], list[j - 1] = other;
        }
}

_Static_assert(2 * BLOB_DIM_MAX <= MATMUL_ROOM, "room for the sizes of columns and groups");

static void choose_order(const float *h, uint32_t n, uint32_t *order, float *room) {
    float *size = room, *sum = room + n;
    uint32_t groups = (n + GROUP - 1) / GROUP, *first = order; /* the beginning of order holds the
                                                                  groups until they are spread out,
                                                                  from the last to the first */
    for (uint32_t g = 0; g < groups; g++) sum[g] = 0, first[g] = g;
    for (uint32_t i = 0; i < n; i++) size[i] = h[(size_t)i * n + i], sum[i / GROUP] += size[i];
    if (n % GROUP == 0) sort_down(first, groups, sum);
    for (uint32_t g = groups; g-- > 0;) {
        uint32_t from = first[g] * GROUP, count = n - from < GROUP ? n - from : GROUP,
                 *to = order + (size_t)g * GROUP;
        for (uint32_t c = 0; c < count; c++) to[c] = from + c;
        sort_down(to, count, size);
    }
}

static void swap(float *a, float *b) {
    float other = *a;
    *a = *b, *b = other;
}

/* Rows and columns a < b of a lower triangle change places. */
static void exchange(float *h, size_t n, size_t a, size_t b) {
    for (size_t i = 0; i < a; i++) swap(h + a * n + i, h + b * n + i);
    for (size_t i = a + 1; i < b; i++) swap(h + i * n + a, h + b * n + i);
    for (size_t i = b + 1; i < n; i++) swap(h + i * n + a, h + i * n + b);
    swap(h + a * n + a, h + b * n + b);
}

/* Column order[i] of the lower triangle becomes column i. If order[i] < i, that column has been
 * moved already, to where the exchange at order[i] sent it, which is found in order again. */
static void permute(float *h, uint32_t n, const uint32_t *order) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = order[i];
        while (at < i) at = order[at];
        if (at != i) exchange(h, n, i, at);
    }
}

bool hessian_factor(unsigned threads, float *h, uint32_t n, float damping,
                    const struct hessian_room *room, struct hessian_factor *factor,
                    float *scratch) {
    float add = damping * mean_of_diagonal(h, n);
    if (!(add > 0 && add < INFINITY)) return false;
    choose_order(h, n, room->order, scratch);
    permute(h, n, room->order);
    for (uint32_t i = 0; i < n; i++) h[(size_t)i * n + i] += add;
    if (!decompose(threads, h, n, scratch)) return false;
    for (uint32_t j = 0; j < n; j++) {
        float *row = h + (size_t)j * n, inverse = 1 / row[j];
        room->weight[j] = row[j] * row[j];
        for (uint32_t i = 0; i < j; i++) row[i] *= inverse;
    }
    *factor = (struct hessian_factor){n, h, room->weight, room->order};
    return true;
}
