/* What a blob will be, decided from the source's configuration before any weight is read: every record, every offset, every size. */
#ifndef PACK_PLAN_H
#define PACK_PLAN_H

#include "weights/pack/quantize.h"
#include "weights/pack/source.h"

struct plan_choice {
    unsigned layer_bits; /* 8, 4, or 0: 8 below a billion parameters, 4 from there on */
    uint32_t positions;  /* cap; 0: 32 768 */
    bool rotate;
    const char *name;   /* NULL: the source's */
    const char *origin; /* file or directory name for the provenance, without its path */
    const char *calibration; /* a few words for the provenance */
};

/* What happens to a tensor's rows (from the right) and columns (from the left), docs/numerics.md section 8. */
enum plan_mix {
    MIX_NONE,
    MIX_RESIDUAL, /* R over dim */
    MIX_HEAD,     /* A^T over every head_dim */
    MIX_FFN       /* normalised Hadamard over every 64 */
};

/* What balance.h does to it. */
enum plan_balance { BALANCE_NONE, BALANCE_ROWS, BALANCE_COLUMNS };

struct plan_tensor {
    struct blob_tensor record;
    const struct source_tensor *from, *gain, *bias; /* gain and bias may be NULL */
    enum plan_mix rows, columns;
    float factor; /* on all weights and the bias */
    enum plan_balance balance;
    uint32_t layer;
    struct quantizer quantizer;
};

struct plan {
    struct blob_model model; /* text offsets included */
    struct blob_layer *layers;
    struct plan_tensor *tensors; /* in file order: embedding, layers, head */
    char *text;
    uint64_t text_bytes, row_floats, weight_bytes;
    unsigned layer_bits;
    bool capped; /* fewer positions than the model has */
};

bool plan_make(struct plan *plan, const struct source *source, const struct plan_choice *choice, struct diag *d);
void plan_free(struct plan *plan); /* also one all zero */

/* Bits of all tensors' bytes per weight stored, row scales included. */
double plan_bits_per_weight(const struct plan *plan);

#endif
