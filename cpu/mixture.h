/* Which experts a column goes to, and where a pass keeps what it computes for them
 * (docs/numerics.md 5).
 *
 * A column with an expert that it chose is a pair. The pairs of a pass lie in slots in the order of
 * their experts, those of one expert in the order of their columns. So an expert's weights are read
 * once, by a product over neighbouring columns. */
#ifndef CPU_MIXTURE_H
#define CPU_MIXTURE_H

#include "cpu/kernels.h"
#include "hal/program.h"

/* An expert that some column chose: its pairs are first .. first + count - 1. */
struct mixture_run {
    uint32_t expert, first, count;
};

/* Of one pass and layer. */
struct mixture {
    struct mixture_run *run; /* [the most experts of a layer] by expert */
    uint32_t *pair;          /* [columns][active] of each choice, its place among the pairs */
    uint32_t columns; /* of the pass when the pairs were laid out: one that goes on after it was
                         stopped may have fewer, and keeps the places of all */
    uint32_t runs;
    uint32_t most; /* the most pairs of a run */
};

/* logits [experts], snapped. Fills choice [active], in the order of the experts. Returns nonzero if
 * a value left the range of snap(). */
uint32_t mixture_choose(const float *logits, const struct hal_mixture *shape,
                        struct hal_choice *choice);

/* Lays out the pairs of `columns` columns, whose choices begin `stride` bytes after one another. */
void mixture_lay_out(struct mixture *mixture, const struct hal_mixture *shape,
                     const uint8_t *choices, size_t stride, uint32_t columns);

/* The products of all pairs with one tensor, which holds the experts one after another. */
struct mixture_product {
    cpu_gemv_fn *gemv;
    struct gemv_args args; /* of expert 0 and pair 0; columns is not used */
    uint32_t rows;         /* of an expert, a multiple of 16 */
    size_t panel_bytes;
};

/* Units are panels: for one run after another those of its expert in each of the products. */
uint32_t mixture_units(const struct mixture *mixture, const struct mixture_product *product,
                       uint32_t products);
uint32_t mixture_multiply(const struct mixture *mixture, const struct mixture_product *product,
                          uint32_t products, uint32_t begin, uint32_t end);
/* The weights that units begin .. end - 1 read first: where they lie, and their bytes. begin <
 * end. */
const uint8_t *mixture_ahead(const struct mixture *mixture, const struct mixture_product *product,
                             uint32_t products, uint32_t begin, uint32_t end, size_t *bytes);

#endif
