/* The CPU's kernel table: every function by instruction set. All sets give the same bits
 * (docs/numerics.md).
 *
 * cpu_kernels_fill writes the reference functions and then overwrites them with each stronger set
 * that the machine and the mask have. All pointers are to readable memory of the stated size.
 * Nothing is read or written outside it, not even by masked-off reads. Functions that make floats
 * return `bad`: nonzero if a value left the range of snap(). The pass then fails, and outputs are
 * unspecified but written inside bounds. No function keeps state, allocates or spins. The float
 * environment is round-to-nearest, no flush-to-zero. */
#ifndef CPU_KERNELS_H
#define CPU_KERNELS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"
#include "hal/act.h"
#include "hal/kv.h"
#include "hal/scalar.h"
#include "weights/format.h"

/* y = W x for `columns` columns. Any number >= 1 is allowed; 1..16 cost nearly one pass over the
 * weights, more are prefill. */
struct gemv_args {
    const uint8_t *panels;  /* of the tensor, 64-aligned; weights/format.h */
    const float *row_scale; /* [padded rows] */
    const float *bias;      /* [padded rows], or NULL: none */
    uint32_t kp;            /* padded columns of the weight, a multiple of 64 */
    uint32_t columns;
    const uint8_t *x; /* quantized columns (hal/act.h), x_stride = act_stride(kp) apart */
    size_t x_stride;
    float *y;        /* column c at y + c * y_stride, [padded rows], 64-aligned */
    size_t y_stride; /* floats, a multiple of 16 */
    int add;         /* 0: y = the product with its bias; 1: y = snap(y + that), the residual
                        stream */
    size_t ahead;    /* bytes from a weight in use to the one to prefetch: GEMV_AHEAD, or 0
                               where a cache holds much of the model */
};
/* GEMV_AHEAD is chosen. What prefetching that far ahead gains, and where it hinders, was measured:
 * ahead_for in cpu/backend.c. */
enum { GEMV_AHEAD = 4096 };

/* Rows 16 * panel_begin .. 16 * panel_end - 1 of every column. */
typedef uint32_t cpu_gemv_fn(const struct gemv_args *args, uint32_t panel_begin,
                             uint32_t panel_end);

/* A batch of queries of one layer that share a kv head. */
enum { ATTEND_QUERIES = 8 };
struct attend_query {
    const int8_t *q; /* [head_dim], 64-aligned */
    float scale;
    /* What the query sees, in the form of struct hal_column (hal/program.h). Panels of slots that
     * no query of the batch sees are not read. */
    const struct kv_range *range; /* [ranges] */
    uint32_t ranges;
    uint32_t tail;
    uint32_t mask;     /* bit i: slot tail + i is visible, i < 16 */
    float *out;        /* [head_dim], 64-aligned */
    const float *sink; /* NULL, or a logit that takes part in the maximum and in the sum */
};
struct attend_args {
    struct kv_head kv;
    uint32_t slots;                            /* of the cache, a multiple of KV_PANEL */
    uint32_t head_dim;                         /* a multiple of 16, 16 .. 256 */
    uint32_t queries;                          /* 1 .. ATTEND_QUERIES */
    struct attend_query query[ATTEND_QUERIES]; /* each sees at least one slot */
    float *scratch;                            /* attend_scratch_floats(slots), 64-aligned */
};
/* With the query's sink, if it has one: the maximum, and the sum's first term, which is the sink's
 * E. `max` in the sum is the maximum with the sink. */
static inline float attend_sink_max(const struct attend_query *q, float max) {
    return q->sink && *q->sink > max ? *q->sink : max;
}
static inline int64_t attend_sink_sum(const struct attend_query *q, float max) {
    if (!q->sink) return 0;
    float t = *q->sink - max;
    if (t < -30.0f) return 0;
    float e = num_exp2(t);
    return num_rint_positive(e * 16777216.0f);
}
/* Attention over a cache of the type under which the function stands in the table. */
typedef uint32_t cpu_attend_fn(const struct attend_args *args);

