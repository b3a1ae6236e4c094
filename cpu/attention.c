#include "cpu/backend_inside.h"

/* A row of the table as it would be without rotation. */
static const float *no_rotation(uint32_t head_dim, float *cos_sin) {
    for (uint32_t i = 0; i < head_dim; i++) cos_sin[i] = i < head_dim / 2 ? 1 : 0;
    return cos_sin;
}

/* The norm of q's heads (which = 0) or of k's (1): gains, NULL for none, and with HAL_WHOLE the
 * factor of all `heads` of them, before any of them is changed. */
struct heads_norm {
    const float *gain;
    float r;
};
static struct heads_norm norm_of(const struct cpu_program *p, const struct hal_op *op,
                                 uint32_t which, const float *x, uint32_t heads) {
    const uint32_t at = op->gain[which], n = heads * op->shape.head_dim;
    struct heads_norm norm = {at == BLOB_ABSENT ? NULL : p->setup.model->rows + at, 0};
    if (norm.gain && op->flags & HAL_WHOLE) norm.r = p->kernels.rms(x, n, 1.0f / (float)n, op->eps);
    return norm;
}

/* Head h of q or k. */
static uint32_t mixed_head(const struct cpu_program *p, const struct hal_op *op,
                           struct heads_norm norm, float *x, uint32_t h, const float *cos_sin,
                           int8_t *out, float *scale) {
    const uint32_t hd = op->shape.head_dim;
    x += h * hd;
    if (norm.gain && op->flags & HAL_WHOLE)
        norm.gain += h * hd;
    else if (norm.gain)
        norm.r = p->kernels.rms(x, hd, 1.0f / (float)hd, op->eps);
    return p->kernels.head(x, norm.gain, norm.r, cos_sin, hd, out, scale);
}

uint32_t heads_unit(const struct cpu_program *p, const struct hal_op *op, uint32_t column) {
    const struct hal_column *col = &p->pass->column[op->view][column];
    const uint32_t hd = op->shape.head_dim;
    _Alignas(64) float unrotated[BLOB_HEAD_DIM_MAX];
    const float *cos_sin =
        op->rotation == ROTATION_NONE
            ? no_rotation(hd, unrotated)
            : hal_rope(p->setup.model, op->rotation == ROTATION_SECOND, col->position);
    uint8_t *qi = slot_column(p, op->out[0], column);
    float *scales = (float *)(void *)(qi + op->shape.heads * hal_qi_stride(hd));
    float *q = float_column(p, op->in[0], column), *k = float_column(p, op->in[1], column),
          *v = float_column(p, op->in[2], column);
    uint32_t bad = 0;
    const struct heads_norm of_q = norm_of(p, op, 0, q, op->shape.heads),
                            of_k = norm_of(p, op, 1, k, op->shape.kv_heads);
    for (uint32_t h = 0; h < op->shape.heads; h++) {
        int8_t *out = (int8_t *)qi + h * hal_qi_stride(hd);
        bad |= mixed_head(p, op, of_q, q, h, cos_sin, out, &scales[h]);
    }
    const struct kv_cache cache = hal_cache(&p->setup, op->layer);
    for (uint32_t h = 0; h < op->shape.kv_heads; h++) {
        _Alignas(64) int8_t row[BLOB_HEAD_DIM_MAX];
        float scale;
        bad |= mixed_head(p, op, of_k, k, h, cos_sin, row, &scale);
        kv_store(&cache, h, col->slot, KV_K, row, scale);
        bad |= p->kernels.head(v + h * hd, NULL, 0, NULL, hd, row, &scale);
        kv_store(&cache, h, col->slot, KV_V, row, scale);
    }
    return bad;
}

/* The queries of one kv head in a pass are columns x (heads / kv_heads), column by column. A unit
 * is a run of at most `batch` of them. */
