/* How the matrices of a layer are made from a checkpoint's tensors, one row each, in the order of
 * weights/roles.h; docs/numerics.md section 8 says why. */
#ifndef PACK_PACKED_ROLES_H
#define PACK_PACKED_ROLES_H

#include <stdint.h>

#include "weights/pack/checkpoint/source_roles.h"
#include "weights/roles.h"

/* What happens to a tensor's rows (from the right) and columns (from the left). */
enum plan_mix {
    MIX_NONE,
    MIX_RESIDUAL, /* R over dim */
    MIX_HEAD,     /* A^T over every head_dim */
    MIX_FFN       /* normalised Hadamard over every 64 */
};

/* Where a tensor has heads whose size is no multiple of 16: they get zeros behind each half, so
 * that RoPE pairs what it did. */
enum plan_heads { HEADS_NONE, HEADS_ROWS, HEADS_COLUMNS };

/* What balance.h does to it. */
enum plan_balance { BALANCE_NONE, BALANCE_ROWS, BALANCE_COLUMNS };

/* What all weights and the bias are multiplied by. */
enum plan_factor {
    FACTOR_ONE,
    FACTOR_SCORES, /* exp becomes exp2, and q and k meet after an unscaled Hadamard transform of
                      both */
    FACTOR_EIGHTH  /* H / 64 is the normalised H / 8 */
};

struct packed_role {
    enum source_role from, gain, run[ROW_RUNS]; /* gain and runs may be SOURCE_NONE */
    enum plan_mix rows, columns;
    enum plan_heads heads;
    enum plan_balance balance;
    enum plan_factor factor;
    double kl; /* per weight at 4 bits, least first 1, as measured on SmolLM2-135M: for budgets
                  where nothing is measured */
};

extern const struct packed_role packed_roles[LT_COUNT];

struct plan;
struct source;
struct plan_tensor;
/* What the plan says of a layer's matrix, but for its record and its quantizer. */
struct plan_tensor packed_tensor(const struct plan *plan, const struct source *source,
                                 uint32_t layer, enum layer_tensor which);

#endif