/* Room for the scores of every query and for the digits of a block of slots. */
static inline size_t attend_scratch_floats(uint32_t slots) {
    return (size_t)ATTEND_QUERIES * (slots + 64) + 8192;
}

/* RMSNorm without gains, quantized: x [dim] -> column of width dim. inv_dim: the float nearest
 * 1/dim. */
typedef uint32_t cpu_norm_fn(const float *x, uint32_t dim, float inv_dim, float eps, void *column);

/* x [k] -> column of width k, 64-aligned like every column. */
typedef uint32_t cpu_quant_fn(const float *x, uint32_t k, void *column);

/* An activation of g and u (of g alone where it has no gate; u is then not read), Hadamard in
 * blocks of 64, quantized: g, u [ffn], ffn a multiple of 64 -> column. g is overwritten. */
typedef uint32_t cpu_act_fn(float *g, const float *u, uint32_t ffn, void *column);

/* The factor of RMSNorm: x [n] -> r of docs/numerics.md 5. inv_n: the float nearest 1/n. */
typedef float cpu_rms_fn(const float *x, uint32_t n, float inv_n, float eps);

/* One head in place: x times gain [head_dim], which the scale gets times r too (NULL: neither);
 * then RoPE with cos_sin = cos [h], sin [h], h = head_dim / 2, and Hadamard in blocks of
 * head_block(head_dim) (NULL: neither, as for V); then quantized: q [head_dim] int8, *scale.
 * head_dim: a multiple of 16, 16 .. 256. */
typedef uint32_t cpu_head_fn(float *x, const float *gain, float r, const float *cos_sin,
                             uint32_t head_dim, int8_t *q, float *scale);

/* x [dim] = row [dim] * scale. */
typedef uint32_t cpu_embed_fn(const int8_t *row, float scale, uint32_t dim, float *x);

/* x [n] = x + y [n] * weight, the residual stream; weight in [0, 1]. */
typedef uint32_t cpu_mix_fn(float *x, const float *y, float weight, uint32_t n);

/* x [n] = x + what a norm behind a sublayer makes of y [n]: y times gain [n], an unscaled Hadamard
 * transform in blocks, times r. n is a multiple of block, a power of two. y is overwritten. */
typedef uint32_t cpu_join_fn(float *x, float *y, const float *gain, float r, uint32_t n,
                             uint32_t block);

/* Whether arguments obey the rules above. The functions of every set assert it. */
static inline int lines_good(const void *at) { return at && (uintptr_t)at % 64 == 0; }
static inline int gemv_good(const struct gemv_args *a, uint32_t panel_begin, uint32_t panel_end) {
    return lines_good(a->panels) && a->row_scale && a->kp && a->kp % GROUP == 0 && a->columns &&
           lines_good(a->x) && a->x_stride == act_stride(a->kp) && lines_good(a->y) &&
           a->y_stride % 16 == 0 && panel_begin <= panel_end;
}
static inline int attend_good(const struct attend_args *a) {
    int good = a->slots % KV_PANEL == 0 && a->head_dim >= 16 && a->head_dim <= BLOB_HEAD_DIM_MAX &&
               a->head_dim % 16 == 0 && a->queries >= 1 && a->queries <= ATTEND_QUERIES &&
               lines_good(a->scratch);
    for (uint32_t i = 0; good && i < a->queries; i++) {
        const struct attend_query *q = &a->query[i];
        good =
            lines_good(q->q) && lines_good(q->out) && (q->ranges || q->mask) && q->mask < 1u << 16;
        for (uint32_t r = 0; r < q->ranges; r++)
            good &= q->range[r].begin < q->range[r].end && q->range[r].end <= a->slots &&
                    (!r || q->range[r - 1].end <= q->range[r].begin);
    }
    return good;
}
static inline int head_good(uint32_t head_dim) {
    return head_dim >= 16 && head_dim <= BLOB_HEAD_DIM_MAX && head_dim % 16 == 0;
}

/* The kernels that have one function for each set. Each row has the member of the table and its
 * type. The reference set has all of them. A new function is used as soon as it stands there. */
