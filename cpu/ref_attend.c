/* Attention in plain C (docs/numerics.md 6): the maximum first, then integers. The order of slots
 * never matters. */
#include "cpu/variants.h"
#include "hal/scalar.h"

#define NO_SLOT UINT32_MAX

/* The first slot from `slot` on that the query sees, or NO_SLOT. */
static uint32_t seen_from(const struct attend_query *query, uint32_t slot) {
    uint32_t found = NO_SLOT;
    for (uint32_t i = 0; i < query->ranges && found == NO_SLOT; i++)
        if (slot < query->range[i].end)
            found = slot < query->range[i].begin ? query->range[i].begin : slot;
    for (uint32_t i = 0; query->mask >> i; i++)
        if (query->mask >> i & 1 && query->tail + i >= slot && query->tail + i < found)
            found = query->tail + i;
    return found;
}

static inline int32_t dot(const struct attend_args *a, uint32_t k_bits, const int8_t *q,
                          uint32_t slot) {
    int32_t sum = 0;
    for (uint32_t c = 0; c < a->head_dim; c++)
        sum += q[c] * kv_k_value(&a->kv, k_bits, slot, c, a->head_dim);
    return sum;
}

static inline uint32_t attend_one(const struct attend_args *a, uint32_t k_bits, uint32_t v_bits,
                                  const struct attend_query *query) {
    float *score = a->scratch, max = 0.0f, vmax = 0.0f;
    uint32_t bad = 0, first = 1;

    for (uint32_t j = seen_from(query, 0); j != NO_SLOT; j = seen_from(query, j + 1)) {
        float t = (float)dot(a, k_bits, query->q, j) * query->scale;
        score[j] = t * a->kv.kscale[j];
        if (first || score[j] > max) max = score[j];
        if (first || a->kv.vscale[j] > vmax) vmax = a->kv.vscale[j];
        first = 0;
    }
    max = attend_sink_max(query, max);
    if (vmax == 0.0f) {
        memset(query->out, 0, a->head_dim * sizeof *query->out);
        return 0;
    }

    int64_t sum = attend_sink_sum(query, max), acc[BLOB_HEAD_DIM_MAX] = {0};
    float r = num_recip(vmax);
    for (uint32_t j = seen_from(query, 0); j != NO_SLOT; j = seen_from(query, j + 1)) {
        float t = score[j] - max;
        float e = t < -30.0f ? 0.0f : num_exp2(t);
        sum += num_rint_positive(e * 16777216.0f);
        float b = num_snap(a->kv.vscale[j] * r, &bad);
        float w = e * b;
        w = num_rint(w * 2097151.0f);
        int64_t digits = w > 2097151.0f ? 2097151 : (int64_t)w;
        for (uint32_t c = 0; c < a->head_dim; c++)
            acc[c] += digits * kv_v_value(&a->kv, v_bits, j, c, a->head_dim);
    }
    float unit = num_snap(vmax * 0x1.000008p+3f, &bad);
    float inv = num_recip((float)sum);
    for (uint32_t c = 0; c < a->head_dim; c++) {
        float t = (float)acc[c] * unit;
        query->out[c] = num_snap(t * inv, &bad);
    }
    return bad;
}

static inline uint32_t attend(const struct attend_args *a, uint32_t k_bits, uint32_t v_bits) {
    assert(attend_good(a));
    uint32_t bad = 0;
    for (uint32_t i = 0; i < a->queries; i++) bad |= attend_one(a, k_bits, v_bits, &a->query[i]);
    return bad;
}

CPU_ATTEND_ALL_OF(ref)
