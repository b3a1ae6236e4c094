#include "cpu/mixture.h"

#include <assert.h>

#include "hal/scalar.h"

/* x >= 0, ties to even. From 2^23 on every float is an integer. */
static uint32_t round_positive(float x) {
    if (x >= 8388608.0f) return (uint32_t)x;
    const float t = x + 8388608.0f;
    return (uint32_t)(t - 8388608.0f);
}

/* E of docs/numerics.md 5: how much an expert weighs against the likeliest one, as an integer. */
static uint32_t weigh(float logit, float most) {
    float t = logit - most;
    t = t * 0x1.715476p+0f;
    return t < -30.0f ? 0 : round_positive(num_exp2(t) * 16777216.0f);
}

/* Whether expert a comes before b: by its logit, and by its number where they are equal. */
static int before(const float *logits, uint32_t a, uint32_t b) {
    return logits[a] == logits[b] ? a < b : logits[a] > logits[b];
}

/* Fills best [active] with the experts that come first, in that order. */
static void rank(const float *logits, uint32_t experts, uint32_t active, uint32_t *best) {
    uint32_t found = 0;
    for (uint32_t e = 0; e < experts; e++) {
        if (found == active && !before(logits, e, best[active - 1])) continue;
        uint32_t at = found < active ? found++ : active - 1;
        for (; at && before(logits, e, best[at - 1]); at--) best[at] = best[at - 1];
        best[at] = e;
    }
}

uint32_t mixture_choose(const float *logits, const struct hal_mixture *shape,
                        struct hal_choice *choice) {
    uint32_t bad = 0, best[BLOB_ACTIVE_MAX] = {0};
    assert(shape->active && shape->active <= shape->experts && shape->active <= BLOB_ACTIVE_MAX &&
           shape->experts <= BLOB_EXPERTS_MAX);
    rank(logits, shape->experts, shape->active, best);
    const float most = logits[best[0]];
    uint64_t sum = 0;
    for (uint32_t e = 0; shape->mixing == MIXING_ALL && e < shape->experts; e++)
        sum += weigh(logits[e], most);
    for (uint32_t i = 0; shape->mixing == MIXING_CHOSEN && i < shape->active; i++)
        sum += weigh(logits[best[i]], most);
    const float part = num_recip((float)sum);
    for (uint32_t i = 0; i < shape->active; i++) {
        uint32_t at = i;
        for (; at && choice[at - 1].expert > best[i]; at--) choice[at] = choice[at - 1];
        choice[at] = (struct hal_choice){
            best[i], num_snap((float)weigh(logits[best[i]], most) * part, &bad)};
    }
    return bad;
}

void mixture_lay_out(struct mixture *m, const struct hal_mixture *shape, const uint8_t *choices,
                     size_t stride, uint32_t columns) {
    uint32_t next[BLOB_EXPERTS_MAX] = {0}, first = 0;
    for (uint32_t c = 0; c < columns; c++) {
        const struct hal_choice *choice = (const void *)(choices + c * stride);
        for (uint32_t i = 0; i < shape->active; i++) next[choice[i].expert]++;
    }
    m->columns = columns;
    m->runs = m->most = 0;
    for (uint32_t e = 0; e < shape->experts; e++) {
        const uint32_t count = next[e];
        next[e] = first;
        if (!count) continue;
        m->run[m->runs++] = (struct mixture_run){e, first, count};
        if (count > m->most) m->most = count;
        first += count;
    }
    for (uint32_t c = 0; c < columns; c++) {
        const struct hal_choice *choice = (const void *)(choices + c * stride);
        for (uint32_t i = 0; i < shape->active; i++)
            m->pair[c * shape->active + i] = next[choice[i].expert]++;
    }
}

/* ---------------------------------------------------------------------------------- products -- */

static uint32_t panels_of(const struct mixture_product *product, uint32_t products) {
    uint32_t panels = 0;
    for (uint32_t i = 0; i < products; i++) panels += product[i].rows / PANEL_ROWS;
    return panels;
}

uint32_t mixture_units(const struct mixture *m, const struct mixture_product *product,
                       uint32_t products) {
    return m->runs * panels_of(product, products);
}

/* The same product as of the run's expert and pairs. */
static struct gemv_args args_of(const struct mixture_product *product,
                                const struct mixture_run *run) {
    struct gemv_args a = product->args;
    const size_t row = (size_t)run->expert * product->rows;
    a.panels += row / PANEL_ROWS * product->panel_bytes;
    a.row_scale += row;
    if (a.bias) a.bias += row;
    a.columns = run->count;
    a.x += run->first * a.x_stride;
    a.y += run->first * a.y_stride;
    return a;
}

uint32_t mixture_multiply(const struct mixture *m, const struct mixture_product *product,
                          uint32_t products, uint32_t begin, uint32_t end) {
    const uint32_t each = panels_of(product, products);
    uint32_t bad = 0;
    assert(end <= m->runs * each);
    while (begin < end) {
        const struct mixture_run *run = &m->run[begin / each];
        uint32_t from = begin % each, to = end - begin < each - from ? from + end - begin : each;
        begin += to - from;
        for (uint32_t i = 0; i < products; i++) {
            const uint32_t panels = product[i].rows / PANEL_ROWS, last = to < panels ? to : panels;
            if (from < last) {
                const struct gemv_args a = args_of(&product[i], run);
                bad |= product[i].gemv(&a, from, last);
            }
            from = from > panels ? from - panels : 0;
            to = to > panels ? to - panels : 0;
        }
    }
    return bad;
}

const uint8_t *mixture_ahead(const struct mixture *m, const struct mixture_product *product,
                             uint32_t products, uint32_t begin, uint32_t end, size_t *bytes) {
    const uint32_t each = panels_of(product, products);
    const struct mixture_run *run = &m->run[begin / each];
    uint32_t from = begin % each, count = end - begin, i = 0;
    assert(begin < end && end <= m->runs * each);
    while (i + 1 < products && from >= product[i].rows / PANEL_ROWS)
        from -= product[i++].rows / PANEL_ROWS;
    if (count > product[i].rows / PANEL_ROWS - from) count = product[i].rows / PANEL_ROWS - from;
    *bytes = count * product[i].panel_bytes;
    return args_of(&product[i], run).panels + from * product[i].panel_bytes;
}