static uint32_t attend_batch(const struct cpu_program *p, const struct hal_heads *shape) {
    uint32_t queries = p->pass->columns * (shape->heads / shape->kv_heads);
    uint32_t wanted =
        p->threads == 1 ? 1 : (2 * p->threads + shape->kv_heads - 1) / shape->kv_heads;
    uint32_t batch = (queries + wanted - 1) / wanted;
    return batch > ATTEND_QUERIES ? ATTEND_QUERIES : batch;
}

uint32_t attend_units(const struct cpu_program *p, const struct hal_heads *shape) {
    uint32_t queries = p->pass->columns * (shape->heads / shape->kv_heads),
             batch = attend_batch(p, shape);
    return shape->kv_heads * ((queries + batch - 1) / batch);
}

/* Whether two columns see so much of the same part of the cache that their queries go into one
 * batch: apart from SLACK slots, at least half of what the wider one sees. A batch computes with
 * every slot that any of its queries sees. SLACK is one block of attention's slots: a difference of
 * that size is not worth a separate batch. Both bounds are chosen, not measured. */
static int alike(const struct hal_pass *pass, const struct hal_column *a,
                 const struct hal_column *b) {
    enum { SLACK = 128 };
    uint32_t of_a = 0, of_b = 0, both = 0;
    for (uint32_t k = 0; k < b->ranges; k++)
        of_b += pass->range[b->range + k].end - pass->range[b->range + k].begin;
    for (uint32_t i = 0; i < a->ranges; i++) {
        const struct kv_range r = pass->range[a->range + i];
        of_a += r.end - r.begin;
        for (uint32_t k = 0; k < b->ranges; k++) {
            const struct kv_range s = pass->range[b->range + k];
            const uint32_t begin = r.begin > s.begin ? r.begin : s.begin,
                           end = r.end < s.end ? r.end : s.end;
            if (begin < end) both += end - begin;
        }
    }
    return 2 * both + SLACK >= (of_a > of_b ? of_a : of_b);
}

uint32_t attend_unit(const struct cpu_program *p, const struct hal_op *op, uint32_t unit,
                     uint32_t thread) {
    uint32_t hd = op->shape.head_dim, group = op->shape.heads / op->shape.kv_heads;
    uint32_t queries = p->pass->columns * group, batch = attend_batch(p, &op->shape),
             per_head = (queries + batch - 1) / batch;
    uint32_t kv_head = unit / per_head, first = unit % per_head * batch;
    const struct kv_cache cache = hal_cache(&p->setup, op->layer);
    struct attend_args a = {.kv = kv_head_of(&cache, kv_head),
                            .slots = cache.slots,
                            .head_dim = hd,
                            .scratch = p->scratch + thread * p->scratch_floats};
    const struct hal_column *leader = NULL;
    const float *sinks = op->sinks == BLOB_ABSENT ? NULL : p->setup.model->rows + op->sinks;
    uint32_t bad = 0, end = queries - first < batch ? queries : first + batch;
    for (uint32_t i = first; i < end; i++) {
        uint32_t column = i / group, head = kv_head * group + i % group;
        const struct hal_column *col = &p->pass->column[op->view][column];
        if (a.queries && leader != col && !alike(p->pass, leader, col)) {
            bad |= p->kernels.attend[cache.type](&a);
            a.queries = 0;
        }
        if (!a.queries) leader = col;
        const uint8_t *qi = slot_column(p, op->in[0], column);
        const float *scales =
            (const float *)(const void *)(qi + op->shape.heads * hal_qi_stride(hd));
        a.query[a.queries++] =
            (struct attend_query){(const int8_t *)qi + head * hal_qi_stride(hd),
                                  scales[head],
                                  p->pass->range + col->range,
                                  col->ranges,
                                  col->tail,
                                  col->mask,
                                  float_column(p, op->out[0], column) + head * hd,
                                  sinks ? sinks + head : NULL};
    }
    return bad | p->kernels.attend[cache.type](&a);
}