#define CPU_KERNELS(KERNEL)                                                                        \
    KERNEL(norm, cpu_norm_fn)                                                                      \
    KERNEL(quant, cpu_quant_fn)                                                                    \
    KERNEL(rms, cpu_rms_fn)                                                                        \
    KERNEL(head, cpu_head_fn)                                                                      \
    KERNEL(embed, cpu_embed_fn)                                                                    \
    KERNEL(mix, cpu_mix_fn)                                                                        \
    KERNEL(join, cpu_join_fn)

/* The kernels that have one function for each type. */
#define CPU_GEMV_KERNELS(GEMV)                                                                     \
    GEMV(WEIGHT_W8, gemv_w8)                                                                       \
    GEMV(WEIGHT_W4, gemv_w4)                                                                       \
    GEMV(WEIGHT_W4T, gemv_w4t)                                                                     \
    GEMV(WEIGHT_W5, gemv_w5)                                                                       \
    GEMV(WEIGHT_W6, gemv_w6)                                                                       \
    GEMV(WEIGHT_W4S, gemv_w4s)                                                                     \
    GEMV(WEIGHT_W8S, gemv_w8s)
#define CPU_ATTEND_KERNELS(ATTEND)                                                                 \
    ATTEND(KV_8, attend)                                                                           \
    ATTEND(KV_4, attend_4)                                                                         \
    ATTEND(KV_K8V4, attend_k8v4)                                                                   \
    ATTEND(KV_K4V8, attend_k4v8)

/* Defines a set's functions of all types by attend(args, bits of K, bits of V). A build with fewer
 * kernels has plain C's alone for caches with 4 bits, as for weights of 5 and 6. */
#define CPU_ATTEND_ALL_OF(set)                                                                     \
    uint32_t set##_attend(const struct attend_args *a) { return attend(a, 8, 8); }                 \
    uint32_t set##_attend_4(const struct attend_args *a) { return attend(a, 4, 4); }               \
    uint32_t set##_attend_k8v4(const struct attend_args *a) { return attend(a, 8, 4); }            \
    uint32_t set##_attend_k4v8(const struct attend_args *a) { return attend(a, 4, 8); }
#ifdef APUS_FEWER_KERNELS
#define CPU_ATTEND_OF(set)                                                                         \
    uint32_t set##_attend(const struct attend_args *a) { return attend(a, 8, 8); }
#else
#define CPU_ATTEND_OF CPU_ATTEND_ALL_OF
#endif
#define CPU_ACT_KERNELS(ACT)                                                                       \
    ACT(ACTIVATION_SILU, act_silu)                                                                 \
    ACT(ACTIVATION_GELU, act_gelu)                                                                 \
    ACT(ACTIVATION_CLAMPED, act_clamped)                                                           \
    ACT(ACTIVATION_PLAIN, act_plain)

struct cpu_kernels {
    apus_cpu cpu; /* the strongest set in the table */
#define KERNEL(name, type) type *name;
    CPU_KERNELS(KERNEL)
#undef KERNEL
    cpu_gemv_fn *gemv[WEIGHT_TYPES]; /* NULL: the CPU does not multiply the type */
    cpu_attend_fn *attend[KV_TYPES];
    cpu_act_fn *act[BLOB_ACTIVATIONS];
};

/* Fills the table up to `mask` (APUS_CPU_BEST: everything the machine has). APUS_E_UNAVAILABLE, and
 * the table untouched, if the machine lacks that set. */
apus_status cpu_kernels_fill(struct cpu_kernels *table, apus_cpu mask);

/* What each instruction set puts into the table. Call it only if the machine has the set. Defined
 * in cpu/<set>_table.c. */
void cpu_fill_ref(struct cpu_kernels *table);
void cpu_fill_avx2(struct cpu_kernels *table);
void cpu_fill_avxvnni(struct cpu_kernels *table);
void cpu_fill_avx512(struct cpu_kernels *table);
void cpu_fill_neon(struct cpu_kernels *table);

#endif
